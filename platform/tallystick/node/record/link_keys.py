"""Which of our link keys partners know us by: it follows from the keystore, our signed card, and who has got that.

Our server shows what the card names that the root key signed last. Towards a partner that may hold an older card we
show the keys before as well, as our card reaches it by them; as soon as it holds the newer card, they open nothing
there. So a crash at any point leaves nothing to be remembered.
"""

from sqlmodel import col, select

from tallystick.node.record import cards
from tallystick.node.record.outgoing import undelivered
from tallystick.node.record.unit import Reader
from tallystick.tenants.card import Card
from tallystick.tenants.invitation import HOUR_MS, MAX_HOURS
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.link_keys import LinkKeys
from tallystick.tenants.models.card import CardSentRow
from tallystick.tenants.models.partner import Partner
from tallystick.tenants.models.record import OutboxRow

KEEP_MS = MAX_HOURS * HOUR_MS  # an invitation from before may bring a partner that knows us by the older keys


def shown(keystore: Keystore, card: Card | None) -> LinkKeys:
    """What our links show: the newest where no partner knows us by any."""
    named = card.nats.nkey if card is not None and card.nats is not None else None
    return next((one for one in keystore.links if one.nkey_public == named), keystore.links[-1])


def former(keystore: Keystore, now: LinkKeys) -> list[LinkKeys]:
    """Those before what is shown ``now``, oldest first."""
    return [one for one in keystore.links if one.serial < now.serial]


def behind(reader: Reader, keystore: Keystore, token: str | None) -> frozenset[str]:
    """Partners that may not hold our card ``token`` yet, as long as it matters; those that are suspended never do."""
    if token is None or len(keystore.links) == 1:
        return frozenset()
    digest = cards.digest_of(token)
    has_it = set(reader.exec(select(CardSentRow.partner).where(CardSentRow.digest == digest)))
    has_it -= set(reader.exec(select(OutboxRow.partner).where(OutboxRow.what == "card", undelivered())))
    known = reader.exec(select(Partner.org_id).where(col(Partner.status).in_(("active", "suspended"))))
    return frozenset(set(known) - has_it)


def is_over(one: LinkKeys, keystore: Keystore, card: Card, now: int) -> bool:
    """Whether nobody can come any more who knows us by keys from before."""
    successor = next(other for other in keystore.links if other.serial > one.serial)
    carded_at = card.iat if keystore.root_key is None else 0  # it may have been signed long after the order
    return max(successor.made_at, carded_at) + KEEP_MS < now
