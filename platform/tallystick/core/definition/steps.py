"""The compiled step: one form for every kind, every field present, no floats."""

from typing import Any

from tallystick.core.definition.faults import at
from tallystick.core.definition.reading import MAX_NAME, Members, is_integer

Step = dict[str, Any]
INITIALIZE, FINALIZE, REJECTED = "initialize_collaboration", "finalize_collaboration", "finalize_rejected"
RESERVED = (INITIALIZE, FINALIZE, REJECTED)
PRIORITIES = ("low", "normal", "high", "critical")
_LEVELS = ("low",) * 3 + ("normal",) * 3 + ("high",) * 3 + ("critical",) * 2  # the priorities 0 to 10 of names.md
TEN_YEARS = 315_360_000
MAX_STEPS = 200
MAX_REMINDERS = 10
MAX_ATTEMPTS = 100
MAX_CODES = 50
SHARED = "shared"


def blank(step_id: str, name: str, step_type: str) -> Step:
    """A step with nothing said about it."""
    return {
        "id": step_id,
        "name": name,
        "description": "",
        "step_type": step_type,
        "next_steps": [],
        "assigned_org": None,
        "priority": "normal",
        "timeout_seconds": None,
        "reminder_seconds": [],
        "retry_policy": _no_retry(),
        "activity_type": None,
        "input": {},
        "form": [],
        "expression": None,
        "targets": [],
        "notification_type": "",
        "message": "",
        "requires_acknowledgment": False,
        "encryption_required": True,
        "data_schema": None,
        "duration_seconds": None,
        "visible_to": SHARED,
    }


def system(step_id: str, result: str | None = None) -> Step:
    """A step that the engine itself takes; one with a ``result`` ends the execution."""
    step = blank(step_id, step_id, "system")
    return {**step, "result": result} if result else step


def assign(step: Step, members: Members, organisations: list[str]) -> None:
    """Read which participant does the step."""
    value = members.raw("assigned_org")
    if value is None:
        members.missing("assigned_org")
    elif not isinstance(value, str) or value not in organisations:
        pointer = at(members.pointer, "assigned_org")
        members.faults.unknown(pointer, "unknown_organisation", "participant", value, organisations)
    else:
        step["assigned_org"] = value


def prioritise(step: Step, members: Members) -> None:
    """Read the priority, a word or a number from 0 to 10."""
    value = members.raw("priority")
    if is_integer(value) and 0 <= value < len(_LEVELS):
        step["priority"] = _LEVELS[value]
    else:
        step["priority"] = members.choice("priority", PRIORITIES, default="normal")


def show(step: Step, members: Members, organisations: list[str]) -> None:
    """Read who sees the step's data: ``shared``, or organisations beside the one that does it."""
    value = members.raw("visible_to")
    if value is None or value == SHARED:
        return
    limit(step, members.names("visible_to", organisations, "organisation"))


def limit(step: Step, readers: list[str]) -> None:
    """Let only ``readers`` and whoever does the step see its data."""
    step["visible_to"] = sorted({*readers, *([step["assigned_org"]] if step["assigned_org"] else [])})


def time(step: Step, members: Members, *, default: int | None) -> None:
    """Read time-out and reminders; these come at half and at nine tenths of the time unless they are given."""
    timeout = members.integer("timeout_seconds", default=default, least=1, most=TEN_YEARS)
    step["timeout_seconds"] = timeout
    given = members.raw("reminder_seconds")
    if given is not None:
        step["reminder_seconds"] = _reminders(members, timeout or 0)
    elif timeout:
        step["reminder_seconds"] = sorted({timeout // 2, timeout * 9 // 10} - {0})


def retry(step: Step, members: Members) -> None:
    """Read the retry policy; the coefficient 2.0 stands as 200 percent. Without one there is one attempt."""
    if members.raw("retry_policy") is None:
        return
    given = members.inner("retry_policy")
    policy = _no_retry()
    policy["max_attempts"] = given.integer("max_attempts", default=3, least=1, most=MAX_ATTEMPTS)
    for name in ("initial_interval_seconds", "max_interval_seconds"):
        policy[name] = given.integer(name, default=policy[name], least=1, most=TEN_YEARS)
    if policy["max_interval_seconds"] < policy["initial_interval_seconds"]:
        given.fault("max_interval_seconds", "out_of_range", "the longest interval is shorter than the first one")
    policy["backoff_percent"] = _percent(given)
    policy["non_retryable_errors"] = _codes(given)
    given.close()
    step["retry_policy"] = policy


def _no_retry() -> dict[str, Any]:
    return {
        "max_attempts": 1,
        "initial_interval_seconds": 1,
        "max_interval_seconds": 3600,
        "backoff_percent": 200,
        "non_retryable_errors": [],
    }


def _reminders(members: Members, timeout: int) -> list[int]:
    """Seconds since the assignment, each before the time-out."""
    items = members.items("reminder_seconds", most=MAX_REMINDERS)
    for index, item in enumerate(items):
        if not is_integer(item) or not 0 < item < timeout:
            pointer = at(members.pointer, "reminder_seconds", index)
            members.faults.add(pointer, "out_of_range", "a reminder comes at a whole second before the time-out")
    return sorted({item for item in items if is_integer(item)})


def _codes(members: Members) -> list[str]:
    items = members.items("non_retryable_errors", most=MAX_CODES)
    for index, item in enumerate(items):
        if not isinstance(item, str) or not 0 < len(item) <= MAX_NAME:
            pointer = at(members.pointer, "non_retryable_errors", index)
            members.faults.add(pointer, "wrong_type", f"an error code is a string of 1 to {MAX_NAME} characters")
    return [item for item in items if isinstance(item, str)]


def _percent(members: Members) -> int:
    value = members.raw("backoff_coefficient")
    if value is None:
        return 200
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 100:
        members.fault("backoff_coefficient", "out_of_range", "backoff_coefficient must be a number from 1 to 100")
        return 200
    return round(value * 100)
