"""Which way leads to each partner: NATS where both have a link, HTTPS otherwise, or as the administrator chose.

Only what this organisation sends depends on the choice; what comes is taken in both ways at any time. So each side
switches when it likes: a message that one way has not confirmed goes the other way under the same id.
"""

import asyncio
import time
from collections.abc import Awaitable
from typing import Literal, Protocol

import msgspec
from cryptography import x509

from tallystick.core.errors import Invalid, NotFound
from tallystick.node.links.link import LinkStatus
from tallystick.node.partner_api.client import HttpsClient, Recipient
from tallystick.node.record import messages
from tallystick.tenants.card import MAX_PEM, Card
from tallystick.tenants.database import Database
from tallystick.tenants.models.transport import TransportRow
from tallystick.tenants.partners import Partners

Transport = Literal["nats", "https"]
KEPT_S = 2.0  # another replica of this node may have been told of another choice


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How a partner is reached: ``chosen`` is None where the default holds."""

    transport: Transport
    chosen: Transport | None
    recipient: Recipient


class SendNats(Protocol):
    """`Links.send`."""

    def __call__(self, partner_org_id: str, message_id: str, payload: bytes, /) -> Awaitable[None]: ...


class Transports:
    """Sends each message the partner's way."""

    def __init__(
        self, database: Database, partners: Partners, *, nats: SendNats, https: HttpsClient, has_nats: bool
    ) -> None:
        self._database = database
        self._partners = partners
        self._nats = nats
        self._https = https
        self._has_nats = has_nats
        self._since = _now()
        self._ways: dict[str, tuple[float, Way]] = {}

    async def send(self, partner: str, message_id: str, payload: bytes) -> None:
        """As `Links.send`, over either transport; the id of an HTTPS message follows from its bytes."""
        way = await self._way(partner)
        if way.transport == "nats":
            await self._nats(partner, message_id, payload)
            return
        for one in messages.split(payload):  # a request brings one message, and is answered with what became of it
            await self._https.send(way.recipient, one)

    def way(self, card: Card) -> Way:
        """How a partner with this card is reached now."""
        with self._database.looking() as session:
            row = session.get(TransportRow, card.id)
        default: Transport = "nats" if self._has_nats and card.nats is not None else "https"
        chosen: Transport | None = None if row is None else ("https" if row.transport == "https" else "nats")
        recipient = Recipient(org_id=card.id, endpoint_url=card.endpoint_url, ca_pem=row.ca_pem if row else None)
        return Way(transport=chosen or default, chosen=chosen, recipient=recipient)

    def choose(self, card: Card, transport: Transport, ca_pem: str | None) -> Way:
        """Keep the administrator's choice; raises `Invalid` for NATS where one side has no link, or for a bad PEM."""
        if transport == "nats" and not (self._has_nats and card.nats is not None):
            raise Invalid("one of the two organisations has no NATS link", code="no_nats_link", pointer="/transport")
        if ca_pem is not None:
            _check_ca(ca_pem)
        with self._database.write() as session:
            row = TransportRow(org_id=card.id, transport=transport, ca_pem=ca_pem, updated_at=_now())
            session.merge(row)
        self._ways.pop(card.id, None)
        return self.way(card)

    def forget(self, partner: str) -> None:
        """Look anew before the next message to a partner: it may have been suspended, or have come back."""
        self._ways.pop(partner, None)

    def https_status(self, partner: str) -> LinkStatus:
        """How the last message over HTTPS went; before the first one nothing speaks against it."""
        since, trouble = self._https.states.get(partner, (self._since, None))
        is_well = trouble is None
        return LinkStatus(connected=is_well, incoming=is_well, since=since, last_error=trouble)

    async def close(self) -> None:
        """Close the HTTPS connections."""
        await self._https.close()

    async def _way(self, partner: str) -> Way:
        held = self._ways.get(partner)
        if held is None or held[0] < time.monotonic():
            held = (time.monotonic() + KEPT_S, await asyncio.to_thread(self._look, partner))
            self._ways[partner] = held
        return held[1]

    def _look(self, partner: str) -> Way:
        try:
            return self.way(self._partners.card(partner))
        except NotFound as error:
            raise NotFound(f"{partner!r} is not a partner", code="partner") from error


def _check_ca(pem: str) -> None:
    try:
        found = x509.load_pem_x509_certificates(pem[:MAX_PEM].encode("ascii"))
    except ValueError as error:
        raise Invalid("is no certificate in PEM", code="bad_ca", pointer="/ca_pem") from error
    if len(found) != 1 or len(pem) > MAX_PEM:
        raise Invalid("must be exactly one certificate", code="bad_ca", pointer="/ca_pem")


def _now() -> int:
    return time.time_ns() // 1_000_000
