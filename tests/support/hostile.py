"""Statements that an honest node never sends: each is a way to change one that would have been taken in."""

import base64
import json
import secrets
from collections.abc import Callable
from typing import Any

import msgspec

from tallystick.core import b64, canonical, jws
from tallystick.core.keys import SigningKey
from tallystick.core.statement import STATEMENT

FUTURE_MS = 2 * 24 * 3_600_000  # two days ahead: far beyond any agreed skew


class Author(msgspec.Struct, frozen=True):
    """Whoever signs: a real participant's key, and a statement's payload that would be good."""

    key: SigningKey
    payload: dict[str, Any]

    def token(self, **changes: Any) -> str:
        """The good token, or one whose payload differs."""
        return jws.sign(self.key, STATEMENT, {**self.payload, **changes})

    def headed(self, **header: Any) -> str:
        """The payload under another header, with a signature that holds over it."""
        named = {"alg": "EdDSA", "kid": self.key.kid, "typ": STATEMENT, **header}
        return self.compact(canonical.encode(named), canonical.encode(self.payload))

    def compact(self, header: bytes, payload: bytes) -> str:
        """Any bytes, signed."""
        signing_input = f"{b64.encode(header)}.{b64.encode(payload)}"
        return f"{signing_input}.{b64.encode(self.key.sign(signing_input.encode()))}"


def _flipped(author: Author) -> str:
    head, body, signature = author.token().split(".")
    raw = bytearray(b64.decode(signature))
    raw[7] ^= 1
    return f"{head}.{body}.{b64.encode(bytes(raw))}"


def _padded(author: Author) -> str:
    head, body, signature = author.token().split(".")
    return f"{head}.{body}.{base64.urlsafe_b64encode(b64.decode(signature)).decode()}"


def _stray_bits(author: Author) -> str:
    """64 bytes leave four bits of the last character unused; here they are set."""
    token = author.token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) | 1]


def _by_another(author: Author) -> str:
    """Signed by a key that nobody agreed to, under the real key's name."""
    stranger = SigningKey(secrets.token_bytes(32))
    header = canonical.encode({"alg": "EdDSA", "kid": author.key.kid, "typ": STATEMENT})
    return Author(stranger, author.payload).compact(header, canonical.encode(author.payload))


def _doubled(author: Author) -> str:
    """One member twice: readers differ over which counts."""
    text = canonical.encode(author.payload).decode()
    header = canonical.encode({"alg": "EdDSA", "kid": author.key.kid, "typ": STATEMENT})
    return author.compact(header, (text[:-1] + ',"v":1}').encode())


def _raw(text: str) -> Callable[[Author], str]:
    def make(author: Author) -> str:
        header = canonical.encode({"alg": "EdDSA", "kid": author.key.kid, "typ": STATEMENT})
        payload = json.dumps({**author.payload, "iat": 0}).replace('"iat": 0', f'"iat": {text}')
        return author.compact(header, payload.encode())

    return make


# Name of the change → the token, for an author whose plain token would be taken in.
FORGERIES: dict[str, Callable[[Author], str]] = {
    "signed by another key": _by_another,
    "signed by a key that nobody knows": lambda one: Author(SigningKey(secrets.token_bytes(32)), one.payload).token(),
    "one bit of the signature": _flipped,
    "no signature": lambda one: one.token().rpartition(".")[0] + ".",
    "padded base64": _padded,
    "stray bits in base64": _stray_bits,
    "alg none": lambda one: one.headed(alg="none"),
    "alg HS256": lambda one: one.headed(alg="HS256"),
    "a key brought along": lambda one: one.headed(jwk={"kty": "OKP", "crv": "Ed25519", "x": one.key.public_hex}),
    "an unknown crit": lambda one: one.headed(crit=["exp"]),
    "another type": lambda one: one.headed(typ="tally-head+jwt"),
    "for another agreement": lambda one: one.token(aud="ab" * 32),
    "for another execution": lambda one: one.token(execution="ab" * 32),
    "in another's name": lambda one: one.token(iss="huaxia" if one.payload["iss"] != "huaxia" else "nordic"),
    "of an unknown kind": lambda one: one.token(kind="overrule"),
    "of an unknown version": lambda one: one.token(v=2),
    "with an unknown member": lambda one: one.token(admin=True),
    "resting on another history": lambda one: one.token(basis={**one.payload["basis"], "root": "cd" * 32}),
    "resting on entries that nobody has": lambda one: one.token(basis={**one.payload["basis"], "size": 10_000}),
    "from the far future": lambda one: one.token(iat=one.payload["iat"] + FUTURE_MS),
    "a member twice": _doubled,
    "a floating-point number": _raw("1.5"),
    "not a number": _raw("NaN"),
    "a number beyond 2^53": _raw("9007199254740993"),
    "a lone surrogate": _raw('"\\ud800"'),
    "nested 10,000 deep": _raw("[" * 10_000 + "]" * 10_000),
}
WAITING = {"resting on entries that nobody has", "from the far future", "for another execution"}
