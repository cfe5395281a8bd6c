"""An organisation's card: who it is and which keys speak for it, signed by its root key.

To verify, in this order: form of the token; form and bounds of each field; key ids; the signature by the root key that
the card names. That this is the right root key is for the caller to know: it was pinned, or compared out of band.
"""

import re
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec
from cryptography import x509

from tallystick.core import jws
from tallystick.core.agreement import ORG_ID, PublicKey, SealingKey
from tallystick.core.errors import Invalid, UnknownVersion
from tallystick.core.keys import SigningKey, key_id
from tallystick.tenants import hpke, nkey

VERSION = 1
TYP = "tally-card+jwt"
MAX_CARD = 64_000  # characters: room for rotated keys and a certificate
MAX_SIGNING_KEYS = MAX_REVOKED = 16
MAX_CAPABILITIES = 32
MAX_PEM = 16_000
MAX_NAMES = 20
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}\Z")
_ORG_ID = re.compile(ORG_ID)
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\Z")
_CAPABILITY = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}\Z")
_CHAIN_ORG = re.compile(r"0x[0-9a-f]{64}\Z")
_KID = re.compile(r"[0-9a-f]{16}\Z")
_HEX_KEY = re.compile(r"[0-9a-f]{64}\Z")


class BadCard(Invalid):
    """A card's field breaks its rule (``field``)."""

    default_code = "bad_card"

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"card: {field} {rule}", pointer=f"/{field}")
        self.field = field


