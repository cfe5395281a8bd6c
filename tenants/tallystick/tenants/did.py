"""An organisation's card as a DID document: W3C DID Core 1.0, method did:web, keys as JsonWebKey2020.

The DID is ``did:web:`` and the card's domain, so a resolver fetches ``https://DOMAIN/.well-known/did.json``: who hosts
the domain lets that path through to the node. The document says no more than the card, to which it points, and a
partner trusts the card: the root key signs that, whereas here only the web server vouches.
"""

from typing import Any

from tallystick.core import b64
from tallystick.tenants import hpke
from tallystick.tenants.card import Card

MEDIA_TYPE = "application/did+ld+json"
CONTEXT = (
    "https://www.w3.org/ns/did/v1",
    "https://w3id.org/security/suites/jws-2020/v1",
    "https://w3id.org/security/suites/secp256k1recovery-2020/v2",
)
_NO_CHAIN = "0x" + "0" * 64


def did(card: Card) -> str:
    """The organisation's DID."""
    return f"did:web:{card.domain}"


def document(card: Card, *, chain_id: int | None = None) -> dict[str, Any]:
    """The DID document; ``chain_id`` (EIP-155) is that of the chain on which the card's accounts are.

    Signing keys are ``assertionMethod``. The root key, which signs cards and nothing else, is in no verification
    relationship but ``capabilityInvocation``. A sealing key of the hybrid suite has no registered form as a JWK, so it
    stands in the card only.
    """
    me = did(card)
    methods = [_ed25519(me, "root", card.public_key)]
    signing = [_ed25519(me, key.kid, key.key) for key in card.signing_keys]
    sealing = [_x25519(me, card.sealing_key.kid, card.sealing_key.key)] if _is_plain(card) else []
    accounts = _accounts(me, card, chain_id)
    found: dict[str, Any] = {
        "@context": list(CONTEXT),
        "id": me,
        "alsoKnownAs": [card.endpoint_url],
        "verificationMethod": [*methods, *signing, *sealing, *accounts],
        "capabilityInvocation": [one["id"] for one in [*methods, *accounts]],
        "assertionMethod": [one["id"] for one in signing],
        "authentication": [one["id"] for one in signing],
        "service": _services(me, card),
    }
    return found | ({"keyAgreement": [one["id"] for one in sealing]} if sealing else {})


def _services(me: str, card: Card) -> list[dict[str, str]]:
    base = card.endpoint_url.rstrip("/")
    offered = {
        "card": ("TallystickCard", f"{base}/api/v1/organisation/card"),
        "api": ("TallystickApi", f"{base}/api/v1"),
    }
    if card.nats is not None:
        offered["nats"] = ("TallystickLeafnode", card.nats.leaf_url)
    return [{"id": f"{me}#{name}", "type": kind, "serviceEndpoint": url} for name, (kind, url) in offered.items()]


def _is_plain(card: Card) -> bool:
    return card.sealing_key.suite == hpke.X25519


def _ed25519(me: str, name: str, key: str) -> dict[str, Any]:
    """RFC 8037."""
    return _method(me, name, {"kty": "OKP", "crv": "Ed25519", "x": b64.encode(bytes.fromhex(key))})


def _x25519(me: str, name: str, key: str) -> dict[str, Any]:
    return _method(me, name, {"kty": "OKP", "crv": "X25519", "x": b64.encode(bytes.fromhex(key))})


def _method(me: str, name: str, jwk: dict[str, str]) -> dict[str, Any]:
    return {"id": f"{me}#{name}", "type": "JsonWebKey2020", "controller": me, "publicKeyJwk": jwk}


def _accounts(me: str, card: Card, chain_id: int | None) -> list[dict[str, Any]]:
    """The chain's accounts, known by their addresses (CAIP-10); none for an organisation that anchors nowhere."""
    if chain_id is None or card.chain_org == _NO_CHAIN:
        return []
    named = {"chain-admin": card.chain_admin, "log": card.log_key}
    kind = "EcdsaSecp256k1RecoveryMethod2020"
    return [
        {"id": f"{me}#{name}", "type": kind, "controller": me, "blockchainAccountId": f"eip155:{chain_id}:{address}"}
        for name, address in named.items()
    ]
