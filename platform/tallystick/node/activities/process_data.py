"""``process_data``: values made of values by expression profile v1, and of nothing else."""

import asyncio
from decimal import Decimal
from typing import Annotated, Any

from msgspec import Meta, field

from tallystick.core.errors import Invalid
from tallystick.core.expression.evaluate import evaluate
from tallystick.node.activities.call import Call, Input, read_input
from tallystick.node.activities.failing import ActivityFailed

MAX_OUTPUTS = 100
Expression = Annotated[str, Meta(min_length=1, max_length=4000)]


class ProcessData(Input, frozen=True):
    """Its input: each property of the result with the expression that makes it, read over ``input``."""

    output: Annotated[dict[str, Expression], Meta(min_length=1, max_length=MAX_OUTPUTS)]
    input: dict[str, Any] = field(default_factory=dict)


async def process_data(call: Call) -> dict[str, Any]:
    """The properties of ``output``; decimals become strings, as the record writes them."""
    asked = read_input(call.input, ProcessData)
    return await asyncio.to_thread(_all, asked)  # a hundred expressions at their cost limit take a while


def _all(asked: ProcessData) -> dict[str, Any]:
    return {name: _one(name, expression, asked.input) for name, expression in asked.output.items()}


def _one(name: str, expression: str, values: dict[str, Any]) -> Any:
    try:
        return _plain(evaluate(expression, {"input": values}))
    except Invalid as error:
        pointer = f"/input/output/{name}"
        raise ActivityFailed(f"{pointer}: {error.detail}", code="expression_failed", pointer=pointer) from error


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return value
