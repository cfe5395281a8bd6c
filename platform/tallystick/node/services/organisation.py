"""The organisation itself and the chain it anchors on."""

import asyncio
from typing import Any

import msgspec

from tallystick.node.card_facts import card_facts
from tallystick.node.parts import Parts
from tallystick.node.services.base import Service
from tallystick.tenants import card as cards
from tallystick.tenants import did, tls
from tallystick.tenants.card import Card
from tallystick.tenants.permissions import Permission, require
from tallystick.tenants.users import User


def own_card_token(parts: Parts) -> str:
    """Our card, signed by the root key; it stays the same, over restarts too, until something in it changes.

    While the root key is away it is the one that was signed last; :class:`RootKeyAway` while there is none.
    """
    keystore, held = parts.context.keystore, parts.context.own_card
    if keystore.root_key is None and held.token:
        return held.token
    token = cards.build(keystore, last=held.token, **_facts(parts))
    if token != held.token:
        held.keep(token)
    return token


def wanted_card(parts: Parts) -> Card | None:
    """The card that waits for the root key, which is away; None when there is none."""
    keystore = parts.context.keystore
    if keystore.root_key is not None:
        return None
    now = parts.context.now()
    return cards.wanted(keystore, last=parts.context.own_card.token, issued_at=now, **_facts(parts))


def _facts(parts: Parts) -> dict[str, Any]:
    leaf_url = parts.links.leaf_url if parts.settings.nats.enabled else None
    return card_facts(parts.settings, parts.certificates, chain_org=parts.chain.org, leaf_url=leaf_url)


def own_card(parts: Parts) -> Card:
    """Our card, read back as a partner reads it."""
    return cards.verified(own_card_token(parts))


def own_facts(parts: Parts) -> Card:
    """The same, for ourselves: before the first one is signed, what it is to say."""
    first = wanted_card(parts) if parts.context.own_card.token is None else None
    return first or own_card(parts)


def _certificates(parts: Parts) -> list[dict[str, Any]]:
    """When the certificates of our links end, and the authorities of our partners as their cards have them."""
    ours = parts.certificates.validities()
    theirs = [tls.validity(one.id, one.nats.tls_ca) for one in parts.partners.active() if one.nats]
    return [one._asdict() for one in (*ours, *(one for one in theirs if one.ends_soon))]


class Organisation(Service):
    """Card, chain."""

    async def organisation(self) -> dict[str, Any]:
        """The organisation as names.md has it."""
        one = own_facts(self.parts)
        self.parts.clock()  # an idle node has not looked at the machine's for a while
        return {
            "id": one.id,
            "name": one.name,
            "names": one.names,
            "operator": one.operator,
            "did": did.did(one),
            "domain": one.domain,
            "public_key": one.public_key,
            "endpoint_url": one.endpoint_url,
            "is_active": one.is_active,
            "capabilities": list(one.capabilities),
            "certificates": await asyncio.to_thread(_certificates, self.parts),
            "clock_jump": msgspec.to_builtins(self.parts.clock.jump),
            "clock_doubt": msgspec.to_builtins(self.parts.clock.doubt),
            "clock_ahead": msgspec.to_builtins(self.parts.marks.ahead),
        }

    async def accept_clock(self, who: User) -> dict[str, Any]:
        """Take the machine's clock as right, whatever was signed before: an administrator has looked at it."""
        require(who, Permission.ADMINISTER)
        await asyncio.to_thread(self.parts.marks.accept)
        self.parts.bell.ring()
        return await self.organisation()

    async def card(self) -> dict[str, Any]:
        """The signed card, for partners to pin."""
        token = own_card_token(self.parts)
        return {"card": token, **msgspec.to_builtins(cards.verify(token))}

    async def did_document(self) -> dict[str, Any]:
        """The card as a DID document (did:web)."""
        blockchain = self.parts.settings.blockchain
        return did.document(own_card(self.parts), chain_id=blockchain.chain_id if blockchain else None)

    async def chain(self, who: User) -> dict[str, Any]:
        """Where we anchor and how that stands."""
        require(who, Permission.READ)
        return await self.parts.chain.status()
