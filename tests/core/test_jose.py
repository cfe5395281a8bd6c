"""Other people's JOSE libraries open our tokens, and we theirs; where they are laxer than we, the table says so."""

import base64
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from joserfc import jws as joserfc_jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from tallystick.core import b64, canonical, jws
from tallystick.core.errors import Invalid
from tallystick.core.keys import SigningKey
from tallystick.core.statement import STATEMENT

# RFC 9864 prefers the name Ed25519 to EdDSA, and joserfc says so; both name the same bytes here.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated:joserfc.errors.SecurityWarning")
KEY = SigningKey(b"j" * 32)
PAYLOAD = {"iss": "华夏", "v": 1, "body": {"reason": "a!b@c$d()e*_,/:;=?@ff[]22"}}
HEADER = {"alg": "EdDSA", "kid": KEY.kid, "typ": STATEMENT}


def _by_pyjwt(token: str) -> Any:
    key = Ed25519PublicKey.from_public_bytes(KEY.public)
    return json.loads(jwt.PyJWS().decode(token, key, algorithms=["EdDSA"]))


def _okp(private: bool = False) -> OKPKey:
    document: dict[str, str | list[str]] = {"kty": "OKP", "crv": "Ed25519", "x": b64.encode(KEY.public)}
    return OKPKey.import_key(document | ({"d": b64.encode(KEY.seed)} if private else {}))


def _by_joserfc(token: str) -> Any:
    return json.loads(joserfc_jws.deserialize_compact(token, _okp(), algorithms=["EdDSA"]).payload)


OPENERS: dict[str, Callable[[str], Any]] = {"PyJWT": _by_pyjwt, "joserfc": _by_joserfc}
REFUSALS = (jwt.PyJWTError, JoseError, ValueError)


def _signed_by_pyjwt(payload: bytes) -> str:
    key = Ed25519PrivateKey.from_private_bytes(KEY.seed)
    return jwt.PyJWS().encode(payload, key, algorithm="EdDSA", headers={"kid": KEY.kid, "typ": STATEMENT})


def _signed_by_joserfc(payload: bytes) -> str:
    return joserfc_jws.serialize_compact(HEADER, payload, _okp(private=True), algorithms=["EdDSA"])


@pytest.mark.parametrize("name", OPENERS)
def test_others_open_our_tokens(name: str) -> None:
    assert OPENERS[name](jws.sign(KEY, STATEMENT, PAYLOAD)) == PAYLOAD


@pytest.mark.parametrize("sign", [_signed_by_pyjwt, _signed_by_joserfc])
def test_we_open_the_tokens_of_others(sign: Callable[[bytes], str]) -> None:
    read = jws.read(sign(canonical.encode(PAYLOAD)), STATEMENT)
    jws.verify(read, KEY.public_hex)
    assert read.payload == PAYLOAD


def _compact(header: dict[str, Any], payload: bytes = b"{}") -> str:
    signing_input = f"{b64.encode(json.dumps(header).encode())}.{b64.encode(payload)}"
    return f"{signing_input}.{b64.encode(KEY.sign(signing_input.encode()))}"


def _padded_header() -> str:
    """Padded before it is signed, so that nothing but the padding is wrong."""
    text = json.dumps(HEADER).encode()
    header = base64.urlsafe_b64encode(text + b" " * (1 + -len(text) % 3)).decode()
    assert header.endswith("=")
    signing_input = f"{header}.{b64.encode(b'{}')}"
    return f"{signing_input}.{b64.encode(KEY.sign(signing_input.encode()))}"


def _padded_signature() -> str:
    head, payload, signature = _compact(HEADER).split(".")
    return f"{head}.{payload}.{base64.urlsafe_b64encode(b64.decode(signature)).decode()}"


def _stray() -> str:
    token = _compact(HEADER)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) | 1]


def _small_order() -> str:
    """A signature that holds for every message under a key of small order, if the group equation is all one asks."""
    signing_input = f"{b64.encode(json.dumps(HEADER).encode())}.{b64.encode(b'{}')}"
    return f"{signing_input}.{b64.encode(bytes([1]) + bytes(63))}"


BAD = {
    "alg none": _compact({**HEADER, "alg": "none"}),
    "alg HS256": _compact({**HEADER, "alg": "HS256"}),
    "alg Ed25519": _compact({**HEADER, "alg": "Ed25519"}),
    "a key brought along": _compact({**HEADER, "jwk": {"kty": "OKP", "crv": "Ed25519", "x": b64.encode(KEY.public)}}),
    "unknown crit": _compact({**HEADER, "crit": ["exp"], "exp": 1}),
    "another header member": _compact({**HEADER, "cty": "json"}),
    "another type": _compact({**HEADER, "typ": "JWT"}),
    "padded header": _padded_header(),
    "padded signature": _padded_signature(),
    "stray bits in the signature": _stray(),
    "no signature": _compact(HEADER).rpartition(".")[0] + ".",
    "a member twice": _compact(HEADER, b'{"a":1,"a":2}'),
    "not a number": _compact(HEADER, b'{"a":NaN}'),
    "beyond 2^53": _compact(HEADER, b'{"a":9007199254740993}'),
}
# What these libraries take and we refuse. Each is right by RFC 7515 or lax by choice; none is a token of ours.
_BOTH = {
    "a key brought along",
    "another header member",
    "another type",
    "a member twice",
    "not a number",
    "beyond 2^53",
}
LAXER = {"PyJWT": _BOTH | {"padded header", "padded signature"}, "joserfc": _BOTH}


@pytest.mark.parametrize("name", BAD)
def test_we_refuse_what_is_not_exactly_ours(name: str) -> None:
    with pytest.raises(Invalid):
        jws.verify(jws.read(BAD[name], STATEMENT), KEY.public_hex)


@pytest.mark.parametrize("library", OPENERS)
def test_the_table_of_laxer_verdicts_is_right(library: str) -> None:
    taken = set()
    for name, token in BAD.items():
        try:
            OPENERS[library](token)
        except REFUSALS:
            continue
        taken.add(name)
    assert taken == LAXER[library]


@pytest.mark.parametrize(
    "public", ["01" + "00" * 31, "00" * 32, "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"]
)
def test_a_key_of_small_order_signs_nothing(public: str) -> None:
    with pytest.raises(Invalid):
        jws.verify(jws.read(_small_order(), STATEMENT), public)
