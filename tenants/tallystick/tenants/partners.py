"""The partners of one organisation: newest card of each, root key pinned, active or suspended."""

import time
from collections.abc import Collection
from contextlib import AbstractContextManager

from sqlmodel import Session, col, select

from tallystick.core.agreement import PublicKey
from tallystick.core.errors import Forbidden, Invalid, NotFound, WrongState
from tallystick.core.keys import key_id
from tallystick.tenants import card as cards
from tallystick.tenants.card import Card
from tallystick.tenants.database import Database
from tallystick.tenants.models.partner import Partner, PartnerKeyRow

MAX_PARTNERS = 1_000  # each has an account and a stream of its own on the nats-server


class RootKeyChanged(Invalid):
    """A card is signed by another root key than the one pinned for that organisation (``org_id``)."""

    default_code = "root_key_changed"

    def __init__(self, org_id: str) -> None:
        super().__init__(f"the card of {org_id} is signed by another root key than the one known here")
        self.org_id = org_id


class StaleCard(Invalid):
    """A card is older than the one held: it may name revoked keys (``org_id``)."""

    default_code = "stale_card"

    def __init__(self, org_id: str) -> None:
        super().__init__(f"the card of {org_id} is older than the one known here")
        self.org_id = org_id


class PartnerSuspended(Forbidden):
    """This organisation has suspended the partner, or the partner says that it is inactive (``org_id``)."""

    default_code = "partner_suspended"

    def __init__(self, org_id: str) -> None:
        super().__init__(f"{org_id} is suspended or inactive")
        self.org_id = org_id


class Partners:
    """All partners in one tenant database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, token: str, *, root_key: str | None = None) -> Card:
        """Verify and keep a card; the first one pins its root key.

        ``root_key`` is the key that the administrator expects, compared out of band. Putting a card twice is harmless.
        """
        with self._database.write() as session:
            return pin(session, token, root_key=root_key)

    def check(self, token: str) -> Card:
        """The card, if :meth:`put` would take it from an organisation that was not removed."""
        with self._database.session() as session:
            card, known = _checked(session, token, None)
        if known is not None and known.status == "removed":
            raise WrongState(f"{card.id} was removed; it needs a new invitation", state="removed")
        return card

    def get(self, org_id: str) -> Partner:
        """The partner's row; raises :class:`NotFound`."""
        with self._database.session() as session:
            return _found(session, org_id)

    def card(self, org_id: str) -> Card:
        """The card of an active partner; raises :class:`NotFound` or :class:`PartnerSuspended`."""
        partner = self.get(org_id)
        card = cards.verified(partner.card)
        if partner.status != "active" or not card.is_active:
            raise PartnerSuspended(org_id)
        return card

    def key(self, org_id: str, kid: str) -> str | None:
        """The public key (hex) under that id: one of a partner's newest card, or its pinned root key; else None."""
        with self._database.looking() as session:
            partner = session.get(Partner, org_id)
        if partner is None:
            return None
        if key_id(bytes.fromhex(partner.root_key)) == kid:
            return partner.root_key
        return next((one.key for one in cards.verified(partner.card).signing_keys if one.kid == kid), None)

    def looking(self) -> AbstractContextManager[Session]:
        """A session for reading what else is kept about partners."""
        return self._database.looking()

    def all(self) -> list[Partner]:
        """Every partner, by id."""
        with self._database.session() as session:
            return list(session.exec(select(Partner).order_by(col(Partner.org_id))))

    def active(self) -> list[Card]:
        """The cards of all partners that are neither suspended here nor inactive by their own word."""
        return [card for card, is_active in self.standing() if is_active]

    def pinned(self) -> list[Card]:
        """The cards of all that are or ever were partners: what they signed is theirs for good."""
        return [card for card, _ in self.standing()]

    def standing(self, among: Collection[str] | None = None) -> list[tuple[Card, bool]]:
        """Each one's card, and whether it is active; of those ``among`` only, however many others there are."""
        query = select(Partner.card, Partner.status).order_by(col(Partner.org_id))
        if among is not None:
            query = query.where(col(Partner.org_id).in_(among))
        with self._database.session() as session:
            found = [(cards.verified(token), status) for token, status in session.exec(query)]
        return [(card, status == "active" and card.is_active) for card, status in found]

    def suspend(self, org_id: str) -> None:
        """Stop working with a partner; what is recorded stays."""
        self._set_status(org_id, "suspended")

    def resume(self, org_id: str) -> None:
        """Work with a suspended partner again."""
        self._set_status(org_id, "active")

    def seen(self, moments: dict[str, int]) -> None:
        """Note when the links of partners were last up (milliseconds since 1970)."""
        with self._database.write() as session:
            for org_id, at in moments.items():
                partner = session.get(Partner, org_id)
                if partner is not None:
                    partner.last_seen = at

    def _set_status(self, org_id: str, status: str) -> None:
        with self._database.write() as session:
            mark(session, org_id, status)


def mark(session: Session, org_id: str, status: str) -> None:
    """Give a partner another status within the caller's transaction.

    Who was removed stays so until a new invitation. Its root key stays pinned: nobody else can come under its id.
    """
    partner = _found(session, org_id)
    if partner.status == "removed":
        raise WrongState(f"{org_id} was removed; it needs a new invitation", state="removed")
    if partner.status != status:
        partner.status = status
        partner.since = partner.updated_at = _now()


def pin(
    session: Session,
    token: str,
    *,
    root_key: str | None = None,
    status: str | None = None,
    fingerprint: str | None = None,
) -> Card:
    """Verify a card and keep it within the caller's transaction; a partner that is new becomes active."""
    card, known = _checked(session, token, root_key)
    now = _now()
    row = Partner(
        org_id=card.id,
        card=token,
        root_key=card.public_key,
        status=status or (known.status if known else "active"),
        issued_at=card.iat,
        updated_at=now,
        since=now if known is None or status not in {None, known.status} else known.since,
        fingerprint=fingerprint or (known.fingerprint if known else None),
        last_seen=known.last_seen if known else None,
    )
    for key in replaced(known.card, card) if known else ():
        session.merge(PartnerKeyRow(org_id=card.id, kid=key.kid, key=key.key, replaced_at=now))
    session.merge(row)
    return card


def replaced(before: str, card: Card) -> list[PublicKey]:
    """The signing keys that a partner's card named ``before`` and this one does not."""
    return [key for key in cards.verified(before).signing_keys if key not in card.signing_keys]


def _checked(session: Session, token: str, root_key: str | None) -> tuple[Card, Partner | None]:
    card = cards.verify(token)
    known = session.get(Partner, card.id)
    pinned = known.root_key if known else root_key
    if (pinned or card.public_key) != card.public_key or (root_key or card.public_key) != card.public_key:
        raise RootKeyChanged(card.id)
    if known is not None and card.iat < known.issued_at:
        raise StaleCard(card.id)
    _bound(session, known)
    return card, known


def _found(session: Session, org_id: str) -> Partner:
    partner = session.get(Partner, org_id)
    if partner is None:
        raise NotFound("there is no such partner")
    return partner


def _bound(session: Session, known: Partner | None) -> None:
    if known is None and len(session.exec(select(Partner.org_id)).all()) >= MAX_PARTNERS:
        raise Invalid(f"at most {MAX_PARTNERS} partners are allowed", code="too_many_partners")


def _now() -> int:
    return time.time_ns() // 1_000_000
