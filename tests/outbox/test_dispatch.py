"""Sending what waits: once where it counts, only where it was meant to go, and gone only when acknowledged."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import pytest
from broker_stand import Stand, freeze, open_connection_on, own_profile, thaw
from messages_to_send import Alerts
from outbox.conftest import recently
from waiting import wait_for

from snews_drill.connection import Connection, open_profile
from snews_drill.errors import OutboxError
from snews_drill.messages.checks import MAX_AGE_NS
from snews_drill.outbox import DispatchReport, Outbox
from snews_drill.outbox import entry as entry_module
from snews_drill.profiles import get_profile
from snews_drill.publisher import SNEWSTiersPublisher
from snews_drill.rehearsal.archive import Archive
from snews_drill.rehearsal.launcher import stop_rehearsal
from snews_drill.rehearsal.server import DrillServer
from snews_drill.settings import DrillSettings

Fail = Callable[..., SNEWSTiersPublisher]


def say(connection: Connection, detector: str, **arguments: object) -> None:
    arguments = arguments or {"neutrino_time": recently(), "p_val": 0.05}
    SNEWSTiersPublisher(
        detector_name=detector, connection=connection, verbose=False, **arguments
    ).send_to_snews(verbose=False)


def counts(server: DrillServer, word: str) -> int:
    return server.status.counts.get(word, 0)


@pytest.mark.usefixtures("spoken")
def test_what_had_arrived_and_is_sent_again_makes_no_second_alert(
    link: Connection, archive: Archive, fail: Fail, outbox: Outbox
) -> None:
    """The bytes arrived, the acknowledgement did not: the server counts the second copy as a repetition."""
    alerts = Alerts(link)
    with DrillServer(link, archive) as server:
        say(link, "JUNO")
        fail(neutrino_time=recently(), p_val=0.07)
        assert len(alerts.wait_for(1)) == 1  # it had arrived
        assert len(outbox) == 1
        report = outbox.send(connection=link)
        assert report
        assert [one.is_sent for one in report] == [True]
        assert outbox.entries == []
        wait_for(lambda: counts(server, "repeated") == 1, f"the repetition, status {server.status}")
        say(link, "LVD")  # and what comes after it makes the next alert
        alerts.wait_for(2)
        assert [kind for kind, _ in alerts.said] == ["COINC_MSG", "COINC_MSG"]
        wait_for(lambda: counts(server, "CoincidenceTier") == 3, f"three observations, {server.status}")
    alerts.close()


@pytest.mark.usefixtures("spoken")
def test_a_retraction_that_had_arrived_takes_nothing_back_twice(
    link: Connection, archive: Archive, fail: Fail, outbox: Outbox
) -> None:
    """Sent again it is a repetition; the observation that was made meanwhile stands."""
    alerts = Alerts(link)
    with DrillServer(link, archive) as server:
        say(link, "JUNO")
        say(link, "XENONnT")
        alerts.wait_for(1)
        fail(retract_latest=1, retraction_reason="a test")
        alerts.wait_for(2)
        say(link, "XENONnT")
        alerts.wait_for(3)
        assert outbox.send(connection=link)
        wait_for(lambda: counts(server, "repeated") == 1, f"the repetition, status {server.status}")
        assert [kind for kind, _ in alerts.said] == ["COINC_MSG", "RETRACTION", "COINC_MSG"]
    alerts.close()


def test_an_old_copy_does_not_undo_a_retraction(
    link: Connection, archive: Archive, fail: Fail, outbox: Outbox
) -> None:
    """The observation had arrived, was taken back, and comes again from the outbox: it stays taken back."""
    alerts = Alerts(link)
    with DrillServer(link, archive) as server:
        say(link, "JUNO")
        fail(neutrino_time=recently(), p_val=0.07)
        alerts.wait_for(1)
        say(link, "XENONnT", retract_latest=1)
        alerts.wait_for(2)
        assert outbox.send(connection=link)
        wait_for(lambda: counts(server, "repeated") == 1, f"the repetition, status {server.status}")
        assert [kind for kind, _ in alerts.said] == ["COINC_MSG", "RETRACTION"]
    alerts.close()


def test_what_never_left_is_delivered_later(
    stand: Stand, link: Connection, archive: Archive, outbox: Outbox
) -> None:
    """The broker was gone and came back: the alert comes after all."""
    publisher = SNEWSTiersPublisher(neutrino_time=recently(), connection=link, verbose=False)
    stand.kill()
    with pytest.raises(Exception, match="outbox send"):
        publisher.send_to_snews(verbose=False, timeout=1)
    assert not outbox.send(connection=link, timeout=0.5)
    (entry,) = outbox.entries
    assert entry.attempts == 2
    stand.start()
    link.make_topics()
    alerts = Alerts(link)
    with DrillServer(link, archive):
        say(link, "JUNO")
        assert outbox.send(connection=link, timeout=20)
        assert alerts.wait_for(1)[0]["detector_names"] == ["XENONnT", "JUNO"]
    alerts.close()
    assert outbox.entries == []


def test_a_message_that_is_too_old_stays_and_says_so(
    fail: Fail, link: Connection, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checked again when it is sent; the fresh one beside it goes."""
    fail(neutrino_time=recently())
    (old,) = outbox.entries
    say(link, "XENONnT")
    with monkeypatch.context() as later:
        now_ns = entry_module.time.time_ns() + MAX_AGE_NS
        later.setattr("snews_drill.outbox.dispatch.time.time_ns", lambda: now_ns)
        report = outbox.send(connection=link)
    assert not report
    assert "more than 48 hours old" in report.kept[0].reason
    assert f"drop {old.id}" in report.kept[0].next_step
    assert outbox.entries == [old]


