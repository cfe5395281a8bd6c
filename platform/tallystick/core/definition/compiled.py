"""Whether a document is a compiled definition that the engine can run: ``check_compiled``.

The compilers make such documents; one that comes from a partner is checked before anything reads it, for the engine
takes every member for granted.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from tallystick.core import canonical
from tallystick.core.definition import cron
from tallystick.core.definition.document import document as plain
from tallystick.core.definition.draft import Draft, Read
from tallystick.core.definition.faults import DefinitionErrors, Fault, Faults, at
from tallystick.core.definition.forms import field_fault
from tallystick.core.definition.model import (
    MAX_NESTING,
    SHARED,
    AnyStep,
    Begin,
    CompiledDefinition,
    DataExchange,
    Decision,
    End,
    Notification,
    Parallel,
    SubWorkflow,
    Task,
    Timer,
    Trigger,
    Wait,
)
from tallystick.core.definition.readable import TAKES_OUTPUT, check_expressions, expressions
from tallystick.core.definition.rules import wrongs
from tallystick.core.definition.schemas import schema_faults
from tallystick.core.definition.sound import check_soundness
from tallystick.core.definition.source import MAX_DEPTH, check_source
from tallystick.core.definition.structure import check_blocks
from tallystick.core.definition.triggers import EVENT, is_topic_filter
from tallystick.core.definition.words import FINALIZE, INITIALIZE, REJECTED, RESERVED

_RESULTS = {FINALIZE: "completed", REJECTED: "rejected"}
_HANDLERS = ("activity", "user_task", "data_exchange", "notification")


def check_compiled(document: Any) -> CompiledDefinition:
    """Refuse whatever no compiler makes: bad form, unsound routes, strangers; pointers lead into ``document``."""
    faults = Faults()
    check_source(document, faults, MAX_DEPTH)
    faults.raise_any()
    try:
        definition = msgspec.convert(document, CompiledDefinition)
    except msgspec.ValidationError as error:
        raise DefinitionErrors([Fault("", "bad_form", f"compiled definition: {error}")]) from error
    if canonical.encode(plain(definition)) != canonical.encode(document):
        raise DefinitionErrors([Fault("", "bad_form", "compiled definition: a member says what holds without it")])
    _check(definition, "", faults, None)
    faults.raise_any()
    return definition


def _check(
    definition: CompiledDefinition, pointer: str, faults: Faults, above: list[str] | None, level: int = 0
) -> None:
    """One definition and those within it; the faults of each lead below ``pointer``."""
    found = Faults()
    _check_one(definition, found)
    if len(set(definition.participants)) != len(definition.participants):
        found.add("/participants", "repeated_id", "an organisation takes part twice")
    if above is not None and not set(definition.participants) <= set(above):
        found.add("/participants", "unknown_organisation", "a sub-workflow has participants that its parent has not")
    if level > MAX_NESTING:
        found.add("/definitions", "too_deep", f"sub-workflows nest at most {MAX_NESTING} deep")
    for fault in found.found:
        faults.add(pointer + fault.pointer, fault.code, fault.detail, fault.suggestion)
    for name, inner in definition.definitions.items():
        where = at(pointer, "definitions", name)
        if inner.id != name:
            faults.add(at(where, "id"), "bad_form", f"definition {name} calls itself {inner.id}")
        _check(inner, where, faults, definition.participants, level + 1)


def _check_one(definition: CompiledDefinition, faults: Faults) -> None:
    draft = Draft(faults)
    for name, step in definition.steps.items():
        pointer = at("/steps", name)
        if step.id != name:
            faults.add(at(pointer, "id"), "bad_form", f"step {name} calls itself {step.id}")
            continue
        draft.note(pointer, name)
        draft.put(step)
        for problem in _problems(step, definition):
            faults.add(pointer, "bad_form", f"step {name} {problem}")
        draft.reads += [Read(name, at(pointer, *parts), text, names) for parts, text, names in expressions(step)]
    if definition.start != INITIALIZE or not isinstance(draft.steps.get(INITIALIZE), Begin):
        faults.add("/start", "unknown_step", f"the step {INITIALIZE} is missing")
    _check_rest(definition, draft, faults)
    if not faults.found and check_blocks(draft, INITIALIZE):
        check_soundness(draft, INITIALIZE)
        check_expressions(draft, definition.input_schema)


def _check_rest(definition: CompiledDefinition, draft: Draft, faults: Faults) -> None:
    """Schemas and triggers."""
    for parts, detail in schema_faults(definition.input_schema):
        faults.add(at("/input_schema", *parts), "bad_schema", detail)
    for index, trigger in enumerate(definition.triggers):
        pointer = at("/triggers", index)
        for problem in _trigger(trigger):
            faults.add(pointer, "bad_form", f"trigger {problem}")
        texts = [trigger.condition] if trigger.condition is not None else []
        draft.reads += [Read("", pointer, text, EVENT) for text in (*texts, *trigger.input_mapping.values())]


def _problems(step: AnyStep, definition: CompiledDefinition) -> Iterator[str]:
    """What the engine could not take for granted."""
    if isinstance(step, Begin | End):
        yield from _system(step)
    elif step.id in RESERVED:
        yield "has a name of the system"
    if isinstance(step, Task):
        yield from _task(step, definition)
    if isinstance(step, Wait) and (strangers := set(step.senders) - set(definition.participants)):
        yield f"waits for {min(strangers)}, which takes no part"
    if isinstance(step, Timer):
        yield from _timer(step)
    if isinstance(step, Parallel):
        names = [branch.id for branch in step.branches]
        if len(set(names)) != len(names) or step.threshold > len(names):
            yield "needs branches of different names, as many as its threshold"


def _system(step: AnyStep) -> Iterator[str]:
    """System steps are taken one into the other at once: there are three, and only the first leads on."""
    if isinstance(step, Begin):
        if step.id != INITIALIZE or len(step.next_steps) != 1 or step.catches:
            yield "is not how an execution begins"
    elif isinstance(step, End) and (step.result != _RESULTS.get(step.id) or step.next_steps or step.catches):
        yield "is not how an execution ends"


def _task(step: Task, definition: CompiledDefinition) -> Iterator[str]:
    named = {step.assigned_org, *(step.targets if isinstance(step, DataExchange | Notification) else ())}
    for audience in (step.visible_to, *step.field_audiences.values()):
        named |= set() if audience == SHARED else set(audience)
        if audience != SHARED and step.assigned_org not in audience:
            yield "hides its data from the organisation that does it"
    if strangers := sorted(named - set(definition.participants)):
        yield f"names {strangers[0]}, which takes no part"
    if any(second not in range(1, step.timeout_seconds or 0) for second in step.reminder_seconds):
        yield "has a reminder that does not come before its time-out"
    if len({field.id for field in step.form}) != len(step.form):
        yield "has two fields of one id"
    for why in filter(None, (field_fault(field)[1] for field in step.form)):
        yield f"has a field of which {why}"
    for schema in (step.result_schema, step.data_schema if isinstance(step, DataExchange) else None):
        for _, detail in schema_faults(schema):
            yield f"has a bad schema: {detail}"
    yield from _kind(step, definition)


def _kind(step: Task, definition: CompiledDefinition) -> Iterator[str]:
    tag = str(step.__struct_config__.tag)
    if step.compensates and (tag not in _HANDLERS or step.compensate_with or step.hold_on_failure):
        yield "cannot undo another"
    if step.output_mapping and (step.form or not isinstance(step, TAKES_OUTPUT)):
        yield "has an output_mapping that nothing fills"
    if isinstance(step, DataExchange | Notification) and (not step.targets or step.targets == [step.assigned_org]):
        yield "has no targets"
    if isinstance(step, SubWorkflow) and step.definition not in definition.definitions:
        yield f"runs {step.definition}, which is not in definitions"
    if isinstance(step, Decision):
        if (step.expression is None) == (step.table is None):
            yield "needs an expression or a table"
        for parts, _, detail, _ in wrongs(step.table) if step.table else ():
            yield f"has a bad table at {'/'.join(map(str, parts))}: {detail}"


def _timer(step: Timer) -> Iterator[str]:
    if [step.duration_seconds, step.until, step.cron].count(None) != 2 or step.catches:
        yield "needs one of duration, instant and cron, and cannot fail"
    if (step.cron is None) != (step.time_zone is None):
        yield "needs a time zone with cron, and only then"
    yield from _cron(step.cron, step.time_zone)


def _cron(line: str | None, zone: str | None) -> Iterator[str]:
    if zone is not None and not cron.is_zone(zone):
        yield "has a time zone of no IANA form"
    try:
        if line is not None:
            cron.parse(line)
    except ValueError as error:
        yield f"has a bad cron line: {error}"


def _trigger(trigger: Trigger) -> Iterator[str]:
    kind = trigger.trigger_type
    if (trigger.topic is None) == (kind == "event") or (kind != "event" and trigger.condition is not None):
        yield "has a topic for events, and only then"
    if trigger.topic is not None and not is_topic_filter(trigger.topic):
        yield "has a topic that is no filter"
    if {trigger.cron is None, trigger.time_zone is None} != {kind != "schedule"}:
        yield "has cron and time zone for schedules, and only then"
    yield from _cron(trigger.cron, trigger.time_zone)