class Nats(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the organisation's nats-server takes leafnodes, its public user key and its certificate authority (PEM)."""

    leaf_url: str
    nkey: str
    tls_ca: str


class Card(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See ``names.md``, "Organisation"; ``public_key`` is the Ed25519 root key (hex), ``iat`` in milliseconds.

    ``names`` are the name in languages (BCP 47 tag: name), ``operator`` is who runs the node, ``revoked`` the ids of
    the signing keys that were revoked last: unlike those that were only replaced, nobody may name them any more. Of
    two cards the one with the later ``iat`` counts.
    """

    v: int
    iss: str
    iat: int
    id: str
    name: str
    names: dict[str, str]
    domain: str
    endpoint_url: str
    operator: str
    is_active: bool
    capabilities: list[str]
    public_key: str
    signing_keys: list[PublicKey]
    sealing_key: SealingKey
    chain_org: str
    chain_admin: str
    log_key: str
    nats: Nats | None  # None: reached over HTTPS only
    revoked: list[str] = []


class KeyFacts(Protocol):
    """What a card needs of a signing key's history; see :class:`tallystick.tenants.keystore.KeyFacts`."""

    @property
    def kid(self) -> str: ...
    @property
    def revoked_at(self) -> int | None: ...


class Keys(Protocol):
    """What a card needs of a keystore."""

    root_public: PublicKey

    def need_root_key(self) -> SigningKey: ...
    @property
    def signing_facts(self) -> Sequence[KeyFacts]: ...
    @property
    def signing_key(self) -> SigningKey: ...
    @property
    def sealing_key(self) -> hpke.SealingKey: ...
    @property
    def chain_address(self) -> str: ...
    @property
    def log_address(self) -> str: ...
    @property
    def nkey_public(self) -> str: ...


def build(keys: Keys, *, last: str | None = None, **facts: Any) -> str:
    """The signed card of the organisation that holds ``keys``; it passes :func:`verify`.

    ``last`` is the token that was built before: while nothing has changed (see :func:`wanted`) it is the card still.
    """
    card = wanted(keys, last=last, **facts)
    if card is None:
        return last or ""  # which is one: without any, there always is a card to sign
    return jws.sign(keys.need_root_key(), TYP, msgspec.to_builtins(card))


def wanted(
    keys: Keys,
    *,
    org_id: str,
    name: str,
    domain: str,
    endpoint_url: str,
    capabilities: Sequence[str],
    chain_org: str,
    leaf_url: str | None,
    tls_ca: str,
    nkey: str | None = None,
    chain_admin: str | None = None,
    log_key: str | None = None,
    names: Mapping[str, str] | None = None,
    operator: str | None = None,
    is_active: bool = True,
    issued_at: int | None = None,
    last: str | None = None,
) -> Card | None:
    """What the card must say, to be signed by the root key; None while the ``last`` one (a token) says it already.

    Without a ``leaf_url`` it has no NATS link; ``chain_admin`` and ``log_key`` are a signer's outside of ``keys``.
    ``nkey`` is the one that belongs to ``tls_ca``, where ``keys`` may be changing meanwhile.
    A card that differs from the last one is dated later than it.
    """
    before = verified(last) if last else None
    now = time.time_ns() // 1_000_000 if issued_at is None else issued_at
    card = Card(
        v=VERSION,
        iss=org_id,
        iat=max(now, before.iat + 1) if before else now,
        id=org_id,
        name=name,
        names=dict(names or {}),
        domain=domain,
        endpoint_url=endpoint_url,
        operator=operator or name,
        is_active=is_active,
        capabilities=sorted(capabilities),
        public_key=keys.root_public.key,
        signing_keys=[PublicKey(kid=keys.signing_key.kid, key=keys.signing_key.public_hex)],
        sealing_key=SealingKey(kid=keys.sealing_key.kid, suite=keys.sealing_key.suite, key=keys.sealing_key.public_hex),
        chain_org=chain_org,
        chain_admin=chain_admin or keys.chain_address,
        log_key=log_key or keys.log_address,
        nats=None if leaf_url is None else Nats(leaf_url=leaf_url, nkey=nkey or keys.nkey_public, tls_ca=tls_ca),
        revoked=[one.kid for one in keys.signing_facts if one.revoked_at is not None][-MAX_REVOKED:],
    )
    if before and says_the_same(card, before):
        return None
    _check(card)
    return card


def says_the_same(one: Card, other: Card) -> bool:
    """Whether two cards differ in nothing but their date."""
    return msgspec.structs.replace(one, iat=other.iat) == other


def unsigned(card: Card, root: PublicKey) -> str:
    """The signing input of a card, for a root key that is elsewhere."""
    return jws.unsigned(root, TYP, msgspec.to_builtins(card))


def verify(token: str) -> Card:
    """The card in ``token``, if its own root key signed it; anything else raises :class:`Invalid`."""
    raw, card = read(token)
    jws.verify(raw, card.public_key)
    return card


def read(token: str) -> tuple[jws.Token, Card]:
    """Check everything about a card but its signature; that is the caller's to verify on the returned token."""
    if len(token) > MAX_CARD:
        raise Invalid(f"a card has at most {MAX_CARD} characters", code="too_large")
    raw = jws.read(token, TYP)
    card = _card(raw.payload)
    _check(card)
    if raw.kid != key_id(bytes.fromhex(card.public_key)):
        raise BadCard("public_key", "is not the key that the token names")
    return raw, card


@lru_cache(maxsize=1024)
def verified(token: str) -> Card:
    """The same as :func:`verify`, for cards that are read again and again: our own and those that stand pinned."""
    return verify(token)


def check_org_id(org_id: str) -> str:
    """Return an organisation's id: a lower-case slug of 2 to 40 characters."""
    if not _ORG_ID.match(org_id):
        raise BadCard("id", "must be a lower-case letter, then 1 to 39 letters, digits or hyphens")
    return org_id


def check_identity(org_id: str, name: str, domain: str) -> None:
    """Refuse an id, name or domain that no card could carry."""
    check_org_id(org_id)
    if not _is_name(name):
        raise BadCard("name", "must have 1 to 200 printable characters and no space at either end")
    if not _DOMAIN.match(domain):
        raise BadCard("domain", "must be a lower-case domain name")


def check_names(names: Mapping[str, str], operator: str | None) -> None:
    """Refuse names in languages, or an operator, that no card could carry."""
    if not _are_names(names):
        raise BadCard("names", f"are at most {MAX_NAMES}, each under a language tag such as zh-CN")
    if operator is not None and not _is_name(operator):
        raise BadCard("operator", "must have 1 to 200 printable characters and no space at either end")


def check_url(url: str) -> None:
    """Refuse an address that no card could carry: it must be http or https, and bring no credentials or query."""
    if not _is_url(url, {"http", "https"}):
        raise BadCard("endpoint_url", "must be an http or https address without user, query or fragment")


def _is_name(text: str) -> bool:
    return 0 < len(text) <= 200 and text.isprintable() and text == text.strip()


def _are_names(names: Mapping[str, str]) -> bool:
    return len(names) <= MAX_NAMES and all(_LANGUAGE.match(tag) and _is_name(name) for tag, name in names.items())


def _card(payload: dict[str, Any]) -> Card:
    if payload.get("v") != VERSION:
        raise UnknownVersion("the card has a version that is not known here")
    try:
        return msgspec.convert(payload, Card)
    except msgspec.ValidationError as error:
        raise Invalid(f"card: {error}", code="bad_card") from error


def _check(card: Card) -> None:
    check_identity(card.id, card.name, card.domain)
    rules = {
        "iss": card.iss == card.id,
        "iat": card.iat > 0,
        "names": _are_names(card.names),
        "operator": _is_name(card.operator),
        "endpoint_url": _is_url(card.endpoint_url, {"http", "https"}),
        "capabilities": _are_capabilities(card.capabilities),
        "public_key": bool(_HEX_KEY.match(card.public_key)),
        "signing_keys": _are_signing_keys(card.signing_keys),
        "revoked": len(card.revoked) <= MAX_REVOKED and all(map(_KID.match, card.revoked)),
        "chain_org": bool(_CHAIN_ORG.match(card.chain_org)),
        "chain_admin": bool(_ADDRESS.match(card.chain_admin)),
        "log_key": bool(_ADDRESS.match(card.log_key)),
    }
    for field, holds in rules.items():
        if not holds:
            raise BadCard(field, "breaks its rule")
    _check_sealing_key(card.sealing_key)
    if card.nats is not None:
        _check_nats(card.nats)


def _check_sealing_key(key: SealingKey) -> None:
    hpke.read_public(key.suite, key.key)
    if key.kid != key_id(bytes.fromhex(key.key)):
        raise BadCard("sealing_key", "has a key id that is not its key's")


def _check_nats(nats: Nats) -> None:
    if not _is_url(nats.leaf_url, {"tls", "nats", "nats-leaf", "wss"}):
        raise BadCard("nats", "has no usable leaf URL")
    nkey.check_public(nats.nkey)
    try:
        certificates = x509.load_pem_x509_certificates(nats.tls_ca[:MAX_PEM].encode("ascii"))
    except ValueError as error:
        raise BadCard("nats", "has no readable certificate authority") from error
    if len(certificates) != 1 or len(nats.tls_ca) > MAX_PEM:
        raise BadCard("nats", "must have exactly one certificate authority")


def _are_signing_keys(keys: Sequence[PublicKey]) -> bool:
    fit = all(_HEX_KEY.match(key.key) and key.kid == key_id(bytes.fromhex(key.key)) for key in keys)
    return 0 < len(keys) <= MAX_SIGNING_KEYS and fit and len({key.kid for key in keys}) == len(keys)


def _are_capabilities(names: Sequence[str]) -> bool:
    return len(set(names)) == len(names) <= MAX_CAPABILITIES and all(_CAPABILITY.match(name) for name in names)


def _is_url(text: str, schemes: set[str]) -> bool:
    """An address without user, password, query or fragment: a card must not carry credentials."""
    if len(text) > 2048 or not text.isascii() or not text.isprintable() or " " in text:
        return False
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return False
    plain = "@" not in url.netloc and not url.query and not url.fragment
    return url.scheme in schemes and bool(url.hostname) and plain and port != 0
