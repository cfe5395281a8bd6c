"""Evaluating expression profile v1: total, deterministic and bounded (EXPRESSIONS.md)."""

from collections.abc import Callable
from typing import Any

from tallystick.core.expression.lexer import ExpressionError
from tallystick.core.expression.operators import FUNCTIONS, OPERATORS, boolean, negate, select
from tallystick.core.expression.parser import Node, parse
from tallystick.core.expression.values import Meter, check_result, kind, readable, wrong_type

MAX_OUTCOME = 64  # characters: an outcome names a route and stands in clear


def evaluate(expression: str | Node, variables: dict[str, Any], meter: Meter | None = None) -> Any:
    """The value of ``expression`` over ``variables``; any fault is an :class:`ExpressionError`.

    Variables hold JSON as the record allows it; besides that, values may be :class:`decimal.Decimal`. A ``meter``
    of the caller's bounds several evaluations together.
    """
    node = parse(expression) if isinstance(expression, str) else expression
    meter = meter or Meter()
    return check_result(meter, _Evaluation(variables, meter).value(node))


def outcome_of(value: Any) -> str:
    """A decision's outcome in words: ``true``, ``false``, ``null``, an integer's digits, a string as it is."""
    name = kind(value)
    if name in {"null", "boolean"}:
        return {None: "null", True: "true", False: "false"}[value]
    if name == "integer" or (name == "string" and 0 < len(value) <= MAX_OUTCOME):
        return str(value)
    detail = f"a decision's value must be null, a boolean, an integer or a string of 1 to {MAX_OUTCOME} characters"
    raise ExpressionError(detail, code="bad_outcome")


class _Evaluation:
    def __init__(self, variables: dict[str, Any], meter: Meter) -> None:
        self._variables = variables
        self._meter = meter

    def value(self, node: Node) -> Any:
        self._meter.charge(1)
        return _NODES[node.kind](self, node)

    def literal(self, node: Node) -> Any:
        return node.value

    def name(self, node: Node) -> Any:
        if node.value not in self._variables:
            raise ExpressionError(f"there is no variable {node.value}", code="unknown_name")
        return readable(self._variables[node.value])

    def field(self, node: Node) -> Any:
        target = self._object(node)
        if node.value not in target:
            raise ExpressionError(f"there is no field {node.value}", code="unknown_field")
        return readable(target[node.value])

    def index(self, node: Node) -> Any:
        target, key = self._values(node)
        return readable(select(target, key))

    def elements(self, node: Node) -> Any:
        return self._values(node)

    def members(self, node: Node) -> Any:
        pairs = [self._values(pair) for pair in node.children]
        keys = [key for key, _ in pairs]
        if not all(isinstance(key, str) for key in keys):
            raise wrong_type("a string for every key", *keys)
        if len(set(keys)) != len(keys):
            raise ExpressionError("an object names one key twice", code="repeated_key")
        return dict(pairs)

    def unary(self, node: Node) -> Any:
        value = self.value(node.children[0])
        return not boolean(value) if node.value == "!" else negate(value)

    def conditional(self, node: Node) -> Any:
        condition, then, otherwise = node.children
        return self.value(then if boolean(self.value(condition)) else otherwise)

    def binary(self, node: Node) -> Any:
        left, right = self._values(node)
        return OPERATORS[node.value](self._meter, left, right)

    def logic(self, node: Node) -> bool:
        """CEL's logic: an error in one operand does not matter where another one settles the answer."""
        settled = node.value == "||"
        fault: ExpressionError | None = None
        for child in node.children:
            try:
                if boolean(self.value(child)) is settled:
                    return settled
            except ExpressionError as error:
                if error.code == "too_costly":
                    raise
                fault = fault or error
        if fault:
            raise fault
        return not settled

    def call(self, node: Node) -> Any:
        if node.value == "has":
            selection = node.children[0]
            return selection.value in self._object(selection)
        return FUNCTIONS[node.value](self._meter, *self._values(node))

    def _values(self, node: Node) -> list[Any]:
        return [self.value(child) for child in node.children]

    def _object(self, selection: Node) -> dict[str, Any]:
        target = self.value(selection.children[0])
        if not isinstance(target, dict):
            raise wrong_type(f"an object with the field {selection.value}", target)
        return target


_NODES: dict[str, Callable[[_Evaluation, Node], Any]] = {
    "literal": _Evaluation.literal,
    "name": _Evaluation.name,
    "field": _Evaluation.field,
    "index": _Evaluation.index,
    "list": _Evaluation.elements,
    "object": _Evaluation.members,
    "unary": _Evaluation.unary,
    "if": _Evaluation.conditional,
    "binary": _Evaluation.binary,
    "logic": _Evaluation.logic,
    "call": _Evaluation.call,
}
