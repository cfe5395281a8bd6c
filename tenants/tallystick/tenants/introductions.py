"""Getting to know other organisations: invitations made, cards received, fingerprints confirmed.

Rules:

1. An invitation is answered once. The same answer may come again (its sender lost ours); another one is refused.
2. A card that came by an invitation makes nobody a partner: it waits here until an administrator has confirmed the
   fingerprint, and is forgotten after a week.
3. One id, one root key: whoever comes with the id of a partner, or of somebody who waits, must have the same root key,
   and whoever comes with a known root key must have the same id.
"""

from sqlmodel import Session, col, select

from tallystick.core.errors import Invalid, NotFound, WrongState
from tallystick.tenants import fingerprint, invitation
from tallystick.tenants import partners as pinned
from tallystick.tenants.card import Card
from tallystick.tenants.database import Database
from tallystick.tenants.invitation import InvitationExpired
from tallystick.tenants.models.introduction import IntroductionRow, InvitationRow
from tallystick.tenants.models.partner import Partner

MAX_OPEN = 100  # invitations; and as many introductions: far more than an administrator can have in mind
WAITING_MS = 7 * 24 * 60 * 60 * 1000


class OrgIdTaken(Invalid):
    """Another organisation is known here by this id or this root key (``org_id``)."""

    default_code = "org_id_taken"

    def __init__(self, org_id: str) -> None:
        super().__init__(f"another organisation is known here as {org_id}, or by its root key under another id")
        self.org_id = org_id


class InvitationUsed(WrongState):
    """Somebody has answered this invitation already, or it was withdrawn."""

    default_code = "invitation_used"


class UnknownInvitation(NotFound):
    """This organisation made no such invitation."""

    default_code = "unknown_invitation"

    def __init__(self) -> None:
        super().__init__("there is no such invitation here")


class Us:
    """Who this organisation is, as far as introductions must know."""

    def __init__(self, org_id: str, root_key: str) -> None:
        self.org_id = org_id
        self.root_key = root_key


class Introductions:
    """Of the organisation ``us``."""

    def __init__(self, database: Database, us: Us) -> None:
        self._database = database
        self._us = us

    def add(self, token: str, *, note: str, created_by: str, now: int, expires_at: int) -> InvitationRow:
        """Keep an invitation that was just made."""
        with self._database.write() as session:
            _sweep(session, now)
            if len(_open(session)) >= MAX_OPEN:
                raise Invalid(f"at most {MAX_OPEN} invitations may be open", code="too_many_invitations")
            row = InvitationRow(
                name=invitation.name_of(token), token=token, note=note, created_by=created_by, created_at=now,
                expires_at=expires_at,
            )  # fmt: skip
            session.add(row)
        return row

    def invitations(self) -> list[InvitationRow]:
        """Those made here, newest first."""
        with self._database.session() as session:
            return list(session.exec(select(InvitationRow).order_by(col(InvitationRow.created_at).desc()).limit(200)))

    def invitation(self, name: str, now: int) -> InvitationRow:
        """An invitation that can still be answered."""
        with self._database.session() as session:
            return _usable(session, name, now)

    def withdraw(self, name: str) -> None:
        """Let nobody answer an invitation any more."""
        with self._database.write() as session:
            row = _made_here(session, name)
            if row.state != "open":
                raise InvitationUsed("this invitation does not wait for an answer", state=row.state)
            row.state = "withdrawn"

    def receive(self, token: str, now: int) -> IntroductionRow | None:
        """Take the answer to an invitation of ours in; None when it had come before and is settled by now."""
        name = invitation.peek(token)
        with self._database.session() as session:  # before any signature is checked: strangers cost us one look
            if not _came_before(_made_here(session, name), token):
                _usable(session, name, now)
        made, card = invitation.open_answer(token)
        with self._database.session() as session:  # what will be refused anyway costs us no fingerprint
            if not _came_before(_made_here(session, made.invitation), token):
                self._check(session, card)
        shown = self._fingerprint(card)
        with self._database.write() as session:
            _sweep(session, now)
            if _came_before(_made_here(session, made.invitation), token):
                return session.get(IntroductionRow, card.id)
            row = _usable(session, made.invitation, now)
            self._check(session, card)
            row.state, row.answered_by, row.answer = "answered", card.id, invitation.name_of(token)
            met = _met(made.card, card, shown, made.invitation, self._us.org_id, now)
            session.merge(met)
        return met

    def check(self, token: str, card: Card) -> None:
        """Raise what :meth:`accept` would, before anything is made for it."""
        with self._database.session() as session:
            known = session.get(IntroductionRow, card.id)
            if known is None or known.invitation != invitation.name_of(token):
                self._check(session, card)

    def accept(self, token: str, card: Card, *, card_token: str, answer: str, now: int) -> IntroductionRow:
        """Keep the card of an inviter, and our ``answer``; the same invitation may be accepted again."""
        name, shown = invitation.name_of(token), self._fingerprint(card)
        with self._database.write() as session:
            _sweep(session, now)
            known = session.get(IntroductionRow, card.id)
            if known is not None and known.invitation == name:
                return known
            self._check(session, card)
            met = _met(card_token, card, shown, name, card.id, now)
            met.answer = answer
            session.merge(met)
        return met

    def delivered(self, org_id: str, *, at: int | None, trouble: str | None) -> None:
        """Note what became of our answer to ``org_id``."""
        with self._database.write() as session:
            row = session.get(IntroductionRow, org_id)
            if row is not None:
                row.delivered_at, row.trouble = at or row.delivered_at, trouble and trouble[:300]

    def waiting(self, now: int) -> list[IntroductionRow]:
        """Who waits for our confirmation, by id."""
        with self._database.session() as session:
            query = select(IntroductionRow).where(col(IntroductionRow.expires_at) > now)
            return list(session.exec(query.order_by(col(IntroductionRow.org_id))))

    def get(self, org_id: str, now: int) -> IntroductionRow:
        """One who waits."""
        with self._database.session() as session:
            return _waiting(session, org_id, now)

    def decline(self, org_id: str, now: int) -> None:
        """Forget somebody who waits."""
        with self._database.write() as session:
            session.delete(_waiting(session, org_id, now))

    def confirm(self, org_id: str, given: str, now: int) -> Card:
        """Make somebody who waits a partner, when an administrator brought the right fingerprint."""
        with self._database.write() as session:
            row = _waiting(session, org_id, now)
            fingerprint.check(given, row.fingerprint)
            card = pinned.pin(session, row.card, root_key=row.root_key, status="active", fingerprint=row.fingerprint)
            session.delete(row)
        return card

    def _fingerprint(self, card: Card) -> str:
        return fingerprint.of((self._us.org_id, self._us.root_key), (card.id, card.public_key))

    def _check(self, session: Session, card: Card) -> None:
        if card.id == self._us.org_id or card.public_key == self._us.root_key:
            raise Invalid("this is our own organisation's", code="own_invitation")
        if not card.is_active:
            raise Invalid(f"{card.id} says that it is not active", code="inactive_organisation")
        known = session.get(Partner, card.id)
        if known is not None and known.root_key == card.public_key and known.status != "removed":
            raise WrongState(f"{card.id} is a partner already", state=known.status, code="already_partners")
        _check_one_key(session, card)
        waiting = session.exec(select(IntroductionRow.org_id)).all()
        if card.id not in waiting and len(waiting) >= MAX_OPEN:
            raise Invalid(f"at most {MAX_OPEN} organisations may wait", code="too_many_introductions")


