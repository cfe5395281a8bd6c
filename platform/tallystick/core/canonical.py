"""Canonical bytes: RFC 8785 out, strict and bounded I-JSON (RFC 7493) in.

Most documents are *plain*: their member names are ASCII, and they hold nothing but objects, arrays, strings, booleans,
null and integers within ±(2^53−1). For those ``msgspec`` writes and reads the same bytes about ten times as fast:
sorting by code point is sorting by UTF-16 code unit while names are ASCII, and its string escapes are RFC 8785's. All
others go the long way, which also says what is wrong with them.
"""

import hashlib
import json
import re
from typing import Any, NoReturn

import msgspec
import rfc8785

from tallystick.core.errors import Invalid

MAX_INTEGER = 2**53 - 1
MAX_BYTES = 1_000_000  # one transport message; nothing that is signed is larger
MAX_DEPTH = 32
# A string that never ends hides what follows it from the count, and from the parser, which refuses it. Wherever it
# ends, it matches, and nothing is tried twice: one that gave characters back would take hours for a megabyte of quotes.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKET = re.compile(rb"[\[{\]}]")
_SIXTEEN, _DIGITS = b"0" * 16, bytes(ord("0") if chr(code).isdigit() and code < 128 else 32 for code in range(256))
_LONG_NUMBER = re.compile(rb"(?:^|[:,\[])-?[0-9]{16}")  # also finds some inside strings, which costs time only
_FEW_BRACKETS = 400  # however they nest, no stack overflows
_NUL = b"\\u0000"  # the one way to write it
_write = msgspec.json.Encoder(order="sorted").encode
_read = msgspec.json.Decoder().decode


def encode(value: Any) -> bytes:
    """The RFC 8785 form of ``value``; floats, large integers, U+0000 and lone surrogates raise :class:`Invalid`."""
    data = _encode(value)
    if _NUL in data:
        _refuse_nul(value)
    return data


def _encode(value: Any) -> bytes:
    if _is_plain(value, MAX_DEPTH):
        try:
            return _write(value)
        except UnicodeEncodeError as error:
            raise Invalid(f"has no canonical form: {error}", code="not_canonical") from error
    refuse_floats(value)
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError, ValueError) as error:
        raise Invalid(f"has no canonical form: {error}", code="not_canonical") from error


def encode_plain(value: Any) -> bytes:
    """:func:`encode` for what is certainly made of JSON's own types, without floats, such as events.

    Then only member names beyond ASCII and integers beyond ±(2^53−1) are left to look for, and the bytes show them.
    """
    try:
        data = _write(value)
    except UnicodeEncodeError as error:
        raise Invalid(f"has no canonical form: {error}", code="not_canonical") from error
    return data if data.isascii() and not _has_long_number(data) else encode(msgspec.to_builtins(value))


def _has_long_number(data: bytes) -> bool:
    """Most documents hold no sixteen digits in a row, which is seen at a tenth of what the pattern costs."""
    return _SIXTEEN in data.translate(_DIGITS) and _LONG_NUMBER.search(data) is not None


def _is_plain(value: Any, depth: int) -> bool:
    """Whether the short way gives the same bytes; ``depth`` levels are looked into."""
    kind: Any = type(value)  # subclasses go the long way: what they mean is not known here
    if kind is dict:
        for name, member in value.items():
            if type(name) is not str or not name.isascii():
                return False
            if type(member) is not str and not (depth and _is_plain(member, depth - 1)):
                return False
        return True
    if kind is list:
        return bool(depth) and all(type(one) is str or _is_plain(one, depth - 1) for one in value)
    if kind is int:
        return bool(-MAX_INTEGER <= value <= MAX_INTEGER)
    return kind is str or kind is bool or value is None


def refuse_floats(value: Any, *, depth: int = 0) -> None:
    """Floats have many spellings and no place in a signed document."""
    if depth > MAX_DEPTH + 8:
        raise Invalid("is nested too deeply", code="too_deep")
    if isinstance(value, float):
        raise Invalid("holds a floating-point number; write decimals as strings", code="float_refused")
    if isinstance(value, dict):
        for member in value.values():
            refuse_floats(member, depth=depth + 1)
    elif isinstance(value, list | tuple):
        for member in value:
            refuse_floats(member, depth=depth + 1)


def parse(data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Any:
    """Read I-JSON without U+0000, of at most ``max_bytes`` bytes and ``max_depth`` levels; or :class:`Invalid`."""
    if len(data) > max_bytes:
        raise Invalid(f"has {len(data)} bytes, {max_bytes} are allowed", code="too_large")
    if data.count(b"[") + data.count(b"{") > _FEW_BRACKETS:
        bound_depth(data, max_depth)  # msgspec recurses in C without a bound of its own
    try:
        value = _read(data)
        if _is_plain(value, max_depth - 1) and _write(value) == data and _NUL not in data:
            return value  # canonical, so it names no member twice and hides no float or surrogate
    except (ValueError, RecursionError):
        pass  # the long way says why
    return _parse(data, max_depth)


def _parse(data: bytes, max_depth: int) -> Any:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid("is not UTF-8", code="malformed_json") from error
    bound_depth(data, max_depth)
    try:
        value = json.loads(
            text, object_pairs_hook=_members, parse_float=_no_float, parse_int=_integer, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        raise Invalid("is not JSON", code="malformed_json") from error
    _refuse_surrogates(text, value)
    if _NUL in data:
        _refuse_nul(value)
    return value


def parse_canonical(data: bytes, *, max_bytes: int = MAX_BYTES) -> Any:
    """Read a document that must already be in canonical form."""
    value = parse(data, max_bytes=max_bytes)
    if encode(value) != data:
        raise Invalid("is not in canonical form", code="not_canonical")
    return value


def tagged(tag: str, *parts: Any) -> str:
    """Hex SHA-256 over the canonical array ``[tag, *parts]``; the tag separates uses of the hash."""
    return hashlib.sha256(encode([tag, *parts])).hexdigest()


def bound_depth(data: bytes, max_depth: int) -> None:
    """Count brackets outside strings before the parser recurses into them."""
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", data)):
        depth += 1 if bracket in b"[{" else -1
        if depth > max_depth:
            raise Invalid(f"is nested more than {max_depth} levels deep", code="too_deep")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Invalid("names one member twice", code="duplicate_member")
    return members


def _no_constant(text: str) -> NoReturn:
    """Python's reader takes NaN and Infinity; JSON has neither (RFC 8259, section 6)."""
    raise ValueError(text)


def _no_float(text: str) -> NoReturn:
    raise Invalid(f"holds {text[:40]}; write decimals as strings", code="float_refused")


def _integer(text: str) -> int:
    value = int(text) if len(text) < 20 else MAX_INTEGER + 1
    if abs(value) > MAX_INTEGER or text == "-0":
        raise Invalid(f"holds the integer {text[:40]}, outside ±(2^53−1)", code="integer_out_of_range")
    return value


def _refuse_nul(value: Any) -> None:
    """U+0000 ends text in many databases and tools, and some refuse to hold it at all."""
    if isinstance(value, str) and "\0" in value:
        raise Invalid("holds the character U+0000", code="nul_character")
    if isinstance(value, dict | list | tuple):
        for one in (*value, *value.values()) if isinstance(value, dict) else value:
            _refuse_nul(one)


def _refuse_surrogates(text: str, value: Any) -> None:
    """Only an escape can bring a lone surrogate into decoded UTF-8, so most texts need no second look."""
    if "\\u" not in text:
        return
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise Invalid("holds a lone surrogate", code="lone_surrogate") from error
