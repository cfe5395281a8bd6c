"""Verifying a partner's request, without IO, in this order:

0. its signature fields are short, and one signature carries our tag;
1. created, expires, keyid and nonce are there, and the window holds (RFC 9421 section 7.2.2);
2. the key that ``keyid`` names is one of its organisation's card, and the signature holds: the header is theirs;
3. it covers what it must;
4. the body has the digest that the header states (`check_body`).

Steps 0 to 3 need no body, so nobody but a partner makes this node read one. The target is this organisation's own
address, never what ``Host`` says. Left to the caller: whether the nonce was used, whether the partner may speak now,
and the body's media type.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from http_message_signatures import (
    ContentDigest,
    HTTPMessageSignaturesException,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    VerifyResult,
)

from tallystick.node.api.problems import NotSigned
from tallystick.node.partner_api import rules

KeyOf = Callable[[str, str], str | None]  # organisation, kid → public key in hex, if the pinned card has it


class Fields:
    """A request's header lines in their order, repeated ones apart."""

    def __init__(self, lines: Iterable[tuple[bytes, bytes]]) -> None:
        self._lines = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in lines]

    def items(self) -> list[tuple[str, str]]:
        """Name and value of every line."""
        return self._lines

    def all(self, name: str) -> str:
        """The values of a field, joined as RFC 9110 has it; empty when there is none."""
        return ", ".join(value for key, value in self._lines if key == name)


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """A request whose header is ``partner``'s; ``until`` is when its nonce may be forgotten (milliseconds)."""

    partner: str
    nonce: str
    until: int
    covered: dict[str, str]


class _Request(msgspec.Struct):
    method: str
    url: str
    headers: Fields


class _Keys(HTTPSignatureKeyResolver):
    def __init__(self, key_of: KeyOf) -> None:
        self._key_of = key_of

    def resolve_public_key(self, key_id: str) -> str | None:
        """The key, or None for one that no card of a partner has."""
        org_id, _, kid = key_id.partition("#")
        return self._key_of(org_id, kid)


class _Verifier(HTTPMessageVerifier):
    """The library's verifier; the window is judged by this organisation's clock."""

    now_s: float = 0.0

    def validate_created_and_expires(self, sig_input: Any, max_age: Any = None) -> None:
        """Step 1, before any key is looked for."""
        if len(sig_input) > rules.MAX_COVERED:
            raise NotSigned(f"a signature covers at most {rules.MAX_COVERED} components")
        _check_window(sig_input.params, self.now_s)


def check_header(method: str, url: str, headers: Fields, *, now_ms: int, key_of: KeyOf) -> Signed:
    """Steps 0 to 3; raises `NotSigned`."""
    if not headers.all("signature-input") or not headers.all("signature"):
        raise NotSigned("the request carries no signature", code="no_signature")
    if any(len(headers.all(name)) > rules.MAX_FIELD for name in ("signature-input", "signature", "content-digest")):
        raise NotSigned(f"a signature field has at most {rules.MAX_FIELD} characters")
    if not headers.all("content-digest"):
        raise NotSigned("the request has no Content-Digest (RFC 9530)", code="missing_component")
    verifier = _Verifier(signature_algorithm=rules.LibsodiumEd25519, key_resolver=_Keys(key_of))
    verifier.now_s = now_ms / 1000
    try:
        found = verifier.verify(_Request(method, url, headers), max_age=None, expect_tag=rules.TAG)
    except HTTPMessageSignaturesException as error:
        raise NotSigned(_reason(error)) from error
    if len(found) != 1:
        raise NotSigned(f"more than one signature carries the tag {rules.TAG}")
    result = found[0]
    _check_covered(result)
    created = int(result.parameters["created"])
    return Signed(
        partner=str(result.parameters["keyid"]).partition("#")[0],
        nonce=str(result.nonce),
        until=(created + 2 * rules.WINDOW_S) * 1000,
        covered=result.covered_components,
    )


def check_body(signed: Signed, body: bytes) -> None:
    """Step 4; raises `NotSigned`."""
    try:
        matches = ContentDigest.verify_components(signed.covered, body)
    except InvalidSignature as error:
        raise NotSigned(f"the body is not what was signed: {error}", code="bad_digest") from error
    if not matches:
        raise NotSigned("the signature covers no digest of the body", code="missing_component")


def _check_window(parameters: dict[str, Any], now_s: float) -> None:
    for name in ("created", "expires", "keyid", "nonce"):
        if name not in parameters:
            raise NotSigned(f"the signature has no parameter {name}", code="missing_parameter")
    created, expires, nonce = parameters["created"], parameters["expires"], parameters["nonce"]
    if abs(now_s - created) > rules.WINDOW_S or not 0 < expires - created <= rules.WINDOW_S or expires < now_s:
        detail = f"the signature's window is not within {rules.WINDOW_S} s of this organisation's clock"
        raise NotSigned(detail, code="outside_window")
    if not rules.MIN_NONCE <= len(nonce) <= rules.MAX_NONCE:
        detail = f"a nonce has {rules.MIN_NONCE} to {rules.MAX_NONCE} characters"
        raise NotSigned(detail, code="missing_parameter")


def _check_covered(result: VerifyResult) -> None:
    covered = {name.strip('"') for name in result.covered_components}
    if not any(covered.issuperset(needed) for needed in (rules.COVERED, rules.COVERED_APART)):
        detail = f"the signature must cover {', '.join(rules.COVERED)}; @authority and @path may replace @target-uri"
        raise NotSigned(detail, code="missing_component")


def _reason(error: HTTPMessageSignaturesException) -> str:
    """The library's words; an unknown key and a signature that does not hold read the same to a stranger."""
    inner = error.__cause__
    known = isinstance(error, InvalidSignature) and inner is None and "verification key" not in str(error)
    return f"the signature is not acceptable: {error}"[:300] if known else "the signature does not hold"
