"""Cron lines and instants: what they accept, and when they are due."""

import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.definition.cron import is_zone, next_due, parse
from tallystick.core.definition.instants import milliseconds, rfc3339


@pytest.mark.parametrize(
    ("line", "zone", "after", "due"),
    [
        ("*/5 * * * *", "UTC", "2026-11-25T00:00:00Z", "2026-11-25T00:05:00Z"),
        ("0 8 * * mon-fri", "Asia/Shanghai", "2026-11-27T01:00:00Z", "2026-11-30T00:00:00Z"),
        ("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"),
        ("0 0 13 * 5", "UTC", "2026-11-25T00:00:00Z", "2026-11-27T00:00:00Z"),  # a 13th, or a Friday
        ("0 0 * * 7", "UTC", "2026-11-25T00:00:00Z", "2026-11-29T00:00:00Z"),
        ("15,45 22-23/1 1 Jan *", "UTC", "2026-11-25T00:00:00Z", "2027-01-01T22:15:00Z"),
        ("10/20 * * * *", "UTC", "2026-11-25T00:30:00Z", "2026-11-25T00:50:00Z"),
        # 2:30 does not exist on that day: it is due when the clock has skipped it
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z"),
        # 2:30 comes twice on that day: it is due the first time, and next on the day after
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
    ],
)
def test_when_a_line_is_due(line: str, zone: str, after: str, due: str) -> None:
    begin = milliseconds(after)
    assert begin is not None
    assert rfc3339(next_due(line, zone, begin)) == due


@pytest.mark.parametrize(
    "line",
    [
        *("", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *"),
        *("* * * * 8", "5-1 * * * *", "*/0 * * * *", "a * * * *", "1, * * * *", "-1 * * * *", "* * * foo *"),
        *("0 0 31 2 *", "0 0 31 4,6 *", "@daily", "٣ * * * *"),
    ],
)
def test_what_is_no_line(line: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse(line)


@given(
    st.integers(0, 59),
    st.integers(0, 23),
    st.integers(1, 28),
    st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York", "Australia/Lord_Howe"]),
    st.integers(0, 4_000_000_000_000),
)
def test_due_times_come_later_and_fit(minute: int, hour: int, day: int, zone: str, after: int) -> None:
    due = next_due(f"{minute} {hour} {day} * *", zone, after)
    assert after < due < after + 63 * 86_400_000
    local = datetime.datetime.fromtimestamp(due // 1000, ZoneInfo(zone))
    skipped = local - datetime.timedelta(hours=1)  # what a change of clocks may have moved it by
    assert local.day == day
    assert (local.hour, local.minute) == (hour, minute) or hour in {local.hour, skipped.hour}


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+8"])
def test_names_of_time_zones(name: str) -> None:
    assert is_zone(name)


@pytest.mark.parametrize("name", ["", "../etc/passwd", "/UTC", "Europe/", "Europe/Ber lin", "a" * 300, "柏林"])
def test_what_names_no_time_zone(name: str) -> None:
    assert not is_zone(name)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.25Z", 250),
        ("1970-01-01T08:00:00+08:00", 0),
        ("1969-12-31T18:30:00-05:30", 0),
        ("1970-01-01t00:00:01z", 1000),
        ("2026-02-30T00:00:00Z", None),
        ("2026-01-01T24:00:00Z", None),
        ("2026-01-01T23:59:60Z", None),
        ("2026-01-01T00:00:00", None),
        ("2026-01-01", None),
        ("2026-01-01T00:00:00+24:00", None),
        ("2026-01-01T00:00:00Z\n", None),
    ],
)
def test_instants(text: str, instant: int | None) -> None:
    assert milliseconds(text) == instant


@given(st.integers(0, 250_000_000_000_000))
def test_instants_come_back(instant: int) -> None:
    assert milliseconds(rfc3339(instant)) == instant
