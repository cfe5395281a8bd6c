"""Evaluating a decision table: the same everywhere, within the cost limits of one expression.

Every column is evaluated, in order; each cell that is compared costs what ``==`` does. A cell matches a value of its
own type that equals it; a column that yields a decimal, which no cell can write, fails with ``wrong_type``.
"""

from typing import Any, NamedTuple

from tallystick.core.definition.model import Row, Table
from tallystick.core.expression.evaluate import evaluate, outcome_of
from tallystick.core.expression.lexer import ExpressionError
from tallystick.core.expression.values import Meter, equal


class Verdict(NamedTuple):
    """The outputs by name, and the outcome in words."""

    outputs: dict[str, Any]
    outcome: str


def evaluate_table(table: Table, variables: dict[str, Any]) -> Verdict:
    """What the table says of ``variables``; any fault is an :class:`ExpressionError`.

    Codes beside those of expressions: ``several_rows``, where ``unique`` finds more than one.
    """
    meter = Meter()
    values = [evaluate(column, variables, meter) for column in table.columns]
    rows = [row for row in table.rows if _matches(meter, row, values)]
    if table.hit_policy == "unique" and len(rows) > 1:
        raise ExpressionError(f"{len(rows)} rows of a unique table match", code="several_rows")
    if table.hit_policy == "collect":
        return Verdict(_collected(table, rows), str(len(rows)))
    found = rows[0].output_values if rows else table.default
    outputs = dict(zip(table.outputs, found, strict=True))
    return Verdict(outputs, outcome_of(outputs[table.outputs[0]]))


def _matches(meter: Meter, row: Row, values: list[Any]) -> bool:
    """Whether every cell that is not null equals its column's value."""
    return all(
        cell is None or equal(meter, cell, value)
        for cell, value in zip(row.input_value, values, strict=True)
        if _pay(meter)
    )


def _pay(meter: Meter) -> bool:
    meter.charge(1)
    return True


def _collected(table: Table, rows: list[Row]) -> dict[str, Any]:
    if not rows:
        return dict(zip(table.outputs, table.default, strict=True))
    return {name: [row.output_values[index] for row in rows] for index, name in enumerate(table.outputs)}
