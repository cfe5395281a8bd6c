"""Evaluation: values, faults, logic, decimals, and the bounds that keep it total."""

import decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.expression.evaluate import MAX_OUTCOME, evaluate, outcome_of
from tallystick.core.expression.lexer import ExpressionError
from tallystick.core.expression.parser import MAX_DEPTH, Node, parse

VARIABLES: dict[str, Any] = {
    "input": {"n": 3, "text": "订单", "list": [1, "a", None], "empty": {}, "rate": 1.5, "rates": [1.5], "yes": True},
    "steps": {"order": {"amount": "12.50"}, "approve": {"approval_decision": True}},
}


def fault(text: str | Node) -> ExpressionError:
    """The fault of evaluating ``text``."""
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, VARIABLES)
    return caught.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('steps["approve"].approval_decision', True),
        ("input.n + 2 * 3", 9),
        ("input.list[1]", "a"),
        ('input["text"].size()', 2),
        ("size(input.list) == 3", True),
        ("size({})", 0),
        ("has(input.n) && !has(input.m)", True),
        ("-7 / 2", -3),
        ("7 / -2", -3),
        ("-7 % 2", -1),
        ("7 % -2", 1),
        ("-input.n", -3),
        ("input.yes ? 1 : missing", 1),
        ("!input.yes ? missing : 2", 2),
        ('"a" + "b"', "ab"),
        ("[1] + [2]", [1, 2]),
        ('{"a": 1, "b": [null]}', {"a": 1, "b": [None]}),
        ('"a" in {"a": 1}', True),
        ('1 in {"a": 1}', False),
        ("true in [1]", False),
        ("1 in [1, 2]", True),
        ('"abc".startsWith("ab") && "abc".endsWith("bc") && "abc".contains("b")', True),
        ("1 == true", False),
        ("null == null", True),
        ("null != 0", True),
        ('"1" == 1', False),
        ("[1, [true]] == [1, [true]]", True),
        ("[1] == [true]", False),
        ("[1] == [1, 2]", False),
        ('{"a": 1} == {"a": 1}', True),
        ('{"a": 1} == {"b": 1}', False),
        ('{"a": 1} == {"a": true}', False),
        ("1 < 2 && 2 <= 2 && 3 > 2 && 2 >= 2", True),
        ('"a" < "b"', True),
        ("null", None),
        ("9007199254740991 - 1", 2**53 - 2),
    ],
)
def test_values(text: str, value: Any) -> None:
    found = evaluate(text, VARIABLES)
    assert found == value
    assert type(found) is type(value)
    assert evaluate(parse(text), VARIABLES) == value


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        (
            "unknown_name",
            ["missing", "missing + missing", "(missing < 1) == true", "1 + missing + 2", "has(missing.x)"],
        ),
        ("unknown_field", ["input.missing", 'input["missing"]', "input.list[3]", "input.list[-1]"]),
        ("division_by_zero", ["1 / 0", "1 % 0"]),
        ("repeated_key", ['{"a": 1, "a": 2}']),
        (
            "wrong_type",
            [
                "input.n.x",
                "input.list[true]",
                'input.list["a"]',
                "input[1]",
                "input.n[0]",
                "input.rate",
                'input["rate"]',
                "input.rates[0]",
                "input.rates",
                "[input.rates] == [[1]]",
                "1 + true",
                '1 + "a"',
                "-true",
                "!1",
                "1 ? 2 : 3",
                "1 < true",
                '1 < "a"',
                "[1] < [2]",
                "null < null",
                "1 in 2",
                '1 in "a"',
                "size(1)",
                "{1: 2}",
                "{[1]: 2}",
                '"a".startsWith(1)',
                'input.n.contains("a")',
                "has(input.n.x)",
                'decimal("1") in [1]',
            ],
        ),
    ],
)
def test_faults(code: str, texts: list[str]) -> None:
    for text in texts:
        assert (text, fault(text).code, fault(text).position) == (text, code, -1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("missing || true", True),
        ("true || missing", True),
        ("missing && false", False),
        ("false && missing", False),
        ("1 && false", False),
        ("false || missing || true", True),
        ("missing > 1 || true", True),
        ("true && true && true", True),
        ("false || false", False),
    ],
)
def test_logic_forgives_a_fault_that_does_not_matter(text: str, value: bool) -> None:
    assert evaluate(text, VARIABLES) is value


@pytest.mark.parametrize("text", ["missing && true", "true && missing", "missing || false", "1 || false", "true && 1"])
def test_logic_keeps_a_fault_that_matters(text: str) -> None:
    fault(text)


@pytest.mark.parametrize(
    "text",
    [
        "9007199254740991 + 1",
        "-9007199254740991 - 1",
        "9007199254740991 * 9007199254740991",
        "({0}) * ({0})".format('decimal("1234567890123456789012345678901.123456789012345678")'),
    ],
)
def test_overflow(text: str) -> None:
    assert fault(text).code == "overflow"


