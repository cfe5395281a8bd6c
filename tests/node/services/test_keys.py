"""Keys of one organisation over its real database: rotated, revoked, destroyed, whatever crashes in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from support.alone import PASSPHRASE, Alone, Somebody, definition
from support.parties import NOON
from tallystick.core.errors import Forbidden, Invalid, NotFound
from tallystick.node.record import messages as m
from tallystick.node.record import rekeying, store
from tallystick.node.work import keeper
from tallystick.node.work.keeper import Keeper
from tallystick.tenants import card as cards
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.models.record import OutboxRow
from tallystick.tenants.permissions import Permission

DAY = 24 * 3_600_000


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncIterator[Alone]:
    made = Alone(tmp_path)
    yield made
    await made.close()


def keeper_of(alone: Alone) -> Keeper:
    async def relink() -> None:
        return None

    return Keeper(alone.database, alone.context, alone.committer, card=lambda: own_card(alone), relink=relink)


def own_card(alone: Alone) -> str:
    from tallystick.node.services.organisation import own_card_token

    return own_card_token(alone.parts)


async def begin(alone: Alone) -> str:
    proposed = await alone.services.propose(alone.who, definition())
    execution: str = proposed["execution_id"]
    await alone.services.start(alone.who, execution, {})
    return execution


def events(alone: Alone, execution: str) -> list[str]:
    """What the log says of keys, in order."""
    with alone.database.session() as session:
        loaded = store.load(session, execution)
        rows = store.entries_from(session, loaded.row.number, 0, 1000)
    text = "".join(row.leaf.decode() for row in rows)
    return [word for word in text.replace('"', " ").split() if word in {"key_rotated", "key_revoked"}]


async def test_a_rotation_reaches_every_open_execution_once(alone: Alone) -> None:
    executions = [await begin(alone) for _ in range(3)]
    await alone.services.rotate_keys(alone.who)
    keeping = keeper_of(alone)
    for _ in range(3):
        assert await keeping.once()
    assert [events(alone, one) for one in executions] == [["key_rotated"]] * 3
    later = await begin(alone)
    assert await keeping.once()
    assert events(alone, later) == [], "an agreement that is drafted now names the new key"


async def test_what_a_crash_left_undone_is_done_in_the_next_life(alone: Alone) -> None:
    """After the one write to the keystore nothing else is needed: any node that starts brings the rest about."""
    execution = await begin(alone)
    alone.keystore.rotate(overlap=3, sealing=True, now=NOON)
    opened = Keystore.open(alone.keystore.path, PASSPHRASE)
    assert opened.signing_key.kid == alone.keystore.signing_key.kid
    assert [one.is_current for one in opened.signing_facts] == [False, True]
    await keeper_of(alone).once()
    assert events(alone, execution) == ["key_rotated"]


async def test_two_rotations_in_a_row_leave_one_current_key(alone: Alone) -> None:
    execution = await begin(alone)
    for _ in range(2):
        found = await alone.services.rotate_keys(alone.who, overlap=0)
    await keeper_of(alone).once()
    assert [one["is_current"] for one in found["items"]] == [True, False, False]
    assert events(alone, execution) == ["key_rotated"], "the key in between never spoke here"


async def test_revoking_the_current_key_replaces_it_first(alone: Alone) -> None:
    execution = await begin(alone)
    old = alone.keystore.signing_key.kid
    found = await alone.services.revoke_key(alone.who, old, reason="compromised", since=NOON - 1)
    assert [one["kid"] for one in found["items"] if one["is_current"]] != [old]
    await keeper_of(alone).once()
    await keeper_of(alone).once()
    assert events(alone, execution) == ["key_rotated", "key_revoked"]
    assert await keeper_of(alone).once()
    facts = {one.kid: one for one in alone.keystore.signing_facts}
    assert (facts[old].is_held, facts[old].reason, facts[old].since) == (False, "compromised", NOON - 1)
    seed = Keystore.open(alone.keystore.path, PASSPHRASE).signing_keys
    assert [one.kid for one in seed] == [alone.keystore.signing_key.kid], "a revoked key is destroyed at once"


async def test_past_keys_are_kept_for_a_week_and_sealing_keys_as_long_as_needed(alone: Alone) -> None:
    execution = await begin(alone)
    signing, sealing = alone.keystore.signing_key.kid, alone.keystore.sealing_key.kid
    await alone.services.rotate_keys(alone.who)
    keeping = keeper_of(alone)
    assert await keeping.once()
    assert signing in {one.kid for one in alone.keystore.signing_keys}
    alone.now += keeper.KEEP_MS + DAY
    assert await keeping.once()
    assert signing not in {one.kid for one in alone.keystore.signing_keys}
    assert sealing in {one.kid for one in alone.keystore.sealing_keys}, "an open execution may bring values for it"
    await alone.services.terminate(alone.who, execution, "over")
    assert await keeping.once()
    assert [one.kid for one in alone.keystore.sealing_keys] == [alone.keystore.sealing_key.kid]
    assert len(alone.keystore.signing_facts) == 2, "its public half is remembered"


async def test_a_past_key_stays_while_a_partner_knows_no_other(alone: Alone) -> None:
    """Over HTTPS it is the one that brings our new card there; who is out of reach for a week is not waited for."""
    alone.meet()
    old = alone.keystore.signing_key.kid
    await alone.services.revoke_key(alone.who, old, reason="lost")
    keeping = keeper_of(alone)
    assert not await keeping.once(), "the card waits in the outbox"
    assert old in {one.kid for one in alone.keystore.signing_keys}
    alone.now += keeper.KEEP_MS + DAY
    assert await keeping.once()
    assert old not in {one.kid for one in alone.keystore.signing_keys}
    with alone.database.session() as session:
        sent = [m.decode(row.payload) for row in session.exec(select(OutboxRow))]
    [message] = [one for one in sent if isinstance(one, m.CardMessage)]
    card = cards.verify(message.token)
    assert [one.kid for one in card.signing_keys] == [alone.keystore.signing_key.kid]


async def test_only_an_administrator_rotates_and_revokes(alone: Alone) -> None:
    reader: Any = Somebody(Permission.READ)
    kid = alone.keystore.signing_key.kid
    for call in (
        lambda: alone.services.rotate_keys(reader),
        lambda: alone.services.revoke_key(reader, kid, reason="lost"),
        lambda: alone.services.compromise_report(reader, kid),
    ):
        with pytest.raises(Forbidden):
            await call()  # type: ignore[no-untyped-call]
    assert [one.kid for one in alone.keystore.signing_facts] == [kid]
    assert (await alone.services.keys(reader))["items"][0]["kid"] == kid


async def test_what_cannot_be_ordered(alone: Alone) -> None:
    with pytest.raises(NotFound):
        await alone.services.revoke_key(alone.who, "0" * 16, reason="lost")
    with pytest.raises(Invalid):
        await alone.services.rotate_keys(alone.who, overlap=10_001)
    with pytest.raises(Invalid):
        await alone.services.revoke_key(alone.who, "0" * 16, reason="lost", since=NOON + DAY)


async def test_nothing_is_said_where_nothing_is_to_be_said(alone: Alone) -> None:
    execution = await begin(alone)
    with alone.database.session() as session:
        assert rekeying.todo(alone.context, store.load(session, execution)) is None


# The compromise report, without a chain: nothing is proven, all is claimed.


async def test_the_report_divides_at_the_moment_and_pages_in_one_order(alone: Alone) -> None:
    executions = [await begin(alone) for _ in range(2)]
    kid = alone.keystore.signing_key.kid
    alone.now += 1000
    moment = alone.now
    for one in executions:
        await alone.services.terminate(alone.who, one, "over")
    whole = await alone.services.compromise_report(alone.who, kid, since=moment)
    assert [one["kind"] for one in whole["items"]] == ["propose", "start", "terminate"] * 2
    assert [one["position"] for one in whole["items"]] == ["claimed", "claimed", "after"] * 2
    assert [(one["claimed"], one["after"], one["proven"]) for one in whole["executions"]] == [(2, 1, 0)] * 2
    paged, cursor = [], None
    for _ in range(20):
        page = await alone.services.compromise_report(alone.who, kid, since=moment, limit=2, cursor=cursor)
        assert len(page["items"]) <= 2
        paged += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [one for one in paged if one["what"] == "statement"] == whole["items"]
    heads = [one for one in paged if one["what"] == "head"]
    assert heads
    assert {one["position"] for one in heads} <= {"claimed", "after"}


async def test_the_report_knows_whose_key_it_is_and_since_when(alone: Alone) -> None:
    await begin(alone)
    old = alone.keystore.signing_key.kid
    await alone.services.revoke_key(alone.who, old, reason="compromised", since=NOON - 5)
    found = await alone.services.compromise_report(alone.who, old)
    assert (found["since"], found["key"]["reason"]) == (NOON - 5, "compromised")
    assert {one["position"] for one in found["items"]} == {"after"}
    assert (await alone.services.compromise_report(alone.who, old, org="nordic"))["items"] == []
    assert (await alone.services.compromise_report(alone.who, "0" * 16))["items"] == []


@pytest.mark.parametrize("cursor", ["", "e30=", "WyJ4IiwxLDFd", "x" * 10])
async def test_a_cursor_of_somebody_else_is_refused(alone: Alone, cursor: str) -> None:
    with pytest.raises(Invalid):
        await alone.services.compromise_report(alone.who, "0" * 16, cursor=cursor)
