"""Reading: a record is handed over as soon as the broker has it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Literal

import adc.consumer
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from snews_drill.errors import TransportError
from snews_drill.transport.clients import ClientConfiguration, list_topics
from snews_drill.transport.failures import AUTHENTICATION, GONE, PERMISSION, UNKNOWN, translated
from snews_drill.transport.records import Record

#: How long a broker on this machine may hold a fetch, ms. The embedded broker answers an idle fetch only
#: when this time is over, so it is the latency of a reader there; other brokers answer at once and get
#: Kafka's default.
_LOOPBACK_FETCH_WAIT_MS = 10
_FETCH_WAIT_MS = 500

#: The embedded broker looks through a whole topic for each fetch, and answers "nothing" if the time is over
#: before it found what is there (from some ten thousand writes on). A reader that is left behind like that
#: gives it more time, step by step up to this, ms.
_LONGEST_FETCH_WAIT_MS = 5_000

#: How long a record that is missing before the next one is waited for, and the pause between two looks, seconds.
_GAP_PATIENCE_SEC, _GAP_PAUSE_SEC = 3.0, 0.01

#: How long to look for the record before a position that seems to lie beyond the end, seconds.
_LOOK_BACK_SECONDS = 1.0

Start = Literal["now", "beginning"] | Mapping[tuple[str, int], int]


class _ConsumerConfig(adc.consumer.ConsumerConfig):  # type: ignore[misc]
    extras: dict[str, Any]

    def _to_confluent_kafka(self) -> dict[str, Any]:
        return {**super()._to_confluent_kafka(), **self.extras}


class Reader:
    """Reads topics and hands over a record as soon as the broker has it. For one thread.

    Opened by `Transport.open_reader`. Nothing is committed to the broker: a reader knows its own position.
    """

    #: How often a broken connection is tried, seconds.
    _PROBE_SECONDS = 0.5

    #: How often an idle reader looks whether it is left behind, seconds.
    _STALL_SECONDS = 0.5

    def __init__(
        self,
        configuration: ClientConfiguration,
        topics: tuple[str, ...],
        start: Start,
        timeout: float,
        instance: Callable[[], str | None] | None,
        is_cancelled: Callable[[], bool] | None = None,
        written_ms: Mapping[tuple[str, int], int] | None = None,
    ) -> None:
        self._configuration = ClientConfiguration(configuration.broker, configuration.auth)
        self._topics = topics
        self._instance = instance
        self._known_instance = instance() if instance else None
        self._began = time.monotonic()
        self._down_since: float | None = None
        self._next_probe = 0.0
        self._is_closed = False
        self._pending: TransportError | None = None
        self._positions: dict[tuple[str, int], int] = {}
        self._last_timestamps: dict[tuple[str, int], int] = {}
        self._wait_ms = _LOOPBACK_FETCH_WAIT_MS if self._configuration.is_loopback else _FETCH_WAIT_MS
        self._next_stall_check = time.monotonic() + self._STALL_SECONDS
        self._behind_at: dict[tuple[str, int], int] | None = None
        self._gaps: dict[tuple[tuple[str, int], int], float] = {}
        self._consumer = self._make_consumer()
        try:
            self._assign(start, timeout, is_cancelled, written_ms)
        except BaseException:
            self._consumer.close()
            raise

    def _make_consumer(self) -> Consumer:
        config = _ConsumerConfig(
            broker_urls=[self._configuration.broker],
            # Brokers with permissions allow each user the groups that begin with their name, as hop-client makes them.
            group_id=f"{getattr(self._configuration.auth, 'username', 'snews_drill')}-{uuid.uuid4().hex}",
            auth=self._configuration.auth,
            error_callback=self._note,
            reconnect_max_time=timedelta(seconds=1),
        )
        config.extras = {
            **self._configuration.extras(),
            "fetch.wait.max.ms": self._wait_ms,
            "fetch.error.backoff.ms": 50,
            # hop's 1,000 records and Kafka's pause of a second when they are reached would make bursts
            # stutter.
            "queued.min.messages": 100_000,
            "queued.max.messages.kbytes": 16_384,
            "fetch.queue.backoff.ms": 10,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "allow.auto.create.topics": False,
        }
        # Not adc's own consumer: it writes these settings, with the password, to its log.
        return Consumer(config._to_confluent_kafka())

    @property
    def down_since(self) -> float | None:
        """`time.time()` of the moment the broker was lost; None while it is there."""
        return self._down_since

    @property
    def positions(self) -> dict[tuple[str, int], int]:
        """The next offset for each (topic, partition)."""
        return dict(self._positions)

    @property
    def life(self) -> str | None:
        """Which life of the broker the positions are of; None where the broker keeps its content."""
        return self._known_instance

    def read(self, *, timeout: float, limit: int = 500) -> list[Record]:
        """Return what has come, waiting only if there is nothing.

        Parameters
        ----------
        timeout
            Seconds to wait for the first record.
        limit
            The most records to return.

        Raises
        ------
        TransportError
            If the broker refuses, the topic was taken away, or the reader is closed. A broker that is gone
            is no error here: see `down_since`.
        """
        if self._is_closed:
            raise TransportError("This reader is closed.", next_step="Open a new one.")
        pending, self._pending = self._pending, None
        if pending is not None:
            raise pending
        messages = self._consumer.consume(1, timeout)
        if messages and limit > 1:
            messages += self._consumer.consume(limit - 1, 0)
        has_come = any(message.error() is None for message in messages)
        if self._down_since is not None and (has_come or time.monotonic() >= self._next_probe):
            self._next_probe = time.monotonic() + self._PROBE_SECONDS
            self._resume()
            return []  # what came just now comes again
        if not messages and self._down_since is None and time.monotonic() >= self._next_stall_check:
            self._mend_stall()
        messages = self._up_to_gaps(messages)
        records = [record for message in messages if (record := self._record(message)) is not None]
        refusal = self._configuration.refusal_since(self._began)
        if refusal is not None:
            self._pending = self._pending or translated(refusal, broker=self._configuration.broker)
        if self._pending is not None and not records:
            pending, self._pending = self._pending, None
            raise pending
        return records

    def is_at_end(self, *, timeout: float = 2.0) -> bool:
        """Tell whether all that the topics hold now has been handed over; False if the broker does not say.

        Parameters
        ----------
        timeout
            Seconds to wait for the broker, for each partition.
        """
        try:
            return not self._is_behind(timeout)
        except KafkaException:
            return False

    def close(self) -> None:
        """Let the broker go. May be called twice."""
        if not self._is_closed:
            self._is_closed = True
            self._consumer.close()

    def _record(self, message: Any) -> Record | None:
        error = message.error()
        if error is not None:
            # After an outage the topics may be made a moment later than the broker answers.
            final = PERMISSION | AUTHENTICATION | (UNKNOWN if self._down_since is None else set())
            # Who starts at a number and commits nothing needs no right on a group; the broker mentions it once.
            final -= {KafkaError.GROUP_AUTHORIZATION_FAILED}
            if error.code() in final:
                # Raised when the records that came with it are handed over.
                self._pending = translated(
                    error, broker=self._configuration.broker, topic=message.topic() or ""
                )
            else:
                self._note(error)
            return None
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        self._positions[topic, partition] = offset + 1
        self._last_timestamps[topic, partition] = message.timestamp()[1]
        content_format = None
        for key, value in message.headers() or ():
            if key == "_format" and isinstance(value, bytes):
                content_format = value[:40].decode("utf-8", "replace")
        value = message.value()
        return Record(topic, partition, offset, message.timestamp()[1], value or b"", content_format)

    def _note(self, error: KafkaError) -> None:
        self._configuration.note(error)
        if error.code() in GONE and self._down_since is None:
            self._down_since = time.time()
            self._next_probe = 0.0

    def _resume(self) -> None:
        """Go on after an outage: where it was, or from the beginning if the broker came back without its content."""
        try:
            current = self._instance() if self._instance else None
            if not self._has_topics() or (current is None and self._known_instance is not None):
                return  # not there yet, or nobody can tell just now
            is_same = current == self._known_instance and self._has_what_was_read()
            self._assign(self.positions if is_same else "beginning", 2.0)
        except (KafkaException, TransportError):
            return
        self._known_instance, self._down_since = current, None

    def _has_what_was_read(self) -> bool:
        """Tell whether the broker still has the last record that was read of each partition."""
        return all(
            self._timestamp_of(topic, partition, self._positions[topic, partition] - 1) == timestamp
            for (topic, partition), timestamp in self._last_timestamps.items()
        )

    def _up_to_gaps(self, messages: list[Any]) -> list[Any]:
        """Leave out what comes behind a record that is missing, and ask for that one again.

        The embedded broker numbers records that two producers write at the same moment before all of them can be read:
        a reader that is quick sees the second one without the first, and would never see the first.
        """
        if not self._configuration.is_loopback:
            return messages
        kept, positions, is_missing = [], dict(self._positions), False
        held_up: set[tuple[str, int]] = set()
        for message in messages:
            place = message.topic(), message.partition()
            if message.error() is None and place in positions:
                if place in held_up or self._is_waited_for(place, positions[place], message.offset()):
                    held_up.add(place)
                    is_missing = True
                    continue
                positions[place] = message.offset() + 1
            kept.append(message)
        if is_missing:
            time.sleep(_GAP_PAUSE_SEC)
            self._consumer.assign([TopicPartition(*place, offset) for place, offset in positions.items()])
        return kept

    def _is_waited_for(self, place: tuple[str, int], expected: int, offset: int) -> bool:
        """Tell whether a record before this one is missing and may still come."""
        if offset <= expected:
            return False
        since = self._gaps.setdefault((place, expected), time.monotonic())
        # A broker may leave numbers out for good: behind a transaction, or what it has deleted.
        if time.monotonic() - since < _GAP_PATIENCE_SEC:
            return True
        del self._gaps[place, expected]
        return False

    def _mend_stall(self) -> None:
        """Give the broker more time for a fetch if there is something that it did not hand over for two looks."""
        self._next_stall_check = time.monotonic() + self._STALL_SECONDS
        if not self._configuration.is_loopback or self._wait_ms >= _LONGEST_FETCH_WAIT_MS:
            return
        try:
            if not self._is_behind():
                self._behind_at = None
            elif self._behind_at != self._positions:
                self._behind_at = dict(self._positions)
            else:
                self._behind_at = None
                self._wait_ms = min(max(self._wait_ms, 5) * 4, _LONGEST_FETCH_WAIT_MS)
                slow, self._consumer = self._consumer, self._make_consumer()
                slow.close()
                self._consumer.assign(
                    [TopicPartition(*place, offset) for place, offset in self._positions.items()]
                )
        except KafkaException:
            return

    def _is_behind(self, timeout: float = 0.5) -> bool:
        return any(
            self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=timeout)[1] > offset
            for place, offset in self._positions.items()
        )

    def _has_topics(self) -> bool:
        found = self._consumer.list_topics(topic=self._topics[0], timeout=0.25).topics.get(self._topics[0])
        return found is not None and found.error is None and bool(found.partitions)

    def _assign(
        self,
        start: Start,
        timeout: float,
        is_cancelled: Callable[[], bool] | None = None,
        written_ms: Mapping[tuple[str, int], int] | None = None,
    ) -> None:
        deadline = time.monotonic() + timeout
        assignment = []
        if start == "beginning":
            self._last_timestamps.clear()
        for topic in self._topics:
            left = max(deadline - time.monotonic(), 0.05)
            found = list_topics(self._consumer, self._configuration, left, topic, is_cancelled)
            metadata = found.topics.get(topic)
            if metadata is None or metadata.error is not None or not metadata.partitions:
                error = metadata.error if metadata is not None and metadata.error is not None else None
                code = error if error is not None else KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
                raise translated(code, broker=self._configuration.broker, topic=topic)
            for partition in metadata.partitions:
                known_ms = (written_ms or {}).get((topic, partition))
                offset = self._offset(topic, partition, start, deadline, known_ms)
                assignment.append(TopicPartition(topic, partition, offset))
                self._positions[topic, partition] = offset
        # Numbers, not "the end": the client would look up a symbolic end some time later and skip what came
        # meanwhile.
        self._consumer.assign(assignment)

    def _offset(self, topic: str, partition: int, start: Start, deadline: float, known_ms: int | None) -> int:
        asked = start.get((topic, partition)) if not isinstance(start, str) else None
        place = TopicPartition(topic, partition)
        try:
            first, end = self._consumer.get_watermark_offsets(
                place, timeout=max(deadline - time.monotonic(), 0.05)
            )
        except KafkaException as error:
            raise translated(error.args[0], broker=self._configuration.broker, topic=topic) from error
        if asked is None:
            return int(end if start == "now" else first)
        before_ms = None
        if asked > first and (asked > end or known_ms is not None):
            before_ms = self._timestamp_of(topic, partition, asked - 1)
        is_another = asked > end if before_ms is None else before_ms != (known_ms or before_ms)
        if is_another:
            return int(first)  # the broker lost its content and is another one now
        return max(asked, int(first))  # what lies before is no longer kept

    def _timestamp_of(self, topic: str, partition: int, offset: int) -> int | None:
        """Return when a record was written (ms since 1970, UTC), None if the broker has none; takes the assignment away.

        The end that the embedded broker tells is that of the first record of the last batch, and from beyond the real end
        it answers no fetch, not even with an error. So what lies before a position tells whether the position is good.
        """
        self._consumer.assign([TopicPartition(topic, partition, offset)])
        for message in self._consumer.consume(1, _LOOK_BACK_SECONDS):
            if message.error() is None and message.offset() == offset:
                return int(message.timestamp()[1])
        return None
