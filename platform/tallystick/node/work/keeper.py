"""The keeper of keys: what a rotation or a revocation asks for is brought about, whatever crashes in between.

The keystore says which key is current. From there on: every open execution gets the new key, and the revocation after
it, as statements by the root key; every partner gets the new card, and the links show what it names; a past key is
destroyed when no open execution needs it and it has been past for a while, a revoked one at once. Each step is taken
until its effect is seen, in this life of the node or a later one. What the root key has to sign while it is away waits,
and every past key is kept for as long.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import pairwise

import msgspec
from sqlmodel import col, select

from tallystick.core.engine.state import OPEN
from tallystick.core.errors import TallystickError
from tallystick.node.record import cards, rekeying, store
from tallystick.node.record.context import Context
from tallystick.node.record.group import Note
from tallystick.node.record.loaded import Loaded
from tallystick.node.work.committer import Committer
from tallystick.tenants.database import Database
from tallystick.tenants.keystore import KeyFacts, RootKeyAway
from tallystick.tenants.models.partner import Partner
from tallystick.tenants.models.record import ExecutionRow, OutboxRow

logger = logging.getLogger(__name__)
KEEP_MS = 7 * 24 * 3_600_000  # agreements that partners drafted with an older card are on their way no longer than that
SOONEST_S, LATEST_S = 0.5, 30.0  # between two looks while something is under way
SELDOM_S = 300.0  # while past keys are held
_PAGE = 200


class _Round(msgspec.Struct):
    """What one look over the open executions found."""

    waiting: int = 0
    void: int = 0
    unsigned: int = 0  # waits for the root key, which is away: looking again brings nothing about
    oldest: int | None = None  # when the first of the open executions began


class Keeper:
    """Of one organisation."""

    def __init__(
        self,
        database: Database,
        context: Context,
        committer: Committer,
        *,
        card: Callable[[], str],
        relink: Callable[[], Awaitable[None]],
        link_keys: Callable[[], Awaitable[bool]] | None = None,
        keep_ms: int = KEEP_MS,
    ) -> None:
        self._database = database
        self._context = context
        self._committer = committer
        self._card = card
        self._relink = relink
        self._link_keys = link_keys
        self._keep_ms = keep_ms
        self._links_changed = False
        self._wake = asyncio.Event()
        committer.listen(self._heard)

    def wake(self) -> None:
        """Look at once: something that our card says has changed."""
        self._wake.set()

    def returned(self, _partner: str) -> None:
        """Something has reached a partner that was away: it may have got our newest card, and know newer link keys."""
        if self._holds_past_links:
            self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        delay = SOONEST_S
        while True:
            self._wake.clear()
            try:
                is_done = await self.once()
            except TallystickError as error:
                logger.warning("keys are looked after later: %s", error)
                is_done = False
            except Exception:  # whatever it is, keys must still be looked after
                logger.exception("keys are looked after later")
                is_done = False
            delay = SOONEST_S if is_done else min(delay * 2, LATEST_S)
            pause = (SELDOM_S if self._holds_past else None) if is_done else delay
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
                delay = SOONEST_S
            except TimeoutError:
                continue

    async def once(self) -> bool:
        """One round; whether nothing is under way any more."""
        if self._links_changed:
            self._links_changed = False
            try:
                await self._relink()
            except TallystickError as error:
                logger.warning("a partner's new card changes no link: %s", error)
        if self._holds_past_links or await asyncio.to_thread(self._has_partners):
            await self._send_card()
        is_linked = await self._show_link_keys()
        return await self._follow_up() and is_linked

    async def _show_link_keys(self) -> bool:
        """Whether the links show what our card names, and every partner knows us by it; no other key waits for that."""
        if self._link_keys is None or not self._holds_past_links:
            return True
        try:
            return await self._link_keys()
        except TallystickError as error:
            logger.warning("the links show other keys later: %s", error)
            return False

    async def _follow_up(self) -> bool:
        """What signing and sealing keys ask for."""
        if not self._holds_past_signing:
            return True
        found = await self._look_after()
        is_done = not found.waiting and await asyncio.to_thread(self._cards_are_out)
        if is_done and not found.unsigned and self._is_carded:
            await asyncio.to_thread(self._destroy, found)
        return is_done

    async def _send_card(self) -> None:
        try:
            token = await asyncio.to_thread(self._card)
        except RootKeyAway as error:
            logger.info("our first card is sent later: %s", error)
            return
        await self._committer.run(lambda unit: cards.send(unit, self._context, token))

    @property
    def _is_carded(self) -> bool:
        """Whether the root key, if it is away, has signed a card with the keys that we have now."""
        keystore, card = self._context.keystore, self._context.own_card.card
        if keystore.root_key is not None:
            return True
        is_known = self._context.own_card.names(keystore.signing_key.kid)
        return is_known and card is not None and card.sealing_key.kid == keystore.sealing_key.kid

    @property
    def _carded_at(self) -> int:
        """Since when partners may draft with our newest card, where that may have come long after its keys."""
        card = self._context.own_card.card
        return card.iat if card is not None and self._context.keystore.root_key is None else 0

    @property
    def _holds_past(self) -> bool:
        return self._holds_past_links or self._holds_past_signing

    @property
    def _holds_past_links(self) -> bool:
        return len(self._context.keystore.links) > 1

    @property
    def _holds_past_signing(self) -> bool:
        keystore = self._context.keystore
        return len(keystore.signing_keys) > 1 or len(keystore.sealing_keys) > 1

    def _has_partners(self) -> bool:
        """Most tenants of a large node have none: they sign no card for nobody."""
        with self._database.looking() as session:
            return session.exec(select(Partner.org_id).where(Partner.status == "active").limit(1)).first() is not None

    def _heard(self, notes: list[Note]) -> None:
        kinds = {note.kind for note in notes}
        self._links_changed |= cards.NOTE in kinds
        if kinds & {cards.NOTE, rekeying.NOTE}:
            self._wake.set()

    async def _look_after(self) -> _Round:
        found, after = _Round(), -1
        while True:
            page = await asyncio.to_thread(self._open_after, after)
            follow_ups = [
                self._committer.run(partial(rekeying.follow_up, context=self._context, execution=row.id))
                for row, wants in page
                if wants
            ]
            answers = await asyncio.gather(*follow_ups)  # they share commits
            found.waiting += answers.count("waiting")
            found.void += answers.count("void")
            found.unsigned += answers.count("unsigned")
            began = [row.created_at for row, _ in page]
            found.oldest = min([*began, *([] if found.oldest is None else [found.oldest])], default=None)
            if len(page) < _PAGE:
                return found
            after = page[-1][0].number

    def _open_after(self, after: int) -> list[tuple[ExecutionRow, bool]]:
        query = (
            select(ExecutionRow)
            .where(col(ExecutionRow.status).in_(OPEN), ExecutionRow.number > after)
            .order_by(col(ExecutionRow.number))
            .limit(_PAGE)
        )
        page = []
        with self._database.looking() as session:
            for row in session.exec(query):
                agreement = store.get_agreement(session, row.agreement_hash)
                wants = (
                    agreement is not None and rekeying.todo(self._context, Loaded.of_row(row, agreement)) is not None
                )
                page.append((row, wants))
        return page

    def _cards_are_out(self) -> bool:
        """A partner without our newest card knows us by a past key: over HTTPS, that key brings it the card.

        One that has not been reached for a while is not waited for any longer if the root key is here, which can bring
        the card as well. Where it is away, nothing else could.
        """
        keystore = self._context.keystore
        is_long_ago = keystore.signing_facts[-1].made_at + self._keep_ms < self._context.now()
        if is_long_ago and keystore.root_key is not None:
            return True
        with self._database.looking() as session:
            return session.exec(select(OutboxRow.id).where(OutboxRow.what == "card").limit(1)).first() is None

    def _destroy(self, found: _Round) -> None:
        """Past keys that nothing needs. One that an execution could not take a successor for is needed to its end."""
        keystore, now = self._context.keystore, self._context.now()
        facts = keystore.signing_facts
        gone = (
            {}
            if found.void
            else {
                one.kid
                for one, successor in pairwise(facts)
                if one.is_held
                and (one.revoked_at is not None or max(successor.made_at, self._carded_at) + self._keep_ms < now)
            }
        )
        sealing = {
            kid for kid, until in _past_sealing(facts).items() if self._is_over(max(until, self._carded_at), found, now)
        }
        if gone or sealing:
            keystore.destroy(signing=gone, sealing=sealing)
            logger.info("destroyed %d signing and %d sealing keys that are past", len(gone), len(sealing))

    def _is_over(self, until: int, found: _Round, now: int) -> bool:
        """No execution that began while others may have sealed to the key is open."""
        return until + self._keep_ms < now and (found.oldest is None or found.oldest > until + self._keep_ms)


def _past_sealing(facts: list[KeyFacts]) -> dict[str, int]:
    """Until when each past sealing key was the one on our card."""
    past = {one.sealing_kid: following.made_at for one, following in pairwise(facts)}
    past.pop(facts[-1].sealing_kid, None)
    return past
