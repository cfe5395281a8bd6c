"""Definitions from files: JSON and YAML, to the same plain values, within bounds, with the line of what is wrong."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.examples import FOLDER, NAMES
from tallystick.core.errors import Invalid
from tallystick.node.definitions.layout import laid_out
from tallystick.node.definitions.places import lines
from tallystick.node.definitions.reading import load


def yaml(text: str) -> Any:
    return load(text.encode()).document


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2026-11-25", "2026-11-25"),
        ("2026-11-25T00:00:00Z", "2026-11-25T00:00:00Z"),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("=", "="),
        ("<<", "<<"),
        ("017", 17),
        ("-5", -5),
        ("1.5", 1.5),
        ("true", True),
        ("~", None),
        ("null", None),
        ("'1'", "1"),
        ("订单", "订单"),
        ("[a, 1, {b: false}]", ["a", 1, {"b": False}]),
    ],
)
def test_yaml_holds_what_json_could(text: str, value: Any) -> None:
    assert yaml(f"a: {text}") == {"a": value}
    assert type(yaml(f"a: {text}")["a"]) is type(value)


def test_keys_are_text() -> None:
    assert yaml("{1: a, true: b, null: c, <<: d}") == {"1": "a", "true": "b", "null": "c", "<<": "d"}


BAD: dict[str, tuple[str, str]] = {
    "an alias": ("a: &x [1]\nb: *x", "anchors"),
    "an alias of nothing": ("a: *x", "aliases"),
    "many laughs": ("a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]", "anchors"),
    "a tag": ("a: !!python/object/apply:os.system [ls]", "tags"),
    "a tag of text": ("a: !!str 1", "tags"),
    "a key twice": ("a: 1\nb: 2\na: 3", "line 3, column 1: the key a stands here twice"),
    "a key twice in JSON": ('{"a": 1, "a": 2}', "twice"),
    "a key that is a list": ("? [1]\n: 2", "a key is text"),
    "two documents": ("a: 1\n---\nb: 2", "line 2"),
    "too deep": ("a: " + "[" * 60 + "]" * 60, "levels"),
    "too deep in JSON": ('{"a": ' + "[" * 60 + "]" * 60 + "}", "levels"),
    "too deep without end": ("a: " + "[" * 100_000, "levels"),
    "too many": ("a: [" + "1," * 110_000 + "]", "values"),
    "too long a number": ("a: " + "9" * 5000, "digits"),
    "no number of JSON": ('{"a": NaN}', "NaN"),
    "no JSON": ('{"a": }}', "line 1, column 7"),
    "no text": ("a: \x01", "YAML"),
    "an expression without quotes": ("a: b ? c : d: e", "quotes"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_refused(name: str) -> None:
    text, told = BAD[name]
    with pytest.raises(Invalid) as caught:
        yaml(text)
    assert told in str(caught.value)


@pytest.mark.parametrize("data", [b"\xff\xfe", b"x" * 1_000_001])
def test_bytes_that_are_refused(data: bytes) -> None:
    with pytest.raises(Invalid):
        load(data)


def test_a_flow_mapping_is_yaml() -> None:
    assert load(b"{a: 1, b: [c]} # so") == ({"a": 1, "b": ["c"]}, "yaml")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=9), json_values, min_size=1, max_size=4))
def test_json_is_read_as_it_is_and_laid_out_without_change(value: dict[str, Any]) -> None:
    text = json.dumps(value, ensure_ascii=True)
    assert load(text.encode()).document == value
    layout = laid_out(text.encode())
    assert load(layout.encode()).document == value
    assert laid_out(layout.encode()) == layout


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(Invalid):
        load(data)


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_have_the_layout(name: str) -> None:
    data = (FOLDER / f"{name}.yaml").read_bytes()
    assert laid_out(data) == data.decode()


def test_layout_keeps_comments_and_order() -> None:
    text = "# first\nb: '1'   # behind\na:\n- \"x\"\n-   {c: 1,   d: [ 2 ]}\n# last\n"
    assert laid_out(text.encode()) == '# first\nb: "1"   # behind\na:\n  - x\n  - {c: 1, d: [2]}\n# last\n'


def test_the_line_of_every_member() -> None:
    found = lines(b"id: x\nsteps:\n  - id: a\n    timer:\n      cron: x\n  - id: b\n")
    assert (found["/steps"], found["/steps/0/timer/cron"], found["/steps/1"]) == (2, 5, 6)
    assert lines(b"{\n\t1") == {}
    demo = Path(FOLDER).parent / "demo" / "definitions" / "order-to-remittance.json"
    assert lines(demo.read_bytes())["/tasks/0/id"] > 1
