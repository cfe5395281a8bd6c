"""What waits for the root key while it is away: shown as it is to be signed, and taken in when it was."""

import asyncio
from typing import Any

import msgspec
from sqlmodel import Session

from tallystick.core import jws
from tallystick.core.errors import Invalid, TallystickError, WrongState
from tallystick.core.statement import STATEMENT
from tallystick.node.record import root_signing
from tallystick.node.record.root_signing import Wanted
from tallystick.node.record.unit import Unit
from tallystick.node.services.base import Service, bounded, cursor_values, encode_cursor
from tallystick.node.services.organisation import wanted_card
from tallystick.tenants import card as cards
from tallystick.tenants.permissions import Permission, require
from tallystick.tenants.users import User

MAX_TOKENS = 200  # of one request
COUNTED = 200  # statements; where more wait, it is said that there are more
MAX_PAGES = 4  # looked through for the first, some two thousand open executions; there may be more behind them


class RootSigning(Service):
    """Listing what waits, and taking signatures in."""

    async def waiting_for_root(self) -> dict[str, Any]:
        """Whether a card waits, and how many statements: counted up to a bound, ``more`` beyond it."""
        keystore = self.parts.context.keystore
        if keystore.root_key is not None:
            return {"card": False, "statements": 0, "more": False}

        def work() -> dict[str, Any]:
            found, after = self._first_waiting() if len(keystore.signing_facts) > 1 else ([], None)
            card = wanted_card(self.parts) is not None
            return {"card": card, "statements": len(found), "more": after is not None}

        return await asyncio.to_thread(work)

    def _first_waiting(self) -> tuple[list[Wanted], int | None]:
        """A page with what waits, behind all that is signed already; and where it ends, if there may be more."""
        found: list[Wanted] = []
        after: int | None = -1
        with self.parts.database.session() as session:
            for _ in range(MAX_PAGES):
                if found or after is None:
                    break
                found, after = root_signing.page(session, self.parts.context, after, COUNTED)
        return found, after

    async def pending_signatures(self, who: User, *, limit: int = 100, cursor: str | None = None) -> dict[str, Any]:
        """A page of signing inputs for the root key; the card, if one waits, stands on the first."""
        limit, last = bounded(limit), _number(cursor)

        def work(session: Session) -> dict[str, Any]:
            found, after = root_signing.page(session, self.parts.context, -1 if last is None else last, limit)
            items = [_statement(one) for one in found]
            card = wanted_card(self.parts) if last is None else None
            if card is not None:
                signing_input = cards.unsigned(card, self.parts.context.keystore.root_public)
                items.insert(0, _item("card", None, None, card.iat, signing_input))
            return {
                "org_id": self.parts.context.org_id,
                "root": msgspec.to_builtins(self.parts.context.keystore.root_public),
                "items": items,
                "next_cursor": None if after is None else encode_cursor([str(after)]),
            }

        return await self.read(who, work, Permission.ADMINISTER)

    async def take_signatures(self, who: User, tokens: list[str]) -> dict[str, Any]:
        """Take what the root key has signed, each by itself; what is taken is durable when this returns."""
        require(who, Permission.ADMINISTER)
        if not 1 <= len(tokens) <= MAX_TOKENS:
            raise Invalid(f"1 to {MAX_TOKENS} tokens at a time", code="too_many", pointer="/tokens")
        if self.parts.context.keystore.root_key is not None:
            raise WrongState("the root key is in the keystore: the node signs for itself", state="here")
        items = [await self._take(token) for token in tokens]
        await self.parts.committer.run(root_signing.tidy)
        return {"items": items, "waiting": await self.waiting_for_root()}

    async def _take(self, token: str) -> dict[str, Any]:
        try:
            return await (self._take_card(token) if _is_card(token) else self._take_statement(token))
        except TallystickError as error:
            return {
                "outcome": "refused",
                "kind": None,
                "execution_id": None,
                "code": error.code,
                "detail": error.detail,
            }

    async def _take_card(self, token: str) -> dict[str, Any]:
        context = self.parts.context

        def work() -> None:
            root_signing.read_card(context, token, lambda: wanted_card(self.parts))
            context.own_card.keep(token)

        async with self.parts.carding:
            await asyncio.to_thread(work)
        await self._look_after_keys()
        return _taken("card", None)

    async def _take_statement(self, token: str) -> dict[str, Any]:
        def job(unit: Unit) -> dict[str, Any]:
            said = root_signing.take(unit, self.parts.context, token)
            return _taken(said.kind, said.execution)

        return await self.parts.committer.run(job)


def _number(cursor: str | None) -> int | None:
    """An execution's number, as text: it may have more digits than a JSON number can be trusted with."""
    values = cursor_values(cursor, (str,))
    if values is None:
        return None
    if not (values[0].isascii() and values[0].isdecimal() and len(values[0]) < 20):
        raise Invalid("cursor is not one that this API gave", code="bad_cursor", pointer="/cursor")
    return int(values[0])


def _is_card(token: str) -> bool:
    """By its payload; what it really is, its reader checks by its type."""
    return "public_key" in jws.peek(token)


def _statement(one: Wanted) -> dict[str, Any]:
    return _item(one.kind, one.execution, one.name, one.since, one.signing_input)


def _item(kind: str, execution: str | None, name: str | None, since: int, signing_input: str) -> dict[str, Any]:
    return {
        "typ": cards.TYP if kind == "card" else STATEMENT,
        "kind": kind,
        "execution_id": execution,
        "name": name,
        "since": since,
        "payload": jws.peek(f"{signing_input}."),
        "signing_input": signing_input,
    }


def _taken(kind: str, execution: str | None) -> dict[str, Any]:
    return {"outcome": "taken", "kind": kind, "execution_id": execution, "code": None, "detail": None}
