"""The withdrawn client 1.3.2, measured: each verb calls what its users called."""

from __future__ import annotations

import time

import dialogue

answers = dialogue.keep_answers_apart()

import guard  # noqa: E402 - found where dialogue says

job = guard.take_job()
ENV_FILE = guard.write_env_file(job)

from snews_pt.snews_pub import SNEWSTiersPublisher  # noqa: E402 - the peer is imported behind the walls

guard.set_topics(job)


def build(calls: int) -> dict[str, object]:
    """A coincidence and a significance message: built and checked."""

    def one(moment: str) -> SNEWSTiersPublisher:
        return SNEWSTiersPublisher(
            detector_name="XENONnT",
            neutrino_time=moment,
            p_values=[0.4, 0.5, 0.09, 0.04],
            t_bin_width=0.6,
        )

    moments = dialogue.moments(calls)
    return {"seconds": dialogue.per_call(one, moments), "made": len(one(moments[0]).messages)}


def publish(detector: str, neutrino_time: str, p_val: float) -> dict[str, object]:
    """Send one observation; the call returns when its stream, which waits for the broker, is closed."""
    made = SNEWSTiersPublisher(
        env_file=ENV_FILE, detector_name=detector, neutrino_time=neutrino_time, p_val=p_val
    )
    assert len(made.messages) == 1
    begun, begun_at = time.perf_counter(), time.monotonic()
    made.send_to_snews()
    return {"seconds": time.perf_counter() - begun, "begun_at": begun_at}


dialogue.converse(answers, build, publish)
