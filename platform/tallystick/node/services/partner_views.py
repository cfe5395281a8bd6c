"""Partners, those who wait to become one, and invitations, as the API and the portal show them."""

from collections.abc import Iterable
from typing import Any

from tallystick.core import canonical
from tallystick.core.errors import Invalid
from tallystick.node.links.link import LinkStatus
from tallystick.tenants import card as cards
from tallystick.tenants import did, likeness
from tallystick.tenants.card import Card
from tallystick.tenants.models.introduction import IntroductionRow, InvitationRow
from tallystick.tenants.models.partner import Partner

_NO_CHAIN = "0x" + "0" * 64


def partner(row: Partner, link: LinkStatus | None) -> dict[str, Any]:
    """A partner; ``since`` is when its link became what it is, ``status_since`` when it was confirmed or suspended."""
    return {
        **_card(cards.verify(row.card)),
        "status": row.status,
        "status_since": row.since,
        "fingerprint": row.fingerprint,
        "resembles": [],
        "connected": bool(link and link.connected),
        "incoming": bool(link and link.incoming),
        "since": link.since if link else None,
        "last_seen": link.seen_at if link and link.seen_at else row.last_seen,
        "last_error": link.last_error if link else None,
    }


def waiting(row: IntroductionRow, known: Iterable[Card]) -> dict[str, Any]:
    """Somebody whose fingerprint waits to be confirmed here; ``answer`` is ours, for carrying it to the inviter.

    ``resembles`` are those ``known`` here, ourselves among them, for whom people could take it.
    """
    card = cards.verify(row.card)
    return {
        **_card(card),
        "resembles": likeness.alike(card, known),
        "status": "pending",
        "status_since": row.since,
        "fingerprint": row.fingerprint,
        "invited_by": row.invited_by,
        "expires_at": row.expires_at,
        "answer": row.answer,
        "delivered_at": row.delivered_at,
        "last_error": row.trouble,
        "connected": False,
        "incoming": False,
        "since": None,
        "last_seen": None,
        "transport": None,
        "transport_chosen": False,
        "pinned_ca": False,
    }


def invitation(row: InvitationRow, link: str) -> dict[str, Any]:
    """An invitation that was made here."""
    return {
        "invitation_id": row.name,
        "link": link,
        "note": row.note,
        "state": row.state,
        "created_by": row.created_by,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "answered_by": row.answered_by,
    }


def invitation_in(text: str) -> str:
    """The invitation's token in what lay behind its link."""
    if not text.startswith("{"):
        return text
    try:
        found = canonical.parse(text.encode()).get("invitation")
    except Invalid as error:
        raise Invalid("there is no invitation at this link", code="bad_invitation", pointer="/invitation") from error
    if not isinstance(found, str):
        raise Invalid("there is no invitation at this link", code="bad_invitation", pointer="/invitation")
    return found


def _card(card: Card) -> dict[str, Any]:
    anchors = card.chain_org != _NO_CHAIN
    return {
        "id": card.id,
        "name": card.name,
        "names": card.names,
        "domain": card.domain,
        "did": did.did(card),
        "operator": card.operator,
        "public_key": card.public_key,
        "endpoint_url": card.endpoint_url,
        "capabilities": list(card.capabilities),
        "is_active": card.is_active,
        "card_issued_at": card.iat,
        "chain_org": card.chain_org if anchors else None,
        "chain_admin": card.chain_admin if anchors else None,
    }
