"""The compiled form: what an agreement carries and the engine runs.

The compilers make it so; a definition that comes from a partner is checked against it before anything reads it, for
the engine takes every field for granted.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tallystick.core.definition.draft import Draft
from tallystick.core.definition.faults import DefinitionErrors, Fault, Faults, at
from tallystick.core.definition.forms import MAX_FIELDS
from tallystick.core.definition.full import MAX_ROUTES
from tallystick.core.definition.readable import check_expressions
from tallystick.core.definition.reading import MAX_ID, MAX_NAME, MAX_TEXT
from tallystick.core.definition.sound import check_soundness
from tallystick.core.definition.source import check_source
from tallystick.core.definition.steps import (
    FINALIZE,
    INITIALIZE,
    MAX_ATTEMPTS,
    MAX_CODES,
    MAX_REMINDERS,
    MAX_STEPS,
    REJECTED,
    RESERVED,
    TEN_YEARS,
)

MAX_PARTICIPANTS = 50
RESULTS = {FINALIZE: "completed", REJECTED: "rejected"}

Id = Annotated[str, Meta(pattern=rf"^[A-Za-z][A-Za-z0-9_-]{{0,{MAX_ID - 1}}}\Z")]
Org = Annotated[str, Meta(min_length=1, max_length=MAX_ID)]
Name = Annotated[str, Meta(max_length=MAX_NAME)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Seconds = Annotated[int, Meta(ge=1, le=TEN_YEARS)]
Orgs = Annotated[list[Org], Meta(max_length=MAX_PARTICIPANTS)]


class _Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every field is present, and no other."""


class Route(_Form, frozen=True):
    """Where a step leads; without an outcome it is taken when no other route fits."""

    step: Id
    outcome: str | UnsetType = UNSET


class RetryPolicy(_Form, frozen=True):
    """When a failed attempt is made again; ``backoff_percent`` 200 doubles each wait."""

    max_attempts: Annotated[int, Meta(ge=1, le=MAX_ATTEMPTS)]
    initial_interval_seconds: Seconds
    max_interval_seconds: Seconds
    backoff_percent: Annotated[int, Meta(ge=100, le=10_000)]
    non_retryable_errors: Annotated[list[Name], Meta(max_length=MAX_CODES)]


class Field(_Form, frozen=True):
    """A field of a form."""

    id: Id
    name: Name
    property_type: Literal["string", "integer", "boolean", "decimal", "date", "file", "object"]
    required: bool
    default_value: Any


class CompiledStep(_Form, frozen=True):
    """A step of any kind; what its kind does not need is null, empty or the default."""

    id: Id
    name: Name
    description: Text
    step_type: Literal["system", "activity", "user_task", "decision", "timer"]
    next_steps: Annotated[list[Route], Meta(max_length=MAX_ROUTES)]
    assigned_org: Org | None
    priority: Literal["low", "normal", "high", "critical"]
    timeout_seconds: Seconds | None
    reminder_seconds: Annotated[list[Seconds], Meta(max_length=MAX_REMINDERS)]
    retry_policy: RetryPolicy
    activity_type: Name | None
    input: dict[str, Any]
    form: Annotated[list[Field], Meta(max_length=MAX_FIELDS)]
    expression: Text | None
    targets: Orgs
    notification_type: Name
    message: Text
    requires_acknowledgment: bool
    encryption_required: bool
    data_schema: dict[str, Any] | None
    duration_seconds: Seconds | None
    visible_to: Literal["shared"] | Orgs
    result: Literal["completed", "rejected"] | UnsetType = UNSET


class CompiledDefinition(_Form, frozen=True):
    """The whole definition; ``steps`` by their id."""

    v: Literal[1]
    id: Id
    name: Name
    description: Text
    version: Name
    participants: Annotated[list[Org], Meta(min_length=1, max_length=MAX_PARTICIPANTS)]
    source_form: Literal["short", "full"]
    metadata: dict[str, Any]
    input_properties: Annotated[list[Field], Meta(max_length=MAX_FIELDS)] | None
    start: Literal["initialize_collaboration"]
    # The compilers add the three system steps, and a decision to every approval.
    steps: Annotated[dict[Id, CompiledStep], Meta(max_length=2 * MAX_STEPS + len(RESERVED))]


def check_compiled(document: Any) -> CompiledDefinition:
    """Refuse whatever no compiler makes: bad form, unsound routes, strangers; pointers lead into ``document``."""
    faults = Faults()
    check_source(document, faults)
    faults.raise_any()
    try:
        definition = msgspec.convert(document, CompiledDefinition)
    except msgspec.ValidationError as error:
        raise DefinitionErrors([Fault("", "bad_form", f"compiled definition: {error}")]) from error
    draft = Draft(faults)
    for name, step in document["steps"].items():
        draft.put(step, at("/steps", name) if definition.steps[name].step_type != "system" else "")
    for name, compiled in definition.steps.items():
        _check_step(name, compiled, definition, faults)
    if INITIALIZE not in definition.steps:
        faults.add("/steps", "unknown_step", f"the step {INITIALIZE} is missing")
    faults.raise_any()
    check_soundness(draft, faults)
    check_expressions(draft, faults)
    faults.raise_any()
    return definition


def _check_step(name: str, step: CompiledStep, definition: CompiledDefinition, faults: Faults) -> None:
    pointer = at("/steps", name)
    if step.id != name:
        faults.add(at(pointer, "id"), "bad_form", f"step {name} calls itself {step.id}")
    for problem in filter(None, (_system(step), _work(step), _strangers(step, definition.participants))):
        faults.add(pointer, "bad_form", f"step {name} {problem}")


def _system(step: CompiledStep) -> str | None:
    """System steps are taken one into the other at once: there are three, and only the first leads on."""
    if step.step_type != "system":
        return "has a result" if step.result is not UNSET else None
    if step.id not in RESERVED:
        return "is no step of the system"
    if step.result != RESULTS.get(step.id, UNSET) or len(step.next_steps) != (step.id == INITIALIZE):
        return "is not what the system makes it"
    return None


def _work(step: CompiledStep) -> str | None:
    """What each kind of step needs, and what only one kind has."""
    needs = {
        "assigned_org": ("activity", "user_task", "decision"),
        "activity_type": ("activity",),
        "expression": ("decision",),
        "duration_seconds": ("timer",),
    }
    for field, kinds in needs.items():
        if (getattr(step, field) is not None) != (step.step_type in kinds):
            return f"of type {step.step_type} has {field} {getattr(step, field)}"
    return None


def _strangers(step: CompiledStep, participants: list[str]) -> str | None:
    named = {*step.targets, *(step.visible_to if isinstance(step.visible_to, list) else ())}
    named |= {step.assigned_org} if step.assigned_org is not None else set()
    strangers = sorted(named - set(participants))
    return f"names {strangers[0]}, which takes no part" if strangers else None
