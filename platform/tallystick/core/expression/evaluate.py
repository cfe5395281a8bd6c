"""Evaluating expression profile v1: total, deterministic, at most 10,000 nodes."""

from collections.abc import Callable
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from tallystick.core.expression.lexer import ExpressionError
from tallystick.core.expression.parser import Node, parse

MAX_COST = 10_000
_LIMIT = 2**53 - 1
_DECIMALS = Context(prec=60)
_MAX_DECIMAL = (
    40  # characters of a decimal literal: sums and products of them stay exact within 60 digits... and no more
)


def evaluate(expression: str | Node, variables: dict[str, Any]) -> Any:
    """The value of ``expression`` over ``variables``; any fault is an :class:`ExpressionError`."""
    node = parse(expression) if isinstance(expression, str) else expression
    return _Evaluation(variables).value(node)


def outcome_of(value: Any) -> str:
    """A decision's outcome in words: ``true``, ``false``, ``null``, an integer's digits, a string as it is."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | str):
        return str(value)
    raise ExpressionError("a decision's value must be null, a boolean, an integer or a string", code="bad_outcome")


class _Evaluation:
    def __init__(self, variables: dict[str, Any]) -> None:
        self._variables = variables
        self._cost = 0

    def value(self, node: Node) -> Any:
        self._cost += 1
        if self._cost > MAX_COST:
            raise ExpressionError(f"expression costs more than {MAX_COST} nodes", code="too_costly")
        return _NODES[node.kind](self, node)

    def literal(self, node: Node) -> Any:
        return node.value

    def name(self, node: Node) -> Any:
        if node.value not in self._variables:
            raise ExpressionError(f"there is no variable {node.value}")
        return self._variables[node.value]

    def field(self, node: Node) -> Any:
        target = self.value(node.children[0])
        if not isinstance(target, dict) or node.value not in target:
            raise ExpressionError(f"there is no field {node.value}")
        return _readable(target[node.value])

    def index(self, node: Node) -> Any:
        target, key = (self.value(child) for child in node.children)
        if isinstance(target, list) and _is_int(key) and 0 <= key < len(target):
            return _readable(target[key])
        if isinstance(target, dict) and isinstance(key, str) and key in target:
            return _readable(target[key])
        raise ExpressionError("there is no such element")

    def list(self, node: Node) -> Any:
        return [self.value(child) for child in node.children]

    def object(self, node: Node) -> Any:
        pairs = [(self.value(pair.children[0]), self.value(pair.children[1])) for pair in node.children]
        if not all(isinstance(key, str) for key, _ in pairs) or len({key for key, _ in pairs}) != len(pairs):
            raise ExpressionError("object keys must be different strings")
        return dict(pairs)

    def unary(self, node: Node) -> Any:
        value = self.value(node.children[0])
        if node.value == "!":
            return not _boolean(value)
        return -value if isinstance(value, Decimal) else _bounded(-_integer(value))

    def conditional(self, node: Node) -> Any:
        condition, then, otherwise = node.children
        return self.value(then if _boolean(self.value(condition)) else otherwise)

    def binary(self, node: Node) -> Any:
        if node.value in {"&&", "||"}:
            return self._logic(node)
        left, right = (self.value(child) for child in node.children)
        return _OPERATORS[node.value](left, right)

    def _logic(self, node: Node) -> bool:
        """CEL's logic: an error on one side does not matter where the other side settles the answer."""
        settled = node.value == "||"
        fault: ExpressionError | None = None
        for child in node.children:
            try:
                if _boolean(self.value(child)) is settled:
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
            target = self.value(node.children[0].children[0])
            if not isinstance(target, dict):
                raise ExpressionError("has() looks into objects only")
            return node.children[0].value in target
        return _FUNCTIONS[node.value](*(self.value(child) for child in node.children))


def _readable(value: Any) -> Any:
    if isinstance(value, float):
        raise ExpressionError("floating-point numbers cannot be read")
    return value


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ExpressionError("a boolean is expected")
    return value


