"""Decision tables as they are written and what can be said of them before any value is known."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from tallystick.core.definition.context import Context
from tallystick.core.definition.draft import Read
from tallystick.core.definition.faults import at
from tallystick.core.definition.model import MAX_COLUMNS, MAX_ROWS, Row, Table
from tallystick.core.definition.reading import Members, is_identifier, is_integer
from tallystick.core.expression.evaluate import outcome_of
from tallystick.core.expression.lexer import ExpressionError

POLICIES = ("unique", "first", "collect")
COLLECT = "collect"
Wrong = tuple[tuple[object, ...], str, str, str]  # place below the table, code, detail, suggestion


def table(members: Members, context: Context, reader: str) -> Table:
    """A table; one column or one output may be written without a list around it."""
    columns = _columns(members, context, reader)
    outputs = _outputs(members)
    policy: Any = members.choice("hit_policy", POLICIES, default="unique")
    rows = []
    for index, item in enumerate(members.items("rows", most=MAX_ROWS)):
        one = Members(item, at(members.pointer, "rows", index), members.faults)
        for name in ("input_value", "output_values"):
            if name not in one:  # null is a value here
                one.missing(name)
        cells = _list(one, "input_value", len(columns))
        values = _list(one, "output_values", len(outputs))
        one.close()
        rows.append(Row(input_value=cells, output_values=values))
    found = Table(
        columns=columns,
        outputs=outputs,
        rows=rows,
        default=_list(members, "default", len(outputs)),
        hit_policy=policy,
    )
    if "default" not in members:
        members.missing("default", "the outputs where no row matches")
    for parts, code, detail, suggestion in wrongs(found):
        if parts != ("default",) or "default" in members:
            members.faults.add(at(members.pointer, *parts), code, detail, suggestion)
    return found


def wrongs(found: Table) -> Iterator[Wrong]:
    """Everything that is wrong with a table's rows, of whatever origin."""
    if len(set(found.outputs)) != len(found.outputs):
        yield ("outputs",), "repeated_id", "an output is named twice", ""
    collects = found.hit_policy == COLLECT
    for index, row in enumerate(found.rows):
        if len(row.input_value) != len(found.columns) or not all(map(_is_cell, row.input_value)):
            detail = f"a row has a null, boolean, whole number or string for each of {len(found.columns)} columns"
            yield ("rows", index, "input_value"), "bad_row", detail, ""
        yield from _values(("rows", index, "output_values"), row.output_values, found, is_outcome=not collects)
    yield from _values(("default",), found.default, found, is_outcome=not collects)
    if collects and not all(isinstance(one, list) for one in found.default):
        yield ("default",), "bad_row", "what collects answers with lists", "such as [[]]"
    yield from _overlaps(found)


def _values(parts: tuple[object, ...], values: list[Any], found: Table, *, is_outcome: bool) -> Iterator[Wrong]:
    if len(values) != len(found.outputs):
        yield parts, "bad_row", f"there are {len(found.outputs)} outputs, not {len(values)}", ""
    elif is_outcome and values:
        try:
            outcome_of(values[0])
        except ExpressionError as error:
            yield parts, "bad_outcome", f"the first output is the outcome: {error.detail}", ""


def _overlaps(found: Table) -> Iterator[Wrong]:
    """Rows that another one keeps from ever being taken, or from being the only one."""
    cells = [[_key(cell) for cell in row.input_value] for row in found.rows]
    told = {index for index, row in enumerate(cells) if len(row) != len(found.columns)}
    for one, other in combinations(range(len(cells)), 2):
        if told & {one, other} or found.hit_policy == COLLECT:
            continue
        pairs = list(zip(cells[one], cells[other], strict=False))
        if found.hit_policy == "first" and all(mine is None or mine == theirs for mine, theirs in pairs):
            told.add(other)
            yield ("rows", other), "unreachable_row", f"row {one} matches whatever this one does", ""
        elif found.hit_policy == "unique" and all(None in {mine, theirs} or mine == theirs for mine, theirs in pairs):
            told.add(other)
            yield (
                ("rows", other),
                "overlapping_rows",
                f"row {one} can match as well",
                "hit_policy first, or other cells",
            )


def _columns(members: Members, context: Context, reader: str) -> list[str]:
    if members.raw("columns") is None:
        if members.raw("input_expression") is None:
            members.missing("input_expression", "or columns, for several")
            return []
        return [context.expression(members, "input_expression", reader)]
    if members.raw("input_expression") is not None:
        members.fault("columns", "contradiction", "a table has input_expression or columns")
    found = []
    for index, item in enumerate(members.items("columns", most=MAX_COLUMNS)):
        pointer = at(members.pointer, "columns", index)
        if not isinstance(item, str) or not item:
            members.faults.add(pointer, "wrong_type", "a column is an expression")
            continue
        context.draft.reads.append(Read(reader, pointer, item))
        found.append(item)
    if not found:
        members.missing("columns", "at least one expression")
    return found


def _outputs(members: Members) -> list[str]:
    items = members.items("outputs", most=MAX_COLUMNS)
    for index, item in enumerate(items):
        if not is_identifier(item):
            members.faults.add(at(members.pointer, "outputs", index), "bad_id", "an output is named like a field")
    if not items:
        members.missing("outputs", "the first one is the outcome")
    return [item for item in items if is_identifier(item)]


def _list(members: Members, name: str, size: int) -> list[Any]:
    value = members.raw(name)
    return value if isinstance(value, list) else [value] if size == 1 else []


def _is_cell(value: Any) -> bool:
    return value is None or isinstance(value, bool | str) or is_integer(value)


def _key(cell: Any) -> tuple[type, Any] | None:
    """A cell as it compares: true is no 1, and None stands for any value."""
    return None if cell is None else (type(cell), cell if isinstance(cell, bool | int | str) else repr(cell))