@pytest.mark.parametrize(
    "text",
    [
        'decimal("0.1") + decimal("0.2") == decimal("0.3")',
        'decimal("12.50") == decimal("12.5")',
        'decimal(steps["order"].amount) > decimal("12.49")',
        'decimal("-1.5") * decimal("2") <= decimal("-3")',
        '-decimal("1.5") < decimal("0")',
        'decimal("1") - decimal("3") == -decimal("2")',
        '-decimal("1234567890123456789012345678901.2") == decimal("-1234567890123456789012345678901.2")',
        'decimal("0.000000000000000001") * decimal("0.000000000000000001") > decimal("0")',
        'decimal("1") != null',
        'decimal("1") in [null, decimal("1.0")]',
        'decimal("1") in [1, decimal("1.0")]',
    ],
)
def test_decimals_are_exact(text: str) -> None:
    assert evaluate(text, VARIABLES) is True


def test_decimals_do_not_depend_on_the_ambient_context() -> None:
    with decimal.localcontext() as context:
        context.prec = 2
        context.traps[decimal.InvalidOperation] = False
        assert evaluate('-(decimal("1.2345") + decimal("1.2345")) == decimal("-2.469")', {}) is True
        fault('decimal("x")')


@pytest.mark.parametrize(
    "text", ["1e3", "NaN", "Infinity", " 1", "1_0", "", "-", "+1", "1.", ".5", "01", "x", "٣", "1" * 32]
)
def test_what_is_no_decimal(text: str) -> None:
    assert fault(f'decimal("{text}")').code == "bad_decimal"


@pytest.mark.parametrize("text", ["decimal(1)", 'decimal("1") / decimal("2")', 'decimal("1") + 1', 'decimal("1") < 1'])
def test_decimals_keep_to_themselves(text: str) -> None:
    fault(text)


def test_long_conditions_need_no_stack() -> None:
    assert evaluate("true" + "&&true" * 600, {}) is True
    assert evaluate("missing" + "||missing" * 300 + "||true", {}) is True
    assert evaluate("1" + "+1" * (MAX_DEPTH - 1), {}) == MAX_DEPTH
    with pytest.raises(ExpressionError) as caught:
        evaluate("1" + "+1" * 1000, {})
    assert caught.value.code == "too_deep"


def test_nodes_cost() -> None:
    hundred = Node("list", None, (Node("literal", 1),) * 100)
    assert len(evaluate(Node("list", None, (hundred,) * 40), {})) == 40
    costly = Node("list", None, (hundred,) * 100)
    assert fault(costly).code == "too_costly"
    assert fault(Node("logic", "||", (costly, Node("literal", True)))).code == "too_costly"


@pytest.mark.parametrize(
    "text",
    [
        "l == l && l == l",
        "l + l",
        "1 in l",
        "l in [l]",
        "s + s",
        "s == s",
        "s < s",
        's.contains("a")',
        "m == m",
        "l",
        "missing || l == l",
    ],
)
def test_values_cost(text: str) -> None:
    large = {"l": [0] * 10_001, "s": "x" * 1_000_100, "m": {str(number): 0 for number in range(10_001)}}
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, large)
    assert caught.value.code == "too_costly"


def test_floats_cannot_be_read_by_name() -> None:
    with pytest.raises(ExpressionError):
        evaluate("x", {"x": 1.5})


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (0, "0"),
        (-7, "-7"),
        ("maybe", "maybe"),
        ("x" * MAX_OUTCOME, "x" * MAX_OUTCOME),
    ],
)
def test_outcomes(value: Any, outcome: str) -> None:
    assert outcome_of(value) == outcome


@pytest.mark.parametrize("value", [[], {}, decimal.Decimal(1), "", "x" * (MAX_OUTCOME + 1)])
def test_what_is_no_outcome(value: Any) -> None:
    with pytest.raises(ExpressionError) as caught:
        outcome_of(value)
    assert caught.value.code == "bad_outcome"


atoms = st.sampled_from(
    ["1", "0", "true", "null", '"a"', "[1]", '{"a": 1}', "input", "missing", 'decimal("1.5")', "input.n"]
)
expressions = st.recursive(
    atoms,
    lambda inner: (
        st.builds(
            "({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/", "%", "==", "<", "in", "&&", "||"]), inner
        )
        | st.builds("({} ? {} : {})".format, inner, inner, inner)
        | st.builds("size({})".format, inner)
        | st.builds("(-{})".format, inner)
        | st.builds("(!{})".format, inner)
        | st.builds("({})[{}]".format, inner, inner)
    ),
    max_leaves=12,
)


@given(expressions)
def test_evaluation_is_total_and_deterministic(text: str) -> None:
    def attempt() -> Any:
        try:
            return evaluate(text, VARIABLES)
        except ExpressionError as error:
            return (error.code, error.detail)

    assert attempt() == attempt()
