"""Signing a request to a partner."""

import secrets
from datetime import UTC, datetime, timedelta

import msgspec
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver

from tallystick.core.keys import SigningKey
from tallystick.node.partner_api import rules


class _Request(msgspec.Struct):
    """A request as the library reads and completes it."""

    method: str
    url: str
    headers: dict[str, str]


class _One(HTTPSignatureKeyResolver):
    """The one key that signs."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    def resolve_private_key(self, key_id: str) -> SigningKey:
        """It."""
        return self._key


def signed_headers(key: SigningKey, org_id: str, url: str, body: bytes, now_ms: int) -> dict[str, str]:
    """The header fields of a POST of ``body`` to ``url``, signed in the name of ``org_id``; each call has its nonce."""
    request = _Request("POST", url, {"Content-Type": rules.MEDIA_TYPE})
    created = datetime.fromtimestamp(now_ms // 1000, UTC)
    signer = HTTPMessageSigner(signature_algorithm=rules.LibsodiumEd25519, key_resolver=_One(key))
    signer.sign(
        request,
        key_id=rules.key_name(org_id, key.kid),
        created=created,
        expires=created + timedelta(seconds=rules.WINDOW_S),
        nonce=secrets.token_urlsafe(16),
        label=rules.LABEL,
        tag=rules.TAG,
        covered_component_ids=rules.COVERED,
        body=body,
    )
    return request.headers
