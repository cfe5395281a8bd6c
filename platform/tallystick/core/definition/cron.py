"""Cron lines: five fields (minute, hour, day of month, month, day of week) in a named time zone.

What is legal reads no time-zone data: the coordinator computes the next due time and states it. As cron has it, a day
matches either of its two fields when both are given. A local time that a clock skips is due when the clock has skipped
it; one that comes twice is due the first time.
"""

import datetime
import re
from collections.abc import Collection
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tallystick.core.definition.faults import at
from tallystick.core.definition.model import MAX_NAME
from tallystick.core.definition.reading import Members

UTC = "UTC"
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9][A-Za-z0-9_+-]*){0,3}\Z")
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _DAYS),
)
_LONGEST = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}  # days of the shorter months
_YEARS = 9  # 29 February may be eight years away


class Cron(NamedTuple):
    """The values of each field; ``days`` and ``weekdays`` are None where the line has ``*``."""

    minutes: list[int]
    hours: list[int]
    days: list[int] | None
    months: list[int]
    weekdays: list[int] | None

    def fits(self, day: datetime.date) -> bool:
        """Whether the line names this day."""
        if day.month not in self.months:
            return False
        by_date = self.days is not None and day.day in self.days
        by_week = self.weekdays is not None and day.isoweekday() % 7 in self.weekdays
        if self.days is None or self.weekdays is None:
            return (self.days is None or by_date) and (self.weekdays is None or by_week)
        return by_date or by_week


def parse(line: str) -> Cron:
    """Read a line; :class:`ValueError` says what is wrong with it."""
    parts = line.split()
    if len(parts) != len(_FIELDS):
        raise ValueError(f"a cron line has five fields, not {len(parts)}")
    minutes, hours, days, months, weekdays = (_field(part, *facts) for part, facts in zip(parts, _FIELDS, strict=True))
    weekdays = sorted({day % 7 for day in weekdays})
    if parts[4] == "*" and not any(day <= _LONGEST.get(month, 31) for day in days for month in months):
        raise ValueError("no such day is in these months")
    return Cron(minutes, hours, None if parts[2] == "*" else days, months, None if parts[4] == "*" else weekdays)


def next_due(line: str, zone: str, after: int) -> int:
    """The first due time later than ``after`` (both milliseconds since 1970)."""
    cron, info = parse(line), ZoneInfo(zone)
    moment = datetime.datetime.fromtimestamp(after // 1000, info)
    day = moment.date()
    for offset in range(_YEARS * 366):
        one = day + datetime.timedelta(days=offset)
        times = (
            [datetime.time(hour, minute) for hour in cron.hours for minute in cron.minutes] if cron.fits(one) else []
        )
        due = [_instant(datetime.datetime.combine(one, time, info)) for time in times]
        later = [instant for instant in due if instant > after]
        if later:
            return min(later)
    raise ValueError("is due on no day")  # parse has seen that there is one


def cron_line(members: Members) -> str | None:
    """The line that stands under ``cron``; None when there is none."""
    if members.raw("cron") is None:
        return None
    text = members.text("cron", most=MAX_NAME)
    try:
        parse(text)
    except ValueError as error:
        if text:
            members.fault(
                "cron", "bad_cron", str(error), "minute hour day-of-month month day-of-week, as in 0 8 * * 1-5"
            )
    return " ".join(text.split())


def time_zone(members: Members, known: Collection[str] | None) -> str:
    """An IANA name, ``UTC`` without one; ``known`` are those that exist, where somebody has a list."""
    name = members.text("time_zone", default=UTC, most=MAX_NAME)
    if not is_zone(name):
        members.fault("time_zone", "bad_time_zone", "a time zone has an IANA name", "such as Europe/Berlin")
    elif known is not None and name not in known:
        members.faults.unknown(at(members.pointer, "time_zone"), "unknown_time_zone", "time zone", name, known)
    return name


def is_zone(name: str) -> bool:
    """Whether ``name`` could name a time zone."""
    return len(name) <= MAX_NAME and _ZONE.match(name) is not None


def _instant(local: datetime.datetime) -> int:
    """Milliseconds since 1970; the standard library takes a time that was skipped by the offset before the change."""
    return int(local.timestamp()) * 1000


def _field(text: str, what: str, least: int, most: int, names: dict[str, int]) -> list[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        size = _number(step, what, 1, most, {}) if slash else 1
        first, dash, last = span.partition("-")
        if span == "*":
            low, high = least, most
        else:
            low = _number(first, what, least, most, names)
            high = _number(last, what, least, most, names) if dash else (most if slash else low)
        if low > high:
            raise ValueError(f"the {what} {span} ends before it begins")
        found |= set(range(low, high + 1, size))
    return sorted(found)


def _number(text: str, what: str, least: int, most: int, names: dict[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not (text.isascii() and text.isdigit() and len(text) <= 2 and least <= int(text) <= most):
        raise ValueError(f"the {what} must lie from {least} to {most}")
    return int(text)
