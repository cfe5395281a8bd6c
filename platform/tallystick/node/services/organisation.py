"""The organisation itself, its partners and the chain it anchors on."""

import asyncio
from typing import Any

import msgspec

from tallystick.core.errors import Invalid
from tallystick.node.links.link import LinkStatus
from tallystick.node.links.settings import Partner
from tallystick.node.partner_api.transports import Transport
from tallystick.node.parts import Parts
from tallystick.node.services.base import Service
from tallystick.tenants import card as cards
from tallystick.tenants import tls
from tallystick.tenants.card import Card
from tallystick.tenants.permissions import Permission, require
from tallystick.tenants.users import User


def own_card_token(parts: Parts) -> str:
    """Our card, signed by the root key."""
    settings = parts.settings
    return cards.build(
        parts.context.keystore,
        org_id=settings.org_id,
        name=settings.name,
        domain=settings.domain,
        endpoint_url=settings.endpoint_url,
        capabilities=settings.capabilities,
        chain_org=parts.chain.org or "0x" + "0" * 64,
        leaf_url=parts.links.leaf_url if settings.nats.enabled else None,
        tls_ca=parts.tls_ca,
    )


def own_card(parts: Parts) -> Card:
    """Our card, read back as a partner reads it."""
    return cards.verify(own_card_token(parts))


def link_partners(parts: Parts) -> list[Partner]:
    """The links that our active partners' cards ask for; none without NATS of our own, or with partners without it."""
    if not parts.settings.nats.enabled:
        return []
    return [
        Partner(org_id=one.id, leaf_url=one.nats.leaf_url, nkey_public=one.nats.nkey, ca_pem=one.nats.tls_ca)
        for one in parts.partners.active()
        if one.nats is not None
    ]


def _certificates(parts: Parts) -> list[dict[str, Any]]:
    """When the certificates of our links end, and the authorities of our partners as their cards have them."""
    ours = parts.certificates.validities()
    theirs = [tls.validity(one.id, one.nats.tls_ca) for one in parts.partners.active() if one.nats]
    return [one._asdict() for one in (*ours, *(one for one in theirs if one.ends_soon))]


class Organisation(Service):
    """Cards, partners, chain."""

    async def organisation(self) -> dict[str, Any]:
        """The organisation as names.md has it."""
        one = own_card(self.parts)
        self.parts.clock()  # an idle node has not looked at the machine's for a while
        return {
            "id": one.id,
            "name": one.name,
            "domain": one.domain,
            "public_key": one.public_key,
            "endpoint_url": one.endpoint_url,
            "is_active": one.is_active,
            "capabilities": list(one.capabilities),
            "certificates": await asyncio.to_thread(_certificates, self.parts),
            "clock_jump": msgspec.to_builtins(self.parts.clock.jump),
        }

    async def card(self) -> dict[str, Any]:
        """The signed card, for partners to pin."""
        token = own_card_token(self.parts)
        return {"card": token, **msgspec.to_builtins(cards.verify(token))}

    async def partners(self, who: User) -> dict[str, Any]:
        """Every partner and how its link stands."""
        require(who, Permission.READ)
        links = self._links()
        rows = await asyncio.to_thread(self.parts.partners.all)
        return {
            "items": [self._partner(row.org_id, row.status, links.get(row.org_id)) for row in rows],
            "next_cursor": None,
        }

    async def put_partner(self, who: User, card: dict[str, Any]) -> dict[str, Any]:
        """Pin a partner's card and open the link; its root key is pinned for good."""
        require(who, Permission.ADMINISTER)
        token = card.get("card")
        if not isinstance(token, str):
            raise Invalid("needs the partner's signed card", code="bad_card", pointer="/card")
        read = cards.verify(token)
        if read.id == self.parts.context.org_id:
            raise Invalid("is this organisation's own card", code="own_card", pointer="/card")
        await asyncio.to_thread(self.parts.partners.put, token)
        await self.parts.links.set_partners(await asyncio.to_thread(link_partners, self.parts))
        self.parts.bell.ring()
        return self._partner(read.id, "active", self._links().get(read.id))

    async def set_transport(
        self, who: User, org_id: str, transport: Transport, ca_pem: str | None = None
    ) -> dict[str, Any]:
        """Choose how messages go to a partner from now on; what is under way goes on, and nothing is sent twice."""
        require(who, Permission.ADMINISTER)
        card = await asyncio.to_thread(self.parts.partners.card, org_id)
        await asyncio.to_thread(self.parts.transports.choose, card, transport, ca_pem)
        self.parts.bell.ring()
        return self._partner(org_id, "active", self._links().get(org_id))

    async def chain(self, who: User) -> dict[str, Any]:
        """Where we anchor and how that stands."""
        require(who, Permission.READ)
        return await self.parts.chain.status()

    def _links(self) -> dict[str, LinkStatus]:
        return self.parts.links.status() if self.parts.settings.nats.enabled else {}

    def _partner(self, org_id: str, status: str, link: Any) -> dict[str, Any]:
        card = self.parts.partners.card(org_id)
        way = self.parts.transports.way(card)
        return {
            "id": card.id,
            "name": card.name,
            "domain": card.domain,
            "public_key": card.public_key,
            "endpoint_url": card.endpoint_url,
            "capabilities": list(card.capabilities),
            "status": status,
            "transport": way.transport,
            "transport_chosen": way.chosen is not None,
            "connected": bool(link and link.connected),
            "since": link.since if link else None,
            "last_error": link.last_error if link else None,
        }
