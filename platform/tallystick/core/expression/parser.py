"""The grammar of expression profile v1 (EXPRESSIONS.md, Grammar), by precedence climbing.

Nesting is bounded while reading, the tree's height while building it, so that whoever walks the tree may recurse.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from tallystick.core.expression.cursor import Cursor
from tallystick.core.expression.lexer import ExpressionError, Lexeme, lex

MAX_DEPTH = 32  # of brackets and conditionals in the text, and of the tree
MAX_INTEGER = 2**53 - 1
_MAX_DIGITS = 16  # of 2^53−1
_LOWEST = 1
_BINDING = {"||": 1, "&&": 2}
_BINDING |= dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in"), 3)
_BINDING |= {"+": 4, "-": 4, "*": 5, "/": 5, "%": 5}
_LOGIC = ("||", "&&")
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}
_KEYWORDS = frozenset({*_WORDS, "in"})
# CEL keeps these for host languages; a name that CEL refuses has no place in a subset of it.
_RESERVED = _KEYWORDS | {
    "as", "break", "continue", "else", "for", "function", "if", "import", "let", "loop", "namespace", "package",
    "const", "return", "var", "void", "while",
}  # fmt: skip
FUNCTIONS = {"size": 1, "decimal": 1, "has": 1}
METHODS = {"startsWith": 1, "endsWith": 1, "contains": 1, "size": 0}


class Node(msgspec.Struct, frozen=True):
    """A node of the tree: ``kind`` says how ``value`` and ``children`` are meant.

    ========  ===================  ==========================================
    kind      value                children
    ========  ===================  ==========================================
    literal   the value
    name      the variable
    field     the field            the object
    index                          the list or object, the key
    list                           the elements
    object                         nodes of kind ``pair``: key, value
    unary     ``!`` ``-``          the operand
    binary    the operator         left, right
    logic     ``&&`` ``||``        two operands or more
    if                             condition, then, otherwise
    call      the function         the arguments; of a method, the target first
    ========  ===================  ==========================================
    """

    kind: str
    value: Any = None
    children: tuple["Node", ...] = ()
    height: int = 1


def parse(text: str) -> Node:
    """The tree of an expression; :class:`ExpressionError` says where it cannot be read."""
    reader = _Reader(lex(text))
    node = reader.expression(0)
    reader.expect_end()
    return node


class _Reader(Cursor):
    def expression(self, depth: int) -> Node:
        """Reads a conditional, or what binds tighter; ``depth`` counts the expressions around it."""
        if depth >= MAX_DEPTH:
            raise self._too_deep()
        condition = self._binary(_LOWEST, depth)
        if not self.take("?"):
            return condition
        then = self._binary(_LOWEST, depth)
        self.expect(":")
        return self._node("if", None, condition, then, self.expression(depth + 1))

    def expect_end(self) -> None:
        """Refuses whatever is left."""
        if self.now.kind != "end":
            raise self.unexpected(self.now)

    def _binary(self, least: int, depth: int) -> Node:
        left = self._unary(depth)
        while (binding := _BINDING.get(self._operator(), 0)) >= least:
            if self._operator() in _LOGIC:
                left = self._run(left, binding, depth)
            else:
                operator = self.next().text
                left = self._node("binary", operator, left, self._binary(binding + 1, depth))
        return left

    def _operator(self) -> str:
        now = self.now
        return now.text if now.kind == "op" or (now.kind == "name" and now.text == "in") else ""

    def _run(self, left: Node, binding: int, depth: int) -> Node:
        """One node a run of ``&&`` or ``||``, so that long conditions stay flat; made once, when all of it is read."""
        operator = self._operator()
        run = [*left.children] if left.kind == "logic" and left.value == operator else [left]
        while self._operator() == operator:
            self.next()
            run.append(self._binary(binding + 1, depth))
        return self._node("logic", operator, *run)

    def _unary(self, depth: int) -> Node:
        operator, count = self.now.text, 0
        while self.now.is_op("!", "-") and self.take(operator):
            count += 1
        node = self._postfix(depth)
        for _ in range(count):
            node = self._node("unary", operator, node)
        return node

    def _postfix(self, depth: int) -> Node:
        node = self._primary(depth)
        while self.now.is_op(".", "["):
            if self.take("["):
                node = self._node("index", None, node, self.expression(depth + 1))
                self.expect("]")
            else:
                self.next()
                node = self._member(node, depth)
        return node

    def _member(self, target: Node, depth: int) -> Node:
        lexeme = self.next()
        if lexeme.kind != "name" or lexeme.text in _KEYWORDS:
            raise self.error(_AFTER_DOT.get(lexeme.kind, "a field name must follow the dot"), lexeme)
        if not self.take("("):
            return self._node("field", lexeme.text, target)
        arguments = self._items(")", lambda: self.expression(depth + 1))
        self._check_arity("method", METHODS, lexeme, arguments)
        return self._node("call", lexeme.text, target, *arguments)

    def _primary(self, depth: int) -> Node:
        lexeme = self.next()
        if lexeme.kind == "int":
            return self._integer(lexeme)
        if lexeme.kind == "string":
            return Node("literal", lexeme.text)
        if lexeme.kind == "name":
            return self._word(lexeme, depth)
        return self._bracketed(lexeme, depth)

    def _integer(self, lexeme: Lexeme) -> Node:
        if len(lexeme.text) > _MAX_DIGITS or int(lexeme.text) > MAX_INTEGER:
            raise self.error("integer lies outside ±(2^53−1)", lexeme)
        return Node("literal", int(lexeme.text))

    def _word(self, lexeme: Lexeme, depth: int) -> Node:
        if lexeme.text in _WORDS:
            return Node("literal", _WORDS[lexeme.text])
        if lexeme.text in _RESERVED:
            raise self.error(f"{lexeme.text} is a reserved word", lexeme)
        if not self.take("("):
            return Node("name", lexeme.text)
        arguments = self._items(")", lambda: self.expression(depth + 1))
        self._check_arity("function", FUNCTIONS, lexeme, arguments)
        if lexeme.text == "has" and arguments[0].kind != "field":
            raise self.error("has() takes a field selection", lexeme)
        return self._node("call", lexeme.text, *arguments)

    def _check_arity(self, what: str, known: dict[str, int], lexeme: Lexeme, arguments: list[Node]) -> None:
        if lexeme.text not in known:
            raise self.error(f"there is no {what} {lexeme.text}", lexeme)
        if len(arguments) != known[lexeme.text]:
            raise self.error(f"{lexeme.text} takes {known[lexeme.text]} arguments, not {len(arguments)}", lexeme)

    def _bracketed(self, lexeme: Lexeme, depth: int) -> Node:
        if lexeme.is_op("("):
            node = self.expression(depth + 1)
            self.expect(")")
            return node
        if lexeme.is_op("["):
            return self._node("list", None, *self._items("]", lambda: self.expression(depth + 1)))
        if lexeme.is_op("{"):
            return self._node("object", None, *self._items("}", lambda: self._pair(depth + 1)))
        raise self.unexpected(lexeme)

    def _pair(self, depth: int) -> Node:
        key = self.expression(depth)
        self.expect(":")
        return self._node("pair", None, key, self.expression(depth))

    def _items(self, closing: str, read: Callable[[], Node]) -> list[Node]:
        items: list[Node] = []
        while not self.take(closing):
            if items:
                self.expect(",")
            items.append(read())
        return items

    def _node(self, kind: str, value: Any, *children: Node) -> Node:
        height = 1 + max((child.height for child in children), default=0)
        if height > MAX_DEPTH:
            raise self._too_deep()
        return Node(kind, value, children, height)

    def _too_deep(self) -> ExpressionError:
        return self.error(f"expression is nested more than {MAX_DEPTH} levels deep", self.now, "too_deep")


_AFTER_DOT = {"int": "floating-point numbers are not part of the profile"}
