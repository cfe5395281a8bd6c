"""Tokens: one algorithm, three header members, canonical base64url, and the bytes as received."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tallystick.core import b64, jws
from tallystick.core.errors import BadSignature, Invalid
from tallystick.core.keys import SigningKey

TYP = "tally-statement+jwt"
KEY = SigningKey(b"k" * 32)
VECTORS = Path(__file__).parent / "vectors" / "json_web_signature_test.json"


def token(header: Any, payload: bytes = b"{}", key: SigningKey = KEY) -> str:
    """A token with any header, honestly signed."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    signing_input = f"{b64.encode(raw)}.{b64.encode(payload)}"
    return f"{signing_input}.{b64.encode(key.sign(signing_input.encode()))}"


def header(**changes: Any) -> dict[str, Any]:
    """The header as it must be, changed."""
    return {"alg": "EdDSA", "kid": KEY.kid, "typ": TYP, **changes}


def refusal(text: str) -> str:
    """The code with which a token is refused."""
    with pytest.raises(Invalid) as caught:
        jws.read(text, TYP)
    return caught.value.code


def test_a_token_comes_back() -> None:
    text = jws.sign(KEY, TYP, {"b": "订单", "a": 1})
    read = jws.read(text, TYP)
    jws.verify(read, KEY.public_hex)
    assert (read.typ, read.kid, read.payload) == (TYP, KEY.kid, {"a": 1, "b": "订单"})
    assert read.id == hashlib.sha256(text.rpartition(".")[0].encode()).hexdigest()


def test_the_bytes_received_are_what_is_verified() -> None:
    jws.verify(jws.read(token(header(), b'{ "z" : 1 , "a" : 2 }'), TYP), KEY.public_hex)


@pytest.mark.parametrize(
    "changes",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "HS256"},
        {"alg": "ES256"},
        {"alg": "EdDSA "},
        {"alg": "eddsa"},
        {"alg": ["EdDSA"]},
        {"alg": None},
        {"typ": "JWT"},
        {"typ": "tally-head+jwt"},
        {"typ": {}},
        {"kid": 1},
        {"kid": None},
        {"crit": ["exp"]},
        {"b64": False},
        {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": b64.encode(KEY.public)}},
        {"x5u": "https://example.org"},
        {"jku": "https://example.org"},
    ],
)
def test_other_headers_are_refused(changes: dict[str, Any]) -> None:
    assert refusal(token(header(**changes))) == "bad_token_header"


@pytest.mark.parametrize("missing", ["alg", "kid", "typ"])
def test_every_header_member_is_needed(missing: str) -> None:
    assert refusal(token({name: one for name, one in header().items() if name != missing})) == "bad_token_header"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"[]", "bad_token_header"),
        (b'"EdDSA"', "bad_token_header"),
        (b"", "malformed_json"),
        (b'{"alg":"none","alg":"EdDSA","kid":"k","typ":"' + TYP.encode() + b'"}', "duplicate_member"),
        (b'{"alg":[[["EdDSA"]]]}', "too_deep"),
        (b'{"kid":"' + b"k" * 1000 + b'"}', "too_large"),
    ],
)
def test_headers_that_are_no_objects(raw: bytes, code: str) -> None:
    assert refusal(token(raw)) == code


def test_none_without_a_signature_and_hmac_with_the_public_key_are_refused() -> None:
    unsigned = token(header(alg="none")).rpartition(".")[0] + "."
    assert refusal(unsigned) == "bad_token_header"
    bare = jws.read(token(header()).rpartition(".")[0] + ".", TYP)
    with pytest.raises(BadSignature):
        jws.verify(bare, KEY.public_hex)


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("tail", ["=", "==", " ", "\n", "+", "é"])
def test_padding_and_other_alphabets_are_refused(part: int, tail: str) -> None:
    parts = token(header()).split(".")
    parts[part] += tail
    assert refusal(".".join(parts)) == "bad_base64"


def test_a_second_spelling_of_the_signature_is_refused() -> None:
    text = token(header())
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]
    assert refusal(other) == "bad_base64"


@pytest.mark.parametrize("text", ["", "a", "a.b", "a.b.c.d", "....", jws.sign(KEY, TYP, {}) + "."])
def test_three_parts(text: str) -> None:
    assert refusal(text) == "bad_token"


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"[]", "bad_token"),
        (b"1", "bad_token"),
        (b'{"a":1.5}', "float_refused"),
        (b'{"a":1,"a":2}', "duplicate_member"),
    ],
)
def test_payloads_are_objects_in_i_json(payload: bytes, code: str) -> None:
    assert refusal(token(header(), payload)) == code


def test_tokens_are_bounded() -> None:
    assert refusal("a" * (jws.MAX_TOKEN + 1)) == "too_large"


def test_another_key_or_payload_does_not_verify() -> None:
    read = jws.read(token(header()), TYP)
    with pytest.raises(BadSignature):
        jws.verify(read, SigningKey(bytes(32)).public_hex)
    head, _, signature = token(header()).split(".")
    other = b64.encode(b'{"a":1}')
    with pytest.raises(BadSignature):
        jws.verify(jws.read(f"{head}.{other}.{signature}", TYP), KEY.public_hex)


# Why each of Wycheproof's tokens is refused. Its valid ones are deviations: they are of other algorithms than ours, or
# name no key and type, which a statement must; one has a character in its base64 that RFC 7515 lets readers skip.
WYCHEPROOF = {
    ("valid", "bad_token_header"): 45,
    ("valid", "bad_base64"): 1,
    ("invalid", "bad_token_header"): 329,
    ("invalid", "bad_token"): 18,
    ("invalid", "malformed_json"): 6,
    ("invalid", "bad_base64"): 2,
}


def test_no_token_of_wycheproof_passes_because_none_is_ours() -> None:
    found: Counter[tuple[str, str]] = Counter()
    for group in json.loads(VECTORS.read_bytes())["testGroups"]:
        for case in group["tests"]:
            text = case["jws"] if isinstance(case["jws"], str) else json.dumps(case["jws"])
            found[case["result"], refusal(text)] += 1
    assert found == WYCHEPROOF
