"""What expressions read: names that exist, and data that the organisation which evaluates them gets to see."""

from collections.abc import Iterator

from tallystick.core.definition.draft import Draft, Read
from tallystick.core.definition.faults import suggestion
from tallystick.core.definition.model import (
    SHARED,
    Activity,
    AnyStep,
    Audience,
    DataExchange,
    Decision,
    ForEach,
    Notification,
    Parallel,
    Schema,
    SubWorkflow,
    Task,
    UserTask,
    Wait,
)
from tallystick.core.definition.structure import around, owner
from tallystick.core.expression.lexer import ExpressionError
from tallystick.core.expression.parser import parse
from tallystick.core.expression.paths import Path, paths

MAX_EXPRESSIONS = 200_000  # characters of all expressions of a definition: who receives it reads each before anything
NAMES = ("input", "steps", "signals")
IN_LOOPS = ("item", "index")
_NAMED, _MEMBER = 2, 3  # members of a path that name a step or a signal, and one of its properties


def check_expressions(draft: Draft, input_schema: Schema | None = None) -> None:
    """Note every expression that cannot be read, or that reads what is not there or not for it."""
    inputs = _closed(input_schema)
    if sum(len(read.text) for read in draft.reads) > MAX_EXPRESSIONS:
        detail = f"all expressions of a definition have at most {MAX_EXPRESSIONS} characters together"
        draft.faults.add("", "too_large", detail)
        return
    for read in draft.reads:
        try:
            found = sorted(set(paths(parse(read.text))))
        except ExpressionError as error:
            draft.faults.add(read.pointer, "bad_expression", error.detail)
            continue
        names = (*NAMES, *_looped(draft, read.reader), *read.names) if read.reader else tuple(read.names)
        for path in found:
            _check_path(draft, read, path, names, inputs)


def _check_path(draft: Draft, read: Read, path: Path, names: tuple[str, ...], inputs: list[str] | None) -> None:
    root, known = path[0], draft.steps
    if root not in names:
        near = suggestion(root, names) or f"expressions here read {', '.join(names)}"
        draft.faults.add(read.pointer, "unknown_name", f"there is no variable {root}", near)
    elif len(path) < _NAMED:
        return
    elif root == "input" and inputs is not None and path[1] not in inputs:
        draft.faults.unknown(read.pointer, "unknown_field", "input", path[1], inputs)
    elif root == "signals":
        events = {step.event_name for step in known.values() if isinstance(step, Wait)}
        if path[1] not in events:
            draft.faults.unknown(read.pointer, "unknown_signal", "signal", path[1], events)
    elif root == "steps" and path[1] not in known:
        draft.faults.unknown(read.pointer, "unknown_step", "step", path[1], known)
    elif root == "steps" and read.reader in known:
        _check_step(draft, known[read.reader], known[path[1]], path, read.pointer)


def _check_step(draft: Draft, reader: AnyStep, source: AnyStep, path: Path, pointer: str) -> None:
    if not _is_in_reach(draft, reader, source):
        detail = f"{source.id} stands in a branch that runs beside {reader.id}"
        draft.faults.add(pointer, "not_visible", detail, "read it after the parallel step")
        return
    fields = properties(source)
    name = path[2] if len(path) >= _MEMBER else None
    if fields is not None and name is not None and name not in fields:
        draft.faults.unknown(pointer, "unknown_field", "field", name, fields)
    org = getattr(reader, "assigned_org", "")
    if org and not all(one == SHARED or org in one for one in _audiences(source, name)):
        what = "data" if name is None else name
        draft.faults.add(pointer, "not_visible", f"{org} would read the {what} of {source.id}, which it does not see")


def properties(step: AnyStep) -> list[str] | None:
    """The properties of the data that a step brings; None when only its work will tell."""
    if not isinstance(step, Task):
        return []
    if isinstance(step, ForEach):
        return ["items", "results"]
    if isinstance(step, Decision):
        return step.table.outputs if step.table else []
    if step.form:
        return [field.id for field in step.form]
    if step.output_mapping:
        return list(step.output_mapping)
    if isinstance(step, DataExchange):
        return _closed(step.data_schema)
    return [] if isinstance(step, Notification) else _closed(step.result_schema)


def expressions(step: AnyStep) -> Iterator[tuple[tuple[object, ...], str, tuple[str, ...]]]:
    """The place below a step, the text, and the names it may read beside the usual, of each expression in a step."""
    if isinstance(step, Task):
        for name, text in step.input_mapping.items():
            yield ("input_mapping", name), text, ()
        for name, text in step.output_mapping.items():
            yield ("output_mapping", name), text, ("result",)
    for member in _TEXTS.get(type(step), ()):
        if (text := getattr(step, member)) is not None:
            yield (member,), text, ()
    if isinstance(step, Decision) and step.table is not None:
        for index, text in enumerate(step.table.columns):
            yield ("table", "columns", index), text, ()


_TEXTS: dict[type, tuple[str, ...]] = {Decision: ("expression",), UserTask: ("due_date",), ForEach: ("items",)}
TAKES_OUTPUT = (Activity, SubWorkflow)


def _audiences(step: AnyStep, name: str | None) -> list[Audience]:
    """Who sees a property, or everything that the step brings."""
    if not isinstance(step, Task):
        return []
    if name is not None:
        return [step.field_audiences.get(name, step.visible_to)]
    return [step.visible_to, *step.field_audiences.values()]


def _looped(draft: Draft, reader: str) -> tuple[str, ...]:
    """Names that only steps inside a for-each read."""
    blocks = around(draft.steps, reader) if reader in draft.steps else []
    return IN_LOOPS if any(isinstance(draft.steps.get(owner(block)), ForEach) for block in blocks) else ()


def _is_in_reach(draft: Draft, reader: AnyStep, source: AnyStep) -> bool:
    """Not in another branch of a parallel step that the reader stands in."""
    for mine, theirs in zip(around(draft.steps, reader.id), around(draft.steps, source.id), strict=False):
        if mine != theirs:
            return owner(mine) != owner(theirs) or not isinstance(draft.steps.get(owner(mine)), Parallel)
    return True


def _closed(schema: Schema | None) -> list[str] | None:
    """The properties of a schema that allows no others."""
    if schema is None or schema.get("additionalProperties") is not False or "patternProperties" in schema:
        return None
    found = schema.get("properties", {})
    return list(found) if isinstance(found, dict) else None
