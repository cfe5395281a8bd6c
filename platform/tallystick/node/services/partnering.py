"""Partners: meeting them by invitation, and suspending, resuming and removing them.

A link is made before the table says so, and unmade if the table will not have it: nobody is a partner whose card
nats-server would refuse.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from tallystick.core.errors import Invalid, TallystickError
from tallystick.node.courier import Courier, RefusedThere
from tallystick.node.links.link import LinkStatus
from tallystick.node.links.settings import Partner as Link
from tallystick.node.partner_api.transports import Transport
from tallystick.node.parts import Parts
from tallystick.node.services import parting, partner_views
from tallystick.node.services.base import Service
from tallystick.node.services.organisation import own_card, own_card_token
from tallystick.tenants import card as cards
from tallystick.tenants import fingerprint, invitation
from tallystick.tenants.card import Card
from tallystick.tenants.models.introduction import IntroductionRow
from tallystick.tenants.models.partner import Partner
from tallystick.tenants.partners import Partners
from tallystick.tenants.permissions import Permission, require
from tallystick.tenants.users import User

logger = logging.getLogger(__name__)
API = "/api/v1"
MAX_NOTE = 200
# What an inviter's node says when carrying the answer there by hand would not help either.
FINAL = frozenset({
    "unknown_invitation", "invitation_used", "invitation_expired", "org_id_taken", "already_partners",
    "own_invitation", "inactive_organisation",
})  # fmt: skip


def link_partners(parts: Parts, also: Card | None = None) -> list[Link]:
    """The links that our partners' cards ask for; none without NATS of our own, or with partners without it.

    ``also`` is a partner to be, or one with a new card.
    """
    return links_to(parts.partners, also) if parts.settings.nats.enabled else []


def links_to(partners: Partners, also: Card | None = None) -> list[Link]:
    """The links that the cards of all who were not removed ask for, and that of ``also``."""
    rows = [row for row in partners.all() if row.status != "removed"]
    suspended = {row.org_id for row in rows if row.status == "suspended"}
    found = {card.id: card for card in [*(cards.verify(row.card) for row in rows), *([also] if also else [])]}
    links = [_link(card, is_suspended=card.id in suspended or not card.is_active) for card in found.values()]
    return [link for link in links if link is not None]


def _link(card: Card, *, is_suspended: bool = False) -> Link | None:
    nats = card.nats
    if nats is None:
        return None
    return Link(
        org_id=card.id, leaf_url=nats.leaf_url, nkey_public=nats.nkey, ca_pem=nats.tls_ca, is_suspended=is_suspended
    )


def note_seen(parts: Parts) -> None:
    """Keep when partners were last linked: what the links know of it ends with them."""
    if parts.settings.nats.enabled:
        seen = {org: link.seen_at for org, link in parts.links.status().items() if link.seen_at is not None}
        parts.partners.seen(seen)


class Partnering(Service):
    """Invitations, introductions and partners; all changes are an administrator's."""

    async def partners(self, who: User) -> dict[str, Any]:
        """Everybody known here: partners, those who were, and those who wait to be confirmed."""
        require(who, Permission.READ)
        links = self._links()

        def work() -> list[dict[str, Any]]:
            now = self.parts.context.now()
            met = self.parts.introductions.waiting(now)
            known = self._known() if met else []
            waiting = [partner_views.waiting(row, known) for row in met]
            ids = {one["id"] for one in waiting}
            rows = [row for row in self.parts.partners.all() if row.org_id not in ids]
            return [*waiting, *(self._partner_view(row, links.get(row.org_id)) for row in rows)]

        return {"items": await asyncio.to_thread(work), "next_cursor": None}

    async def partner(self, who: User, org_id: str) -> dict[str, Any]:
        """One of them, with what would break if it were removed."""
        require(who, Permission.READ)
        link = self._links().get(org_id)

        def work() -> dict[str, Any]:
            for met in self.parts.introductions.waiting(self.parts.context.now()):
                if met.org_id == org_id:
                    return partner_views.waiting(met, self._known())
            row = self.parts.partners.get(org_id)
            with self.parts.database.session() as session:
                return {**self._partner_view(row, link), **parting.ties(session, org_id)}

        return await asyncio.to_thread(work)

    async def put_partner(self, who: User, card: dict[str, Any]) -> dict[str, Any]:
        """Pin a partner's card, or a newer one; its root key, which was compared elsewhere, is pinned for good."""
        require(who, Permission.ADMINISTER)
        token = card.get("card")
        if not isinstance(token, str):
            raise Invalid("needs the partner's signed card", code="bad_card", pointer="/card")
        read = cards.verify(token)
        if read.id == self.parts.context.org_id:
            raise Invalid("is this organisation's own card", code="own_card", pointer="/card")
        await asyncio.to_thread(self.parts.partners.check, token)
        await self._relink(read, lambda: self.parts.partners.put(token))
        return await self.partner(who, read.id)

    async def set_transport(
        self, who: User, org_id: str, transport: Transport, ca_pem: str | None = None
    ) -> dict[str, Any]:
        """Choose how messages go to a partner from now on; what is under way goes on, and nothing is sent twice."""
        require(who, Permission.ADMINISTER)
        card = await asyncio.to_thread(self.parts.partners.card, org_id)
        await asyncio.to_thread(self.parts.transports.choose, card, transport, ca_pem)
        self.parts.bell.ring()
        return await self.partner(who, org_id)

    async def invite(self, who: User, hours: int = 72, note: str = "") -> dict[str, Any]:
        """An invitation for one organisation: a signed text, and a link where that organisation's node finds it."""
        require(who, Permission.ADMINISTER)
        if len(note) > MAX_NOTE or not note.isprintable():
            raise Invalid(f"has at most {MAX_NOTE} printable characters", pointer="/note")
        context, now = self.parts.context, self.parts.context.now()
        token = invitation.invite(
            context.signing_key, own_card_token(self.parts), org_id=context.org_id, now=now, hours=hours
        )
        row = await asyncio.to_thread(
            lambda: self.parts.introductions.add(
                token, note=note, created_by=who.username, now=now, expires_at=now + hours * invitation.HOUR_MS
            )
        )
        return {**partner_views.invitation(row, self._link_to(row.name)), "invitation": token}

    async def invitations(self, who: User) -> dict[str, Any]:
        """Those that this organisation made."""
        require(who, Permission.ADMINISTER)
        rows = await asyncio.to_thread(self.parts.introductions.invitations)
        views = [partner_views.invitation(row, self._link_to(row.name)) for row in rows]
        return {"items": views, "next_cursor": None}

    async def invitation(self, name: str) -> dict[str, Any]:
        """An open invitation's text, for whoever was given its link."""
        row = await asyncio.to_thread(self.parts.introductions.invitation, name, self.parts.context.now())
        return {"invitation": row.token}

    async def withdraw_invitation(self, who: User, name: str) -> None:
        """Let nobody answer it any more."""
        require(who, Permission.ADMINISTER)
        await asyncio.to_thread(self.parts.introductions.withdraw, name)

    async def accept_invitation(self, who: User, given: str) -> dict[str, Any]:
        """Open an invitation (its text or its link), keep the inviter's card, and send ours to the inviter's node.

        The answer stands in what is returned, for carrying it there by hand when the node is not reached.
        """
        require(who, Permission.ADMINISTER)
        token = await self._invitation_of(given.strip())
        context, now = self.parts.context, self.parts.context.now()
        made, card = invitation.open_invitation(token, now)
        answer = invitation.answer(
            context.signing_key, own_card_token(self.parts), org_id=context.org_id, now=now,
            invitation=invitation.name_of(token),
        )  # fmt: skip
        introductions = self.parts.introductions
        await asyncio.to_thread(introductions.check, token, card)
        await asyncio.to_thread(self._check_link, card)
        row = await asyncio.to_thread(
            lambda: introductions.accept(token, card, card_token=made.card, answer=answer, now=now)
        )
        await self._deliver(card, row)
        self.parts.bell.ring()
        return await self.partner(who, card.id)

    async def answer_invitation(self, answer: str) -> dict[str, Any]:
        """Take in the answer to an invitation of ours; it proves itself, so whoever brings it may."""
        now = self.parts.context.now()
        row = await asyncio.to_thread(self.parts.introductions.receive, answer, now)
        self.parts.bell.ring()
        return {"status": "received", "organisation": self.parts.context.org_id, "waits": row is not None}

    async def confirm_partner(self, who: User, org_id: str, given: str) -> dict[str, Any]:
        """Make somebody who waits a partner: ``given`` is the fingerprint as the other administrator reads it."""
        require(who, Permission.ADMINISTER)
        now = self.parts.context.now()
        row = await asyncio.to_thread(self.parts.introductions.get, org_id, now)
        fingerprint.check(given, row.fingerprint)
        await self._relink(cards.verify(row.card), lambda: self.parts.introductions.confirm(org_id, given, now))
        logger.info("%s confirmed %s as a partner", who.username, org_id)
        return await self.partner(who, org_id)

    async def suspend_partner(self, who: User, org_id: str) -> dict[str, Any]:
        """Keep its messages out; ours to it wait. Whoever resumes it loses nothing."""
        return await self._set(who, org_id, lambda: self.parts.partners.suspend(org_id))

    async def resume_partner(self, who: User, org_id: str) -> dict[str, Any]:
        """Work with it again."""
        return await self._set(who, org_id, lambda: self.parts.partners.resume(org_id))

    async def remove_partner(self, who: User, org_id: str, *, force: bool = False) -> dict[str, Any]:
        """Part with it, or forget one who waits; what was open or undelivered between the two is told.

        Without ``force`` nothing may be: see :mod:`tallystick.node.services.parting`.
        """
        require(who, Permission.ADMINISTER)
        now = self.parts.context.now()
        if any(row.org_id == org_id for row in await asyncio.to_thread(self.parts.introductions.waiting, now)):
            await asyncio.to_thread(self.parts.introductions.decline, org_id, now)
            return {"id": org_id, "status": "declined"}
        ties: dict[str, Any] = {}
        await self._set(who, org_id, lambda: ties.update(parting.part(self.parts.database, org_id, force=force)))
        return {"id": org_id, "status": "removed", **ties}

    async def _set(self, who: User, org_id: str, write: Callable[[], Any]) -> dict[str, Any]:
        require(who, Permission.ADMINISTER)
        async with self.parts.relinking:
            await asyncio.to_thread(write)
            await asyncio.to_thread(note_seen, self.parts)
            self.parts.transports.forget(org_id)
            await self.parts.links.set_partners(await asyncio.to_thread(link_partners, self.parts))
        await self._look_after_keys()  # who comes back may hold a card of ours from before
        self.parts.bell.ring()
        return await self.partner(who, org_id)

    async def _relink(self, card: Card, write: Callable[[], Any]) -> None:
        """Link with ``card``, then ``write`` it down; what cannot be written is not linked with either."""
        links = self.parts.links
        async with self.parts.relinking:
            await links.set_partners(await asyncio.to_thread(link_partners, self.parts, card))
            try:
                await asyncio.to_thread(write)
            except BaseException:
                await links.set_partners(await asyncio.to_thread(link_partners, self.parts))
                raise
        await self._look_after_keys()
        self.parts.bell.ring()

    def _check_link(self, card: Card) -> None:
        """Refuse a card that nats-server would refuse, as far as that shows."""
        link, links = _link(card), [one for one in link_partners(self.parts) if one.org_id != card.id]
        self.parts.links.check_partners([*links, link] if link else links)

    def _known(self) -> list[Card]:
        return [own_card(self.parts), *self.parts.partners.pinned()]

    def _links(self) -> dict[str, LinkStatus]:
        return self.parts.links.status() if self.parts.settings.nats.enabled else {}

    def _partner_view(self, row: Partner, link: LinkStatus | None) -> dict[str, Any]:
        way = self.parts.transports.way(cards.verify(row.card))
        if way.transport == "https":  # no standing connection: what became of the last message tells
            link = self.parts.transports.https_status(row.org_id)
        return partner_views.partner(row, link) | {
            "transport": way.transport,
            "transport_chosen": way.chosen is not None,
            "pinned_ca": way.recipient.ca_pem is not None,
        }

    async def _invitation_of(self, given: str) -> str:
        if not given.startswith(("http://", "https://")):
            return given
        try:
            found = (await self._courier().fetch(given)).decode("ascii").strip()
        except UnicodeDecodeError as error:
            raise Invalid(
                "there is no invitation at this link", code="bad_invitation", pointer="/invitation"
            ) from error
        return partner_views.invitation_in(found)

    async def _deliver(self, card: Card, row: IntroductionRow) -> None:
        """Bring our answer to the inviter; a node that is not reached is no failure, one that refuses is."""
        url = card.endpoint_url.rstrip("/") + f"{API}/invitations/answers"
        at: int | None = None
        trouble: str | None = None
        try:
            await self._courier().bring(url, {"answer": row.answer})
            at = self.parts.context.now()
        except TallystickError as error:
            if isinstance(error, RefusedThere) and error.code in FINAL:
                await asyncio.to_thread(self.parts.introductions.decline, card.id, self.parts.context.now())
                raise
            trouble = f"{error.code}: {error.detail}"
        await asyncio.to_thread(lambda: self.parts.introductions.delivered(card.id, at=at, trouble=trouble))

    def _courier(self) -> Courier:
        settings = self.parts.settings
        return Courier(settings.activities.http, settings.data_dir, settings.endpoint_url)

    def _link_to(self, name: str) -> str:
        return self.parts.settings.endpoint_url.rstrip("/") + f"{API}/invitations/{name}"
