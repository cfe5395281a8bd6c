"""JWS compact tokens (RFC 7515) with EdDSA (RFC 8037): three header members, canonical base64url, I-JSON payload.

A token is read first (form only), then verified against a key that the reader chose; never against a key that the
token brings along.
"""

import hashlib
from functools import lru_cache
from typing import Any, Protocol

import msgspec

from tallystick.core import b64, canonical
from tallystick.core.errors import Invalid
from tallystick.core.keys import SigningKey
from tallystick.core.keys import verify as verify_signature

MAX_TOKEN = 900_000  # bytes: what one transport message can carry
_HEADER = {"alg", "kid", "typ"}
_MAX_HEADER = 200  # characters of one that is remembered: ours have some 90


class Named(Protocol):
    """A key by its id: a signing input names it, whoever holds its secret half."""

    @property
    def kid(self) -> str: ...


class Token(msgspec.Struct, frozen=True):
    """A token whose form holds and whose signature nobody has checked yet."""

    typ: str
    kid: str
    payload: dict[str, Any]
    signing_input: bytes
    signature: bytes

    @property
    def id(self) -> str:
        """SHA-256 of the signing input, hex: the same whatever becomes of the signature."""
        return hashlib.sha256(self.signing_input).hexdigest()


def sign(key: SigningKey, typ: str, payload: dict[str, Any] | msgspec.Struct) -> str:
    """The compact token of ``payload``, signed by ``key``; a struct holds what :func:`canonical.encode_plain` takes."""
    return sign_with_id(key, typ, payload)[0]


def sign_with_id(key: SigningKey, typ: str, payload: dict[str, Any] | msgspec.Struct) -> tuple[str, str]:
    """The token that :func:`sign` gives, and its id."""
    signing_input = unsigned(key, typ, payload)
    return sign_input(key, signing_input), hashlib.sha256(signing_input.encode("ascii")).hexdigest()


def unsigned(key: Named, typ: str, payload: dict[str, Any] | msgspec.Struct) -> str:
    """The signing input of the token that :func:`sign` gives."""
    content = canonical.encode(payload) if isinstance(payload, dict) else canonical.encode_plain(payload)
    return f"{_header(key.kid, typ)}.{b64.encode(content)}"


def sign_input(key: SigningKey, signing_input: str) -> str:
    """The token of a signing input."""
    return f"{signing_input}.{b64.encode(key.sign(signing_input.encode('ascii')))}"


@lru_cache(maxsize=1024)
def _header(kid: str, typ: str) -> str:
    return b64.encode(canonical.encode({"alg": "EdDSA", "kid": kid, "typ": typ}))


def read(token: str, typ: str) -> Token:
    """Check the form of ``token`` and that its type is ``typ``; the signature is still to be verified."""
    if len(token) > MAX_TOKEN:
        raise Invalid(f"token has {len(token)} characters, {MAX_TOKEN} are allowed", code="too_large")
    parts = token.split(".")
    if len(parts) != 3:
        raise Invalid("is not a compact token of three parts", code="bad_token")
    kid = _kid(parts[0], typ) if len(parts[0]) <= _MAX_HEADER else _read_kid(parts[0], typ)
    payload = canonical.parse(b64.decode(parts[1]))
    if not isinstance(payload, dict):
        raise Invalid("token payload is not an object", code="bad_token")
    return Token(typ, kid, payload, f"{parts[0]}.{parts[1]}".encode("ascii"), b64.decode(parts[2]))


def peek(token: str) -> dict[str, Any]:
    """The payload of a token of any type, for sorting and nothing else; empty when it cannot be read."""
    try:
        if len(token) > MAX_TOKEN:
            return {}
        payload = canonical.parse(b64.decode(token.split(".")[1]))
    except (Invalid, IndexError):
        return {}
    return payload if isinstance(payload, dict) else {}


def verify(token: Token, public_hex: str) -> None:
    """Raise :class:`BadSignature` unless the key signed exactly the bytes received."""
    verify_signature(public_hex, token.signing_input, token.signature)


def _read_kid(part: str, typ: str) -> str:
    """The key id in a header that holds what it must and nothing else."""
    header = canonical.parse(b64.decode(part), max_bytes=1000, max_depth=2)
    _check_header(header, typ)
    return str(header["kid"])


_kid = lru_cache(maxsize=1024)(_read_kid)  # a key's headers of one type are all alike; those refused are read again


def _check_header(header: Any, typ: str) -> None:
    if not isinstance(header, dict) or set(header) != _HEADER:
        raise Invalid("token header must hold exactly alg, kid and typ", code="bad_token_header")
    if header["alg"] != "EdDSA":
        raise Invalid("token algorithm must be EdDSA", code="bad_token_header")
    if header["typ"] != typ:
        raise Invalid(f"token type must be {typ}", code="bad_token_header")
    if not isinstance(header["kid"], str):
        raise Invalid("token key id must be a string", code="bad_token_header")