def _integer(value: Any) -> int:
    if not _is_int(value):
        raise ExpressionError("an integer is expected")
    return int(value)


def _bounded(value: int) -> int:
    if abs(value) > _LIMIT:
        raise ExpressionError("integer lies outside ±(2^53−1)", code="overflow")
    return value


def _arithmetic(
    integers: Callable[[int, int], int], decimals: Callable[[Decimal, Decimal], Decimal] | None
) -> Callable[[Any, Any], Any]:
    def operate(left: Any, right: Any) -> Any:
        if isinstance(left, Decimal) and isinstance(right, Decimal) and decimals:
            return _exact(decimals(left, right))
        return _bounded(integers(_integer(left), _integer(right)))

    return operate


def _exact(value: Decimal) -> Decimal:
    if len(value.as_tuple().digits) >= _DECIMALS.prec:
        raise ExpressionError("decimal has more than 59 digits", code="overflow")
    return value


def _add(left: Any, right: Any) -> Any:
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    if isinstance(left, list) and isinstance(right, list):
        return left + right
    return _add_numbers(left, right)


def _divide(left: int, right: int) -> int:
    if right == 0:
        raise ExpressionError("division by zero")
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _remainder(left: int, right: int) -> int:
    return left - right * _divide(left, right)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    if isinstance(left, Decimal) is not isinstance(right, Decimal):
        return False
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(left[key], right[key]) for key in left)
    return bool(left == right)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def operate(left: Any, right: Any) -> bool:
        for kind in (str, Decimal):
            if isinstance(left, kind) and isinstance(right, kind):
                return compare(left, right)
        return compare(_integer(left), _integer(right))

    return operate


def _in(left: Any, right: Any) -> bool:
    if isinstance(right, dict):
        return isinstance(left, str) and left in right
    if not isinstance(right, list):
        raise ExpressionError("in looks into lists and objects only")
    return any(_equal(left, one) for one in right)


def _size(value: Any) -> int:
    if not isinstance(value, str | list | dict):
        raise ExpressionError("size() takes a string, a list or an object")
    return len(value)


def _decimal(value: Any) -> Decimal:
    if not isinstance(value, str) or len(value) > _MAX_DECIMAL or not value.isascii() or "_" in value:
        raise ExpressionError("decimal() takes a string of digits")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise ExpressionError("decimal() takes a string of digits") from error
    if not number.is_finite() or "e" in value.lower() or value != value.strip():
        raise ExpressionError("decimal() takes a string of digits")
    return number


def _text(test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def operate(left: Any, right: Any) -> bool:
        if not isinstance(left, str) or not isinstance(right, str):
            raise ExpressionError("a string is expected")
        return test(left, right)

    return operate


_add_numbers = _arithmetic(lambda a, b: a + b, _DECIMALS.add)

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": _add,
    "-": _arithmetic(lambda a, b: a - b, _DECIMALS.subtract),
    "*": _arithmetic(lambda a, b: a * b, _DECIMALS.multiply),
    "/": _arithmetic(_divide, None),
    "%": _arithmetic(_remainder, None),
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _ordered(lambda a, b: a < b),
    "<=": _ordered(lambda a, b: a <= b),
    ">": _ordered(lambda a, b: a > b),
    ">=": _ordered(lambda a, b: a >= b),
    "in": _in,
}

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "size": _size,
    "decimal": _decimal,
    "startsWith": _text(lambda text, part: text.startswith(part)),
    "endsWith": _text(lambda text, part: text.endswith(part)),
    "contains": _text(lambda text, part: part in text),
}

_NODES: dict[str, Callable[[_Evaluation, Node], Any]] = {
    "literal": _Evaluation.literal,
    "name": _Evaluation.name,
    "field": _Evaluation.field,
    "index": _Evaluation.index,
    "list": _Evaluation.list,
    "object": _Evaluation.object,
    "unary": _Evaluation.unary,
    "if": _Evaluation.conditional,
    "binary": _Evaluation.binary,
    "call": _Evaluation.call,
}
