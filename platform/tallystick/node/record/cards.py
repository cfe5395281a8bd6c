"""Cards that travel over links: a partner's newer one replaces the one that is pinned, under the same root key."""

from typing import Any

from sqlalchemy import bindparam, delete, literal_column, or_
from sqlmodel import col, select

from tallystick.core import canonical, jws
from tallystick.core.commitment import data_hash
from tallystick.core.errors import Invalid, NotYet
from tallystick.node.links import config
from tallystick.node.links.settings import Partner as Link
from tallystick.node.record import outgoing, pinned
from tallystick.node.record.context import Context
from tallystick.node.record.messages import CardMessage
from tallystick.node.record.unit import Unit
from tallystick.tenants import card as cards
from tallystick.tenants.card import Card
from tallystick.tenants.models.card import CardSentRow
from tallystick.tenants.models.partner import Partner, PartnerKeyRow
from tallystick.tenants.partners import RootKeyChanged, StaleCard, replaced

NOTE = "links"  # what a partner's card says of its link has changed
APART_MS = 5_000  # between two changes of a partner's link: each has the nats-server read its configuration again
MAX_REPLACED = 64  # keys of a partner, the newest, that agreements may name a while after its card no longer does
_DATED = "iat"
_FORGOTTEN = delete(PartnerKeyRow).where(
    col(PartnerKeyRow.org_id) == bindparam("b_org"),
    or_(
        col(PartnerKeyRow.replaced_at) < bindparam("b_before"),
        col(PartnerKeyRow.replaced_at)
        < select(PartnerKeyRow.replaced_at)
        .where(PartnerKeyRow.org_id == bindparam("b_org"))
        .order_by(col(PartnerKeyRow.replaced_at).desc())
        .offset(literal_column(str(MAX_REPLACED)))
        .limit(literal_column("1"))
        .scalar_subquery(),
    ),
)


def take(unit: Unit, context: Context, partner: str, message: CardMessage) -> None:
    """Keep a partner's newer card; whatever is wrong with it leaves the one that we hold.

    Keys and revocations count at once; only another link has to wait its turn.
    """
    card = cards.verify(message.token)
    if card.id != partner:
        raise Invalid("card is not its sender's", code="wrong_issuer")
    known = unit.get(Partner, partner)
    if known is None or known.status == "removed":
        raise Invalid("sender is no partner here", code="unknown_partner")
    if known.root_key != card.public_key:
        raise RootKeyChanged(partner)
    if card.iat < known.issued_at:
        raise StaleCard(partner)
    if message.token == known.card:
        return
    is_relinked = card.nats != cards.verified(known.card).nats
    if is_relinked and 0 <= context.now() - known.updated_at < APART_MS:
        raise NotYet(f"a card of {partner} was taken a moment ago, and this one changes its link", code="too_often")
    _check_link(unit, card)
    unit.later(PartnerKeyRow, _FORGOTTEN, {"b_org": partner, "b_before": context.now() - pinned.REPLACED_MS})
    for key in replaced(known.card, card):
        unit.put(PartnerKeyRow, org_id=partner, kid=key.kid, key=key.key, replaced_at=context.now())
    unit.change(Partner, partner, card=message.token, issued_at=card.iat, updated_at=context.now())
    if is_relinked:
        unit.note(NOTE, partner)


def digest_of(token: str) -> str:
    """Of what a card says, its date left out."""
    facts = {name: value for name, value in jws.read(token, cards.TYP).payload.items() if name != _DATED}
    return data_hash([canonical.encode(facts).hex()])


def send(unit: Unit, context: Context, token: str) -> int:
    """Queue our card for every active partner that has not been sent what it says; for how many."""
    digest = digest_of(token)
    sent = {row.partner: row.digest for row in unit.exec(select(CardSentRow.partner, CardSentRow.digest))}
    partners = unit.exec(select(Partner.org_id).where(Partner.status == "active"))
    behind = [org for org in partners if sent.get(org) != digest]
    for org in behind:
        outgoing.post(unit, context, org, CardMessage(token=token), None)
        unit.put(CardSentRow, partner=org, digest=digest)
    return len(behind)


def _check_link(unit: Unit, card: Card) -> None:
    """A card must not break the links of others: two with one key would make the server refuse its configuration."""
    if card.nats is None:
        return
    link = Link(org_id=card.id, leaf_url=card.nats.leaf_url, nkey_public=card.nats.nkey, ca_pem=card.nats.tls_ca)
    config.check_partner(link)
    query = select(Partner.card).where(Partner.org_id != card.id)
    others: list[dict[str, Any]] = [jws.peek(one) for one in unit.exec(query)]
    if any((one.get("nats") or {}).get("nkey") == card.nats.nkey for one in others):
        raise Invalid("card names the nkey of another partner", code="bad_card", pointer="/nats")
