"""Times: every way to write one, and nothing lost on the way."""

# ruff: noqa: DTZ001 - naive times are UTC here
from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snews_drill.messages.times import NS_PER_SECOND, canonical_micro, iso_micro, iso_nano, parse_utc_ns

EPOCH = datetime(1970, 1, 1)
FIRST_NS = (datetime(1, 1, 1) - EPOCH) // timedelta(microseconds=1) * 1000
LAST_NS = (datetime(9999, 12, 31, 23, 59, 59, 999999) - EPOCH) // timedelta(microseconds=1) * 1000 + 999
any_time = st.integers(FIRST_NS, LAST_NS)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2023-06-14", "2023-06-14T00:00:00"),
        ("2023-06-14 12:45:45.678999", "2023-06-14T12:45:45.678999"),
        ("2023-06-14T12:45:45", "2023-06-14T12:45:45"),
        ("20230614T124545", "2023-06-14T12:45:45"),
        ("2023-06-14T12:45:45.1", "2023-06-14T12:45:45.100000"),
        ("2023-06-14T12:45:45,1", "2023-06-14T12:45:45.100000"),
        ("2023-06-14T12:45:45.123456789", "2023-06-14T12:45:45.123456789"),
        ("2023-06-14T12:45:45.1234567", "2023-06-14T12:45:45.123456700"),
        ("2023-06-14T12:45:45.1234567891234", "2023-06-14T12:45:45.123456789"),
        ("2023-06-14T12:45:45.123456000", "2023-06-14T12:45:45.123456"),
        ("2023-06-14T12:45:45Z", "2023-06-14T12:45:45"),
        ("2023-06-14T14:45:45.123456789+02:00", "2023-06-14T12:45:45.123456789"),
        ("2023-06-14T00:15:00-05:30", "2023-06-14T05:45:00"),
        ("2023-W24-3T12:00", "2023-06-14T12:00:00"),
        ("20230614T124545.1234567", "2023-06-14T12:45:45.123456700"),
        ("2023W24T000000.1234567", "2023-06-12T00:00:00.123456700"),
        # The digits of an offset are none of the time.
        ("2023-06-14T12:45:45+00:00:01.1234567", "2023-06-14T12:45:43.876544"),
        ("2023-06-14T12:45:45.7-00:00:01.1234567", "2023-06-14T12:45:46.823456"),
    ],
)
def test_canonical_form(text: str, canonical: str) -> None:
    """Each accepted spelling becomes naive UTC with as many digits as it has (none, six or nine)."""
    assert canonical_micro(text) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "now", "2023", "2023-13-01", "2023-02-30", "12:45:45", "2023-06-14T25:00:00", "2023-06-14T12:45:60",
        "1686746745", "23/06/14 12:45:45", "2023-06-14T12:45:45 UTC", "٢٠٢٣-06-14", "\ud800", "2023-06-14\0",
        "2023-06-14T12:00:00." + "1" * 60, "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "9" * 10_000,
    ],
)  # fmt: skip
def test_what_is_no_time_is_a_value_error(text: str) -> None:
    """Nothing else than ValueError comes out of a text that means no instant."""
    with pytest.raises(ValueError):  # noqa: PT011 - the text of the standard library is not ours
        parse_utc_ns(text)


@given(st.text(max_size=80))
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    """No text raises anything but ValueError, and what is a time can be written again."""
    try:
        time_ns = parse_utc_ns(text)
    except ValueError:
        return
    assert parse_utc_ns(iso_nano(time_ns)) == time_ns


@given(any_time)
def test_both_forms_keep_every_nanosecond(time_ns: int) -> None:
    """What is written is read again as the same instant, from the year 1 to 9999."""
    assert parse_utc_ns(iso_micro(time_ns)) == time_ns
    assert parse_utc_ns(iso_nano(time_ns)) == time_ns
    assert canonical_micro(iso_nano(time_ns)) == iso_micro(time_ns)


@given(st.datetimes())
def test_microseconds_agree_with_the_standard_library(moment: datetime) -> None:
    """For naive times the text is the one that `datetime.isoformat` writes, and the number is exact."""
    time_ns = (moment - EPOCH) // timedelta(microseconds=1) * 1000
    assert parse_utc_ns(moment.isoformat()) == time_ns
    assert parse_utc_ns(moment.isoformat(" ")) == time_ns
    assert iso_micro(time_ns) == moment.isoformat()


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)),
    st.integers(-1439, 1439),
    st.integers(0, 999),
)
def test_offsets_are_converted(moment: datetime, minutes: int, nanoseconds: int) -> None:
    """A time with an offset is the same instant as its UTC time, nanoseconds included."""
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    text = aware.isoformat(timespec="microseconds")
    text = f"{text[:26]}{nanoseconds:03d}{text[26:]}"
    naive = aware.astimezone(UTC).replace(tzinfo=None)
    assert parse_utc_ns(text) == (naive - EPOCH) // timedelta(microseconds=1) * 1000 + nanoseconds


@given(any_time)
def test_forms_have_fixed_widths(time_ns: int) -> None:
    """Dialect 3 always has nine digits and Z; dialect 1.3 has none, six or nine digits and no zone."""
    assert len(iso_nano(time_ns)) == 30
    assert iso_nano(time_ns).endswith("Z")
    assert len(iso_micro(time_ns)) in (19, 26, 29)
    assert (len(iso_micro(time_ns)) == 19) == (time_ns % NS_PER_SECOND == 0)
