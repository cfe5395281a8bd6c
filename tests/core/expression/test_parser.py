"""The grammar: precedence, bounds and refusals."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.expression import parser
from tallystick.core.expression.lexer import ExpressionError
from tallystick.core.expression.parser import MAX_DEPTH, Node, parse


def shown(node: Node) -> str:
    """The tree with every bracket written."""
    if node.kind == "binary":
        return f"({shown(node.children[0])}{node.value}{shown(node.children[1])})"
    if node.kind == "logic":
        return f"({node.value.join(map(shown, node.children))})"
    if node.kind == "if":
        return "({}?{}:{})".format(*map(shown, node.children))
    if node.kind == "unary":
        return f"({node.value}{shown(node.children[0])})"
    return str(node.value)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("1+2*3-4", "((1+(2*3))-4)"),
        ("a||b&&c||d", "(a||(b&&c)||d)"),
        ("a==b&&c<d+1", "((a==b)&&(c<(d+1)))"),
        ("!a&&-b==c", "((!a)&&((-b)==c))"),
        ("a?b:c?d:e", "(a?b:(c?d:e))"),
        ("(a?b:c)?d:e", "((a?b:c)?d:e)"),
        ("(1+2)*3%4/5", "((((1+2)*3)%4)/5)"),
        ("a in b", "(ainb)"),
        ("--1", "(-(-1))"),
    ],
)
def test_precedence(text: str, tree: str) -> None:
    assert shown(parse(text)) == tree


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1 2",
        "1 +",
        "(1",
        "[1",
        "[1 2]",
        "[,]",
        "{1}",
        '{"a":1',
        "a.",
        "a.1",
        'a."b"',
        "a[1",
        "a ? b",
        "a ? b :",
        ")",
        "*1",
        '1 "in" [1]',
        "f(1)",
        "size()",
        "size(1, 2)",
        "a.size(1)",
        'a.startsWith("b", "c")',
        "a.decimal()",
        "a.has(b)",
        "has(a)",
        'has(a["b"])',
        "has(1)",
        "9007199254740992",
        "1" * 17,
        "1.5",
        "1a",
    ],
)
def test_what_is_no_expression(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert 0 <= caught.value.position <= len(text)


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("(", ")"),
        ("[", "]"),
        ('{"a":', "}"),
        ("-", ""),
        ("!", ""),
        ("size(", ")"),
        ("1?1:", ""),
        ("a[", "]"),
        ("has(a.b)&&(", ")"),
    ],
)
def test_depth_is_bounded(opening: str, closing: str) -> None:
    parse(opening * 5 + "1" + closing * 5)
    with pytest.raises(ExpressionError, match="nested"):
        parse(opening * (MAX_DEPTH + 1) + "1" + closing * (MAX_DEPTH + 1))


def test_selections_are_bounded() -> None:
    parse("a" + ".b" * (MAX_DEPTH - 1))
    with pytest.raises(ExpressionError, match="nested"):
        parse("a" + ".b" * (MAX_DEPTH + 1))


@given(st.text(alphabet="ab1\"'+-*/%!<>=&|?:.,()[]{} in", max_size=60))
def test_parsing_is_total(text: str) -> None:
    with contextlib.suppress(ExpressionError):
        assert parse(text).height <= MAX_DEPTH


@pytest.mark.parametrize("operator", ["&&", "||"])
def test_a_long_condition_is_read_in_one_go(operator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node for every operand, each looking at all before it, cost seconds for what fits into one proposal."""
    made: list[int] = []
    plain = parser._Reader._node

    def node(self: parser._Reader, kind: str, value: Any, *children: parser.Node) -> parser.Node:
        made.append(len(children))
        return plain(self, kind, value, *children)

    monkeypatch.setattr(parser._Reader, "_node", node)
    tree = parser.parse(f" {operator} ".join(["a"] * 500))
    assert (tree.kind, tree.value, len(tree.children)) == ("logic", operator, 500)
    assert sum(made) == 500
    nested = parser.parse(f"(a {operator} b) {operator} c {operator} (d {operator} e)")
    assert [child.kind for child in nested.children] == ["name", "name", "name", "logic"]
