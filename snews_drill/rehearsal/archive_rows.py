"""What the drill server's archive holds: its tables, and their rows as values."""

from __future__ import annotations

from dataclasses import dataclass

#: A record that has the place of another one, but another time, is of a broker that lost its content and came back.
#: The index of heartbeats by detector holds all that a restart asks of them, so that it reads no rows.
SCHEMA = """
CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS records (
  number INTEGER PRIMARY KEY, instance TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,
  offset INTEGER NOT NULL, timestamp_ms INTEGER NOT NULL, received_ns INTEGER NOT NULL,
  outcome TEXT NOT NULL, kind TEXT NOT NULL, detector TEXT NOT NULL, message_key TEXT NOT NULL,
  reason TEXT NOT NULL, value BLOB,
  UNIQUE (instance, topic, partition, offset, timestamp_ms));
CREATE TABLE IF NOT EXISTS counts (
  outcome TEXT NOT NULL, kind TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (outcome, kind));
CREATE INDEX IF NOT EXISTS records_of_problems ON records (number)
  WHERE outcome IN ('refused', 'unreadable');
CREATE INDEX IF NOT EXISTS records_by_time ON records (received_ns);
CREATE INDEX IF NOT EXISTS records_by_key ON records (kind, detector, message_key);
CREATE TABLE IF NOT EXISTS positions (
  instance TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
  PRIMARY KEY (instance, topic, partition));
CREATE TABLE IF NOT EXISTS observations (
  number INTEGER PRIMARY KEY, exercise TEXT NOT NULL, is_test INTEGER NOT NULL, message_id TEXT NOT NULL,
  detector TEXT NOT NULL, neutrino_time_ns INTEGER NOT NULL, p_val REAL, sent_time_ns INTEGER NOT NULL,
  received_ns INTEGER NOT NULL, is_held INTEGER NOT NULL DEFAULT 1);
CREATE INDEX IF NOT EXISTS observations_held ON observations (is_held, received_ns);
CREATE INDEX IF NOT EXISTS observations_by_id ON observations (detector, message_id);
CREATE TABLE IF NOT EXISTS group_numbers (
  exercise TEXT NOT NULL, is_test INTEGER NOT NULL, number INTEGER NOT NULL, detector TEXT NOT NULL,
  neutrino_time_ns INTEGER NOT NULL, PRIMARY KEY (exercise, is_test, number));
CREATE TABLE IF NOT EXISTS heartbeats (
  detector TEXT NOT NULL, message_key TEXT NOT NULL, is_on INTEGER NOT NULL, sent_time_ns INTEGER NOT NULL,
  received_ns INTEGER NOT NULL, PRIMARY KEY (detector, message_key));
CREATE INDEX IF NOT EXISTS heartbeats_by_time ON heartbeats (received_ns);
CREATE INDEX IF NOT EXISTS heartbeats_by_detector ON heartbeats (detector, received_ns, is_on, sent_time_ns);
CREATE TABLE IF NOT EXISTS outgoing (
  number INTEGER PRIMARY KEY, topic TEXT NOT NULL, kind TEXT NOT NULL, message_id TEXT NOT NULL,
  content BLOB NOT NULL, content_format TEXT NOT NULL, made_ns INTEGER NOT NULL, sent_ns INTEGER);
CREATE INDEX IF NOT EXISTS outgoing_waiting ON outgoing (number) WHERE sent_ns IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS outgoing_alerts ON outgoing (topic, message_id) WHERE kind = 'alert';
"""


@dataclass(frozen=True, slots=True)
class ArchivedRecord:
    """One record as it came in.

    Attributes
    ----------
    instance : str
        Which life of the broker; "" for a broker that keeps its content.
    topic, partition, offset
        Its place.
    timestamp_ms, received_ns : int
        When it was written (ms) and read (ns), since 1970 (UTC).
    outcome : str
        "accepted", "repeated", "refused" or "unreadable".
    kind : str
        Tier word or command word; "" if unreadable.
    detector, message_key : str
        Sender and identifier, as far as known.
    reason : str
        Why it was not accepted.
    value : bytes
        The record's value.
    """

    instance: str
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    received_ns: int
    outcome: str
    kind: str
    detector: str
    message_key: str
    reason: str
    value: bytes


@dataclass(frozen=True, slots=True)
class HeldObservation:
    """An observation that takes part in the coincidence, as kept for the next start."""

    exercise: str
    is_test: bool
    message_id: str
    detector: str
    neutrino_time_ns: int
    p_val: float | None
    sent_time_ns: int
    received_ns: int


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message that the server decided to send.

    Attributes
    ----------
    number : int
        Its place in the order of decisions; 0 before it is kept.
    topic, content, content_format
        Where to, what, and hop's format word.
    kind : str
        "alert" or "reply".
    message_id : str
        An alert's id; "" for replies.
    made_ns : int
        When it was decided, ns since 1970 (UTC); for an echo that has to wait, when it is due.
    """

    topic: str
    kind: str
    message_id: str
    content: bytes
    content_format: str
    made_ns: int
    number: int = 0
