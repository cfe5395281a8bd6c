"""The grammar of expression profile v1, by precedence climbing; depth and size are bounded while reading."""

from collections.abc import Callable
from typing import Any

import msgspec

from tallystick.core.expression.lexer import ExpressionError, Lexeme, lex

MAX_DEPTH = 32
_INTEGER_LIMIT = 2**53 - 1
_BINARY = {
    "||": 1, "&&": 2,
    "==": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "in": 3,
    "+": 4, "-": 4, "*": 5, "/": 5, "%": 5,
}  # fmt: skip
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}
FUNCTIONS = {"size": 1, "decimal": 1, "has": 1}
METHODS = {"startsWith": 1, "endsWith": 1, "contains": 1, "size": 0}


class Node(msgspec.Struct, frozen=True):
    """A node of the tree: ``kind`` says how ``value`` and ``children`` are meant."""

    kind: str
    value: Any = None
    children: tuple["Node", ...] = ()


def parse(text: str) -> Node:
    """The tree of an expression."""
    reader = _Reader(lex(text))
    node = reader.ternary(0)
    reader.expect_end()
    return node


class _Reader:
    def __init__(self, lexemes: list[Lexeme]) -> None:
        self._lexemes = lexemes
        self._at = 0

    def ternary(self, depth: int) -> Node:
        condition = self._binary(1, self._deeper(depth))
        if not self._take("?"):
            return condition
        then = self.ternary(depth + 1)
        self._expect(":")
        return Node("if", None, (condition, then, self.ternary(depth + 1)))

    def expect_end(self) -> None:
        if self._now.kind != "end":
            raise self._error(f"unexpected {self._now.text!r}")

    def _binary(self, least: int, depth: int) -> Node:
        left = self._unary(depth)
        while (binding := _BINARY.get(self._operator(), 0)) >= least:
            operator = self._next().text
            left = Node("binary", operator, (left, self._binary(binding + 1, self._deeper(depth))))
        return left

    def _operator(self) -> str:
        return self._now.text if self._now.kind == "op" or self._now.text == "in" else ""

    def _unary(self, depth: int) -> Node:
        if self._now.kind == "op" and self._now.text in {"!", "-"}:
            operator = self._next().text
            return Node("unary", operator, (self._unary(self._deeper(depth)),))
        return self._postfix(depth)

    def _postfix(self, depth: int) -> Node:
        node = self._primary(depth)
        while self._now.kind == "op" and self._now.text in {".", "["}:
            depth = self._deeper(depth)
            if self._next().text == "[":
                node = Node("index", None, (node, self.ternary(depth)))
                self._expect("]")
            else:
                node = self._member(node, depth)
        return node

    def _member(self, target: Node, depth: int) -> Node:
        name = self._name()
        if not self._take("("):
            return Node("field", name, (target,))
        arguments = self._items(")", depth, lambda: self.ternary(depth + 1))
        if METHODS.get(name) != len(arguments):
            raise self._error(f"there is no method {name} with {len(arguments)} arguments")
        return Node("call", name, (target, *arguments))

    def _primary(self, depth: int) -> Node:
        lexeme = self._next()
        if lexeme.kind == "int":
            if len(lexeme.text) > 16 or int(lexeme.text) > _INTEGER_LIMIT:
                raise self._error("integer lies outside ±(2^53−1)")
            return Node("literal", int(lexeme.text))
        if lexeme.kind == "string":
            return Node("literal", lexeme.text)
        if lexeme.kind == "name":
            return self._word(lexeme, depth)
        return self._bracketed(lexeme, depth)

    def _word(self, lexeme: Lexeme, depth: int) -> Node:
        name = lexeme.text
        if name in _WORDS:
            return Node("literal", _WORDS[name])
        if not self._take("("):
            return Node("name", name)
        arguments = self._items(")", depth, lambda: self.ternary(depth + 1))
        if FUNCTIONS.get(name) != len(arguments):
            raise self._error(f"there is no function {name} with {len(arguments)} arguments")
        if name == "has" and arguments[0].kind != "field":
            raise self._error("has() takes a field selection")
        return Node("call", name, tuple(arguments))

    def _bracketed(self, lexeme: Lexeme, depth: int) -> Node:
        if lexeme.text == "(":
            node = self.ternary(depth + 1)
            self._expect(")")
            return node
        if lexeme.text == "[":
            return Node("list", None, tuple(self._items("]", depth, lambda: self.ternary(depth + 1))))
        if lexeme.text == "{":
            return Node("object", None, tuple(self._items("}", depth, lambda: self._pair(depth + 1))))
        raise self._error(f"unexpected {lexeme.text or 'end'!r}")

    def _pair(self, depth: int) -> Node:
        key = self.ternary(depth)
        self._expect(":")
        return Node("pair", None, (key, self.ternary(depth)))

    def _items(self, closing: str, depth: int, read: Callable[[], Node]) -> list[Node]:
        self._deeper(depth)
        items: list[Node] = []
        while not self._take(closing):
            if items:
                self._expect(",")
            items.append(read())
        return items

    def _name(self) -> str:
        lexeme = self._next()
        if lexeme.kind != "name":
            raise self._error("a name must follow the dot")
        return lexeme.text

    def _deeper(self, depth: int) -> int:
        if depth >= MAX_DEPTH:
            raise self._error(f"expression is nested more than {MAX_DEPTH} levels deep")
        return depth + 1

    @property
    def _now(self) -> Lexeme:
        return self._lexemes[self._at]

    def _next(self) -> Lexeme:
        lexeme = self._lexemes[self._at]
        self._at = min(self._at + 1, len(self._lexemes) - 1)
        return lexeme

    def _take(self, text: str) -> bool:
        if self._now.kind == "op" and self._now.text == text:
            self._next()
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._error(f"{text!r} is expected")

    def _error(self, detail: str) -> ExpressionError:
        return ExpressionError(f"{detail} at position {self._now.position}", position=self._now.position)
