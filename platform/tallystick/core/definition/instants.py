"""RFC 3339 instants as milliseconds since 1970 (UTC), and back."""

import datetime
import re

_INSTANT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,3}))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))\Z"
)
_EPOCH = datetime.datetime(1970, 1, 1)  # every sum below is in UTC


def milliseconds(text: str) -> int | None:
    """The instant that ``text`` writes, to the millisecond; None when it writes none (leap seconds among them)."""
    match = _INSTANT.match(text)
    if match is None:
        return None
    *parts, fraction, sign, hours, minutes = match.groups()
    year, month, day, hour, minute, second = map(int, parts)
    if sign and (int(hours) > 23 or int(minutes) > 59):
        return None
    try:
        local = datetime.datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
    offset = (int(hours) * 60 + int(minutes)) * 60 if sign else 0
    seconds = (local - _EPOCH) // datetime.timedelta(seconds=1) - (offset if sign == "+" else -offset)
    return seconds * 1000 + int((fraction or "0").ljust(3, "0"))


def rfc3339(instant: int) -> str:
    """The instant in UTC, with milliseconds only where there are some."""
    moment = _EPOCH + datetime.timedelta(milliseconds=instant)
    return moment.isoformat(timespec="milliseconds" if instant % 1000 else "seconds") + "Z"
