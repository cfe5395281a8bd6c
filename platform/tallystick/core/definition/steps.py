"""Members that steps of many kinds have, alike in both forms."""

from typing import Any

from tallystick.core.definition.context import Context
from tallystick.core.definition.faults import at
from tallystick.core.definition.model import (
    MAX_ATTEMPTS,
    MAX_CODES,
    MAX_NAME,
    MAX_REMINDERS,
    SHARED,
    TEN_YEARS,
    RetryPolicy,
)
from tallystick.core.definition.reading import Members, is_identifier, is_integer
from tallystick.core.definition.words import LEVELS, PRIORITIES

Facts = dict[str, Any]  # members of a step to be


def head(members: Members) -> Facts:
    """What every step says first."""
    return {
        "id": members.identifier(),
        "name": members.text("name", most=MAX_NAME),
        "description": members.text("description", default=""),
        "priority": _priority(members),
    }


def times(members: Members, *, default: int | None) -> Facts:
    """Time-out and reminders; these come at half and at nine tenths of the time unless they are given."""
    timeout = members.integer("timeout_seconds", default=default, least=1, most=TEN_YEARS)
    reminders: list[int] = []
    if members.raw("reminder_seconds") is not None:
        reminders = _reminders(members, timeout or 0)
    elif timeout:
        reminders = sorted({timeout // 2, timeout * 9 // 10} - {0})
    return {"timeout_seconds": timeout, "reminder_seconds": reminders}


def retry(members: Members) -> RetryPolicy:
    """The retry policy; the coefficient 2.0 stands as 200 percent. Without one there is one attempt."""
    none = RetryPolicy()
    if members.raw("retry_policy") is None:
        return none
    given = members.inner("retry_policy")
    attempts = given.integer("max_attempts", default=3, least=1, most=MAX_ATTEMPTS) or 1
    first, last = (
        given.integer(name, default=getattr(none, name), least=1, most=TEN_YEARS) or 1
        for name in ("initial_interval_seconds", "max_interval_seconds")
    )
    if last < first:
        given.fault("max_interval_seconds", "out_of_range", "the longest interval is shorter than the first one")
    policy = RetryPolicy(
        max_attempts=attempts,
        initial_interval_seconds=first,
        max_interval_seconds=last,
        backoff_percent=_percent(given),
        non_retryable_errors=given.words("non_retryable_errors", most=MAX_CODES),
    )
    given.close()
    return policy


def show(members: Members, context: Context, org: str) -> Facts:
    """Who sees the step's data: one audience for all of it, or ``{field: audience}`` with ``*`` for the rest."""
    if not isinstance(members.raw("visible_to"), dict):
        return {"visible_to": context.audience(members, "visible_to", org)}
    given = members.inner("visible_to")
    fields = {}
    for name in members.raw("visible_to"):
        if is_identifier(name):
            fields[name] = context.audience(given, name, org)
        elif name != "*":
            given.fault(name, "bad_id", f"{name} names no field", "* stands for every other field")
    rest = context.audience(given, "*", org)
    # An audience that says what holds anyway would be a second way to write the same.
    return {"visible_to": rest, "field_audiences": {name: one for name, one in fields.items() if one != rest}}


def inputs(members: Members, context: Context, reader: str) -> Facts:
    """Fixed input, and input taken from what came before."""
    return {
        "input": members.document("input") or {},
        "input_mapping": mapping(members, "input_mapping", context, reader),
    }


def mapping(members: Members, name: str, context: Context, reader: str, names: tuple[str, ...] = ()) -> dict[str, str]:
    """Expressions by the property that each one gives."""
    if members.document(name) is None:
        return {}
    given, found = members.inner(name), {}
    for target in members.raw(name):
        if is_identifier(target):
            found[target] = context.expression(given, target, reader, names=names)
        else:
            given.fault(target, "bad_id", f"{target} cannot name a property")
    return found


def is_shared(audience: object) -> bool:
    """Whether every participant sees it."""
    return audience == SHARED


def _priority(members: Members) -> str:
    """A word, or a number from 0 to 10."""
    value = members.raw("priority")
    if is_integer(value) and 0 <= value < len(LEVELS):
        return LEVELS[value]
    return members.choice("priority", PRIORITIES, default="normal")


def _reminders(members: Members, timeout: int) -> list[int]:
    """Seconds since the assignment, each before the time-out."""
    items = members.items("reminder_seconds", most=MAX_REMINDERS)
    for index, item in enumerate(items):
        if not is_integer(item) or not 0 < item < timeout:
            pointer = at(members.pointer, "reminder_seconds", index)
            members.faults.add(pointer, "out_of_range", "a reminder comes at a whole second before the time-out")
    return sorted({item for item in items if is_integer(item)})


def _percent(members: Members) -> int:
    value = members.raw("backoff_coefficient")
    if value is None:
        return 200
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 100:
        members.fault("backoff_coefficient", "out_of_range", "backoff_coefficient must be a number from 1 to 100")
        return 200
    return round(value * 100)
