"""Canonical bytes: RFC 8785 out, strict I-JSON in; floats are refused by design."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core import canonical
from tallystick.core.errors import Invalid

VECTORS = Path(__file__).parent / "vectors" / "jcs"
WITH_FLOATS = {"structures", "values"}

integers = st.integers(-canonical.MAX_INTEGER, canonical.MAX_INTEGER)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
values = st.recursive(
    st.none() | st.booleans() | integers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


def refusal(data: bytes, **bounds: int) -> str:
    """The code with which ``data`` is refused."""
    with pytest.raises(Invalid) as caught:
        canonical.parse(data, **bounds)
    return caught.value.code


@pytest.mark.parametrize("name", ["arrays", "french", "unicode", "weird"])
def test_rfc_8785_vectors(name: str) -> None:
    source = (VECTORS / "input" / f"{name}.json").read_bytes()
    expected = (VECTORS / "output" / f"{name}.json").read_bytes()
    assert canonical.encode(canonical.parse(source)) == expected
    assert canonical.encode(canonical.parse_canonical(expected)) == expected


@pytest.mark.parametrize("name", sorted(WITH_FLOATS))
def test_rfc_8785_vectors_with_floats_are_refused(name: str) -> None:
    assert refusal((VECTORS / "input" / f"{name}.json").read_bytes()) == "float_refused"


def test_no_vector_is_left_out() -> None:
    assert {path.stem for path in (VECTORS / "input").iterdir()} == {
        "arrays",
        "french",
        "unicode",
        "weird",
    } | WITH_FLOATS


@given(values)
def test_values_come_back(value: Any) -> None:
    data = canonical.encode(value)
    assert canonical.parse_canonical(data) == value
    assert canonical.encode(json.loads(data)) == data


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:0123456789-.eE\\u tfn', max_size=60).map(str.encode))
def test_parsing_is_total(data: bytes) -> None:
    try:
        value = canonical.parse(data)
    except Invalid:
        return
    assert canonical.parse(canonical.encode(value)) == value


@pytest.mark.parametrize("value", ["\0", ["a\0"], {"\0": 1}, {"é": ["\0"]}, ("\0",)])
def test_u0000_is_written_and_read_nowhere(value: Any) -> None:
    assert refusal(json.dumps(value).encode()) == "nul_character"
    with pytest.raises(Invalid):
        canonical.encode(value)
    assert canonical.parse(rb'"\\u0000"') == r"\u0000"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"1.0", "float_refused"),
        (b"1e3", "float_refused"),
        (b"[NaN]", "malformed_json"),
        (b"-Infinity", "malformed_json"),
        (b"9007199254740992", "integer_out_of_range"),
        (b"-9007199254740992", "integer_out_of_range"),
        (b"1" * 5000, "integer_out_of_range"),
        (b"-0", "integer_out_of_range"),
        (b'{"a":1,"a":1}', "duplicate_member"),
        (b'[{"a":1,"\\u0061":2}]', "duplicate_member"),
        (b'"\\ud800"', "lone_surrogate"),
        (b'{"\\udc00":1}', "lone_surrogate"),
        (b"\xff", "malformed_json"),
        (b'"\xed\xa0\x80"', "malformed_json"),
        (b"\xef\xbb\xbf1", "malformed_json"),
        (b"", "malformed_json"),
        (b"1 2", "malformed_json"),
        (b"[1,]", "malformed_json"),
        (b"'a'", "malformed_json"),
        (b"]" * 9, "malformed_json"),
        (b"[" * 33 + b"]" * 33, "too_deep"),
        (b"[" * 500_000, "too_deep"),
    ],
)
def test_what_is_not_i_json_is_refused(data: bytes, code: str) -> None:
    assert refusal(data) == code


def test_bounds() -> None:
    assert canonical.parse(b"[" * 32 + b"]" * 32)
    assert refusal(b"[[]]", max_depth=1) == "too_deep"
    assert refusal(b"12345", max_bytes=4) == "too_large"
    assert canonical.parse(b'"[[[[\\"[[[["', max_depth=0) == '[[[["[[[['
    assert canonical.parse(b"[9007199254740991,-9007199254740991]") == [2**53 - 1, -(2**53) + 1]
    assert canonical.parse(b'"\\ud83d\\ude02"') == "😂"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (1.0, "float_refused"),
        ({"a": [(float("nan"),)]}, "float_refused"),
        (2**53, "not_canonical"),
        ("\ud800", "not_canonical"),
        ({1: 2}, "not_canonical"),
        (object(), "not_canonical"),
        (b"bytes", "not_canonical"),
    ],
)
def test_what_has_no_canonical_form_is_refused(value: Any, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        canonical.encode(value)
    assert caught.value.code == code


def test_a_deep_value_is_refused() -> None:
    value: list[Any] = []
    for _ in range(100):
        value = [value]
    with pytest.raises(Invalid) as caught:
        canonical.encode(value)
    assert caught.value.code == "too_deep"


@pytest.mark.parametrize("data", [b'{ "a":1}', b'{"b":1,"a":2}', b'"\\u0061"', b'"\\/"', b"1\n"])
def test_only_the_canonical_spelling_is_canonical(data: bytes) -> None:
    canonical.parse(data)
    with pytest.raises(Invalid) as caught:
        canonical.parse_canonical(data)
    assert caught.value.code == "not_canonical"


def test_members_are_sorted_by_utf_16() -> None:
    assert canonical.encode({"\U0001f602": 1, "\ufb33": 2}) == '{"😂":1,"\ufb33":2}'.encode()


def test_a_tagged_hash_is_over_the_array() -> None:
    assert canonical.tagged("t/v1", "a", {"b": 1}) == hashlib.sha256(b'["t/v1","a",{"b":1}]').hexdigest()
    assert canonical.tagged("t/v1", "a", "b") != canonical.tagged("t/v1", "ab")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("start", [b"", b"{", b"[" * 500])
@pytest.mark.parametrize("many", [b'\\"', b'"', b"\\", b'"\\', b"\\\\", b'[\\"', b'"a'])
@pytest.mark.parametrize("end", [b"", b"\\", b'"', b'\\"'])
def test_no_text_takes_longer_than_its_length(start: bytes, many: bytes, end: bytes) -> None:
    """Escaped quotes before a lone backslash took hours, and anybody may send some."""
    data = start + b'"' + many * (900_000 // len(many)) + end
    try:
        said = canonical.parse(data)
    except Invalid as error:
        said = error.code
    assert said in {"malformed_json", "too_deep"} or len(said) > 100_000  # some of them are long strings