def test_it_goes_to_no_other_broker_and_no_other_topic(
    broker: Stand, fail: Fail, user: DrillSettings, outbox: Outbox, link: Connection
) -> None:
    """Another broker of the same profile, and other topics on the same one: refused, kept, told."""
    fail(neutrino_time=recently())
    profile = link.profile
    link.close()
    with open_connection_on(broker, user, profile) as other:
        reader = other.open_reader([profile.firedrill.observations], start="beginning")
        report = outbox.send(connection=other)
        assert not report
        assert "rehearsal that it was meant for is over" in report.kept[0].reason
        assert reader.read(timeout=0.3) == []
        reader.close()
    assert len(outbox) == 1


def test_other_topics_of_the_same_broker_are_another_place(
    stand: Stand, fail: Fail, user: DrillSettings, outbox: Outbox
) -> None:
    fail(neutrino_time=recently())
    with open_connection_on(stand, user, own_profile()) as other:
        assert not outbox.send(connection=other)
    assert len(outbox) == 1


def test_each_place_gets_its_own(
    stand: Stand, broker: Stand, fail: Fail, user: DrillSettings, outbox: Outbox, link: Connection
) -> None:
    """One place that is gone does not keep the others' messages."""
    fail(neutrino_time=recently())
    with open_connection_on(broker, user) as other:
        publisher = SNEWSTiersPublisher(
            detector_name="JUNO", neutrino_time=recently(), connection=other, verbose=False
        )
        monkey = pytest.MonkeyPatch()
        monkey.setattr(other, "send", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            publisher.send_to_snews(verbose=False)
        monkey.undo()
    assert [entry.detector_name for entry in outbox] == ["XENONnT", "JUNO"]
    report = outbox.send(connection=link)
    assert [(one.entry.detector_name, one.is_sent) for one in report] == [("XENONnT", True), ("JUNO", False)]
    assert [entry.detector_name for entry in outbox] == ["JUNO"]


def test_a_rehearsal_that_is_over_is_told(settings: DrillSettings) -> None:
    """Its messages can be looked at and dropped; no new rehearsal is started to find that out."""
    user = settings.model_copy(update={"detector_name": "XENONnT"})
    outbox = Outbox(settings=user)
    with open_profile("rehearsal", settings=user) as connection:
        publisher = SNEWSTiersPublisher(neutrino_time=recently(), connection=connection, verbose=False)
        publisher.send_to_snews(verbose=False)
        assert stop_rehearsal(user)
        with pytest.raises(Exception, match="outbox send"):
            publisher.send_to_snews(verbose=False, timeout=0.5)
    report = outbox.send()
    assert "rehearsal that it was meant for is over" in report.kept[0].reason
    assert not (user.runtime_dir / "rehearsal.json").exists()
    assert len(outbox.drop_all()) == 1
    assert outbox.entries == []


def test_the_same_rehearsal_is_found_again(settings: DrillSettings) -> None:
    """From another program, with a connection made for the time: the rehearsal runs, its broker stood still."""
    user = settings.model_copy(update={"detector_name": "XENONnT"})
    outbox = Outbox(settings=user)
    with open_profile("rehearsal", settings=user) as connection:
        publisher = SNEWSTiersPublisher(neutrino_time=recently(), connection=connection, verbose=False)
        publisher.send_to_snews(verbose=False)
        assert connection.rehearsal is not None
        state = connection.rehearsal.current_state()
        assert state is not None
        os.kill(state.broker_process.pid, signal.SIGSTOP)
        with pytest.raises(Exception, match="outbox send"):
            publisher.send_to_snews(verbose=False, timeout=0.4)
        os.kill(state.broker_process.pid, signal.SIGCONT)
        assert outbox.send()
        assert outbox.entries == []


def test_a_profile_that_leads_elsewhere_now_is_refused(
    broker: Stand, user: DrillSettings, outbox: Outbox
) -> None:
    """The file with the topics was changed since: the message stays."""
    path = user.state_dir.parent / "topics.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(
        f'[{kind}]\nobservations = "{kind}.o"\nalerts = "{kind}.a"\nconnection = "{kind}.c"'
        for kind in ("firedrill", "test")
    )
    path.write_text(text)
    profile = get_profile(f"kafka://{broker.address}", topics=path)
    with open_connection_on(broker, user, profile) as connection:
        publisher = SNEWSTiersPublisher(neutrino_time=recently(), connection=connection, verbose=False)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(connection, "send", lambda *_, **__: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                publisher.send_to_snews(verbose=False)
    path.write_text(text.replace("firedrill.o", "elsewhere.o"))
    report = outbox.send()
    assert "no longer leads to firedrill.o" in report.kept[0].reason
    path.write_text(text)
    assert outbox.send()


def test_two_programs_do_not_send_at_once(
    stand: Stand, fail: Fail, link: Connection, outbox: Outbox, user: DrillSettings
) -> None:
    """The second waits for the first, and finds nothing left."""
    fail(neutrino_time=recently())
    freeze(stand)
    found: list[DispatchReport] = []
    threads = [
        threading.Thread(target=lambda: found.append(Outbox(settings=user).send(connection=link)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    thaw(stand)
    for thread in threads:
        thread.join(15)
    assert sorted(len(report) for report in found) == [0, 1]
    assert all(found)


def test_a_lock_that_is_held_is_told(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the next step."""
    folder = outbox._folder
    with folder.held(), pytest.raises(OutboxError, match="Another program"), folder.held(timeout=0.05):
        pass


def test_a_report_tells_what_became_of_each(fail: Fail, link: Connection, outbox: Outbox) -> None:
    """In a terminal and in a notebook."""
    fail(neutrino_time=recently(), p_values=[0.1], t_bin_width=0.5)
    report = outbox.send(connection=link)
    assert repr(report) == "2 sent and acknowledged, 0 still in the outbox"
    assert report._repr_html_().count("acknowledged") == 3