def _check_one_key(session: Session, card: Card) -> None:
    for table in (Partner, IntroductionRow):
        held = session.exec(select(table.org_id, table.root_key).where(col(table.org_id) == card.id)).first()
        if held is not None and held[1] != card.public_key:
            raise OrgIdTaken(card.id)
        same = session.exec(select(table.org_id).where(col(table.root_key) == card.public_key)).first()
        if same is not None and same != card.id:
            raise OrgIdTaken(card.id)


def _met(token: str, card: Card, shown: str, name: str, inviter: str, now: int) -> IntroductionRow:
    return IntroductionRow(
        org_id=card.id, card=token, root_key=card.public_key, fingerprint=shown, invitation=name, invited_by=inviter,
        since=now, expires_at=now + WAITING_MS,
    )  # fmt: skip


def _came_before(row: InvitationRow, answer: str) -> bool:
    return row.state == "answered" and row.answer == invitation.name_of(answer)


def _made_here(session: Session, name: str) -> InvitationRow:
    row = session.get(InvitationRow, name)
    if row is None:
        raise UnknownInvitation
    return row


def _usable(session: Session, name: str, now: int) -> InvitationRow:
    row = _made_here(session, name)
    if row.state != "open":
        raise InvitationUsed("this invitation was used or withdrawn", state=row.state)
    if row.expires_at <= now:
        raise InvitationExpired(row.expires_at)
    return row


def _waiting(session: Session, org_id: str, now: int) -> IntroductionRow:
    row = session.get(IntroductionRow, org_id)
    if row is None or row.expires_at <= now:
        raise NotFound(f"nobody called {org_id[:40]} waits to be confirmed", code="unknown_introduction")
    return row


def _open(session: Session) -> list[str]:
    return list(session.exec(select(InvitationRow.name).where(InvitationRow.state == "open")))


def _sweep(session: Session, now: int) -> None:
    """Forget invitations a month after their end, and introductions that nobody confirmed."""
    for row in session.exec(select(InvitationRow)):
        if row.state == "open" and row.expires_at <= now:
            row.state = "expired"
        if row.expires_at <= now - invitation.MAX_HOURS * invitation.HOUR_MS:
            session.delete(row)
    for waiting in session.exec(select(IntroductionRow).where(col(IntroductionRow.expires_at) <= now)):
        session.delete(waiting)
