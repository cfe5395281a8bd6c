"""An organisation whose root key is elsewhere: what waits for it, and which signatures are taken, once."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlmodel import select

from support.alone import PASSPHRASE, Alone, Somebody, definition
from support.parties import BUYER, NOON, SUPPLIER
from tallystick.core import jws
from tallystick.core.agreement import PublicKey
from tallystick.core.errors import Forbidden, Invalid, WrongState
from tallystick.core.keys import SigningKey
from tallystick.core.statement import STATEMENT
from tallystick.node.record import root_signing, store
from tallystick.node.services import root_signing as service
from tallystick.node.services.base import encode_cursor
from tallystick.node.services.organisation import own_card, own_card_token
from tallystick.node.work import keeper
from tallystick.node.work.keeper import Keeper
from tallystick.tenants import card as cards
from tallystick.tenants import root_signer
from tallystick.tenants.keystore import Keystore, RootKeyAway
from tallystick.tenants.models.record import OutboxRow, RootSignedRow
from tallystick.tenants.permissions import Permission
from tallystick.tenants.root_key import RootKey

DAY = 24 * 3_600_000


class Away(Alone):
    """The organisation, and its root key, which only the test has."""

    def __init__(self, folder: Path) -> None:
        self.root = RootKey(BUYER, SigningKey.generate())
        folder.chmod(0o700)
        public = PublicKey(kid=self.root.key.kid, key=self.root.key.public_hex)
        super().__init__(folder, Keystore.create(folder / "keystore.json", PASSPHRASE, root=public))

        async def relink() -> None:
            return None

        self.keeper = Keeper(
            self.database, self.context, self.committer, card=lambda: own_card_token(self.parts), relink=relink
        )

    async def pending(self, **more: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.services.pending_signatures(self.who, **more))["items"]
        return found

    async def signed(self) -> list[str]:
        """What waits, as the offline machine brings it back."""
        inputs = [one["signing_input"] for one in await self.pending()]
        return [root_signer.sign(root_signer.read(one, self.root), self.root) for one in inputs]

    async def take(self, *tokens: str) -> list[str]:
        """Each one's outcome, or why it was refused."""
        items = (await self.services.take_signatures(self.who, list(tokens)))["items"]
        return [one["code"] or one["outcome"] for one in items]

    async def begin(self) -> str:
        proposed = await self.services.propose(self.who, definition())
        execution: str = proposed["execution_id"]
        await self.services.start(self.who, execution, {})
        return execution

    def events(self, execution: str) -> list[str]:
        """What the log says of keys, in order."""
        with self.database.session() as session:
            loaded = store.load(session, execution)
            rows = store.entries_from(session, loaded.row.number, 0, 1000)
        text = "".join(row.leaf.decode() for row in rows)
        return [word for word in text.replace('"', " ").split() if word in {"key_rotated", "key_revoked"}]

    def kept(self) -> list[str]:
        with self.database.session() as session:
            return [row.answer_key.partition("/")[0] for row in session.exec(select(RootSignedRow))]


def kids(away: Away) -> list[str]:
    """The keys that requests over HTTPS are signed by, in the order in which they are tried."""
    return [one.kid for one in away.context.speaking()]


@pytest.fixture
async def away(tmp_path: Path) -> AsyncIterator[Away]:
    """With its first card signed."""
    made = Away(tmp_path)
    assert await made.take(*await made.signed()) == ["taken"]
    yield made
    await made.close()


async def test_nothing_is_agreed_before_the_first_card_is_signed(tmp_path: Path) -> None:
    made = Away(tmp_path)
    with pytest.raises(RootKeyAway) as caught:
        own_card_token(made.parts)
    assert made.root.key.kid in caught.value.detail
    with pytest.raises(RootKeyAway):
        await made.services.propose(made.who, definition())
    [one] = await made.pending()
    assert (one["kind"], one["payload"]["id"], one["execution_id"]) == ("card", BUYER, None)
    await made.close()


async def test_one_trip_brings_rotation_and_revocation_each_in_its_turn(away: Away) -> None:
    executions = [await away.begin() for _ in range(2)]
    old = away.keystore.signing_key
    await away.services.revoke_key(away.who, old.kid, reason="compromised")
    new = away.keystore.signing_key.kid
    assert await away.keeper.once()
    assert [away.events(one) for one in executions] == [[], []]
    assert away.context.signing_key.kid == old.kid, "partners know no other"
    kinds = [one["kind"] for one in await away.pending()]
    assert kinds == ["card", "rotate_key", "revoke_key", "rotate_key", "revoke_key"]
    tokens = await away.signed()
    assert await away.take(*reversed(tokens)) == ["taken"] * 5, "the order in which they come does not matter"
    assert await away.pending() == []
    for _ in range(3):
        await away.keeper.once()
    assert [away.events(one) for one in executions] == [["key_rotated", "key_revoked"]] * 2
    assert away.kept() == []
    assert [one.kid for one in away.keystore.signing_keys] == [new], "the stolen key is destroyed"
    assert [one.kid for one in own_card(away.parts).signing_keys] == [new]
    assert set(await away.take(*tokens)) == {"not_wanted"}


async def test_work_goes_on_under_the_key_that_speaks_and_no_key_is_destroyed_meanwhile(away: Away) -> None:
    execution = await away.begin()
    old, sealing = away.keystore.signing_key.kid, away.keystore.sealing_key.kid
    await away.services.rotate_keys(away.who)
    away.now += 30 * DAY
    assert await away.keeper.once(), "it does not look again and again for what nobody has brought"
    later = await away.begin()
    with away.database.session() as session:
        for one in (execution, later):
            assert away.context.key_in(store.load(session, one)).kid == old
        assert [key.kid for key in store.load(session, later).agreement.participants[0].signing_keys] == [old]
    assert await away.take(*await away.signed()) == ["taken"] * 3
    for _ in range(2):
        assert await away.keeper.once()
    held = {one.kid for one in away.keystore.signing_keys}
    assert old in held, "agreements that name it may be under way for a week after the card"
    assert sealing in {one.kid for one in away.keystore.sealing_keys}
    away.now += keeper.KEEP_MS + DAY
    assert await away.keeper.once()
    assert old not in {one.kid for one in away.keystore.signing_keys}


async def test_a_key_that_a_partner_still_knows_is_kept_as_nothing_else_could_bring_the_card(away: Away) -> None:
    """With the root key at hand a week would do; without it, whoever is out of reach for longer would be lost."""
    away.meet()
    old = away.keystore.signing_key
    assert kids(away) == [old.kid]
    await away.services.revoke_key(away.who, old.kid, reason="superseded")
    assert kids(away) == [old.kid, away.keystore.signing_key.kid], "the one that is on the card first"
    await away.take(*await away.signed())
    new = away.keystore.signing_key
    assert kids(away) == [new.kid, old.kid]
    away.now += 10 * keeper.KEEP_MS
    assert not await away.keeper.once()
    assert old.kid in {one.kid for one in away.keystore.signing_keys}
    with away.database.write() as session:
        for row in session.exec(select(OutboxRow)):
            session.delete(row)
    assert await away.keeper.once()
    assert kids(away) == [new.kid]


async def test_a_partner_gets_the_new_card_once_it_is_signed(away: Away) -> None:
    away.meet()
    await away.services.rotate_keys(away.who)
    await away.keeper.once()
    await away.take(*await away.signed())
    await away.keeper.once()
    with away.database.session() as session:
        rows = session.exec(select(OutboxRow).where(OutboxRow.partner == SUPPLIER, OutboxRow.what == "card")).all()
    assert len(rows) == 2


async def test_a_revoked_key_agrees_with_nobody_while_its_successor_is_unsigned(away: Away) -> None:
    away.meet()
    await away.services.revoke_key(away.who, away.keystore.signing_key.kid, reason="lost")
    source = definition()
    source["participants"].append({"org_id": SUPPLIER, "role": "supplier"})
    with pytest.raises(RootKeyAway):
        await away.services.propose(away.who, source)
    await away.begin()  # what nobody else takes part in deceives nobody
    await away.take(*await away.signed())
    await away.services.propose(away.who, source)


async def test_signatures_of_others_for_others_and_for_anything_else_are_refused(away: Away) -> None:
    execution = await away.begin()
    await away.services.rotate_keys(away.who)
    card, rotation = await away.signed()
    stranger, root = SigningKey.generate(), away.root.key
    said = jws.read(rotation, STATEMENT).payload
    shown = jws.read(card, cards.TYP).payload
    other = SigningKey.generate()
    body = {**said["body"], "key": {"kid": other.kid, "key": other.public_hex}}
    forged = [
        (jws.sign(stranger, STATEMENT, said), "wrong_root_key"),
        (jws.sign(away.keystore.signing_key, STATEMENT, said), "wrong_root_key"),
        (rotation[:-4] + ("AAAA" if rotation[-4:] != "AAAA" else "BBBA"), "bad_signature"),
        (jws.sign(root, STATEMENT, {**said, "iss": SUPPLIER}), "wrong_issuer"),
        (jws.sign(root, STATEMENT, {**said, "execution": "0" * 64}), "unknown_execution"),
        (jws.sign(root, STATEMENT, {**said, "aud": "0" * 64}), "not_wanted"),
        (jws.sign(root, STATEMENT, {**said, "body": body}), "not_wanted"),
        (jws.sign(root, STATEMENT, {**said, "body": {**said["body"], "overlap": 9}}), "not_wanted"),
        (jws.sign(root, STATEMENT, {**said, "iat": NOON + DAY}), "dated_ahead"),
        (jws.sign(root, STATEMENT, {**said, "kind": "timer", "body": {"timer": "x"}}), "wrong_kind"),
        (jws.sign(root, STATEMENT, {**said, "extra": 1}), "bad_statement"),
        (jws.sign(root, cards.TYP, {**shown, "endpoint_url": "https://thief.example"}), "not_wanted"),
        (jws.sign(root, cards.TYP, {**shown, "iat": shown["iat"] + 30 * DAY}), "dated_ahead"),
        (jws.sign(root, cards.TYP, {**shown, "iat": own_card(away.parts).iat}), "stale_card"),
        (jws.sign(stranger, cards.TYP, {**shown, "public_key": stranger.public_hex}), "wrong_root_key"),
        (jws.sign(root, cards.TYP, {**shown, "id": SUPPLIER, "iss": SUPPLIER}), "wrong_issuer"),
        (jws.sign(away.keystore.signing_key, cards.TYP, shown), "bad_card"),
        ("not.a.token", "bad_token"),
    ]
    before = own_card_token(away.parts)
    for token, code in forged:
        [outcome] = await away.take(token)
        assert outcome == code or (code == "bad_token" and outcome.startswith("bad_")), (outcome, code)
    assert (own_card_token(away.parts), away.kept()) == (before, [])
    assert await away.take(rotation, rotation) == ["taken", "already_signed"]
    assert len(away.kept()) == 1
    await away.keeper.once()
    assert away.events(execution) == ["key_rotated"]


async def test_what_was_signed_for_an_order_that_was_overtaken_is_not_wanted(away: Away) -> None:
    execution = await away.begin()
    await away.services.rotate_keys(away.who)
    first = await away.signed()
    await away.services.rotate_keys(away.who)
    assert await away.take(*first) == ["not_wanted"] * 2
    again = await away.signed()
    assert await away.take(*again) == ["taken"] * 2
    await away.services.rotate_keys(away.who)  # after it was taken, before it was said
    await away.keeper.once()
    assert away.events(execution) == []
    assert await away.take(*await away.signed()) == ["taken"] * 2
    await away.keeper.once()
    assert away.events(execution) == ["key_rotated"]
    with away.database.session() as session:
        assert away.context.key_in(store.load(session, execution)).kid == away.keystore.signing_key.kid


async def test_what_was_signed_for_an_execution_that_ended_is_forgotten(away: Away) -> None:
    execution, other = await away.begin(), await away.begin()
    await away.services.rotate_keys(away.who)
    card, first, second = await away.signed()
    assert await away.take(first) == ["taken"]
    for one in (execution, other):
        await away.services.terminate(away.who, one, "over")
    assert await away.take(second, card) == ["not_wanted", "taken"]
    assert away.kept() == []


async def test_what_is_taken_outlives_the_process_and_is_said_by_the_next(away: Away) -> None:
    """Between taking up and saying it a node may be killed: the row is there, the statement is said once."""
    execution = await away.begin()
    await away.services.rotate_keys(away.who)
    assert await away.take(*await away.signed()) == ["taken"] * 2
    other = Away.replica(away)
    try:
        again = Keeper(
            other.database, other.context, other.committer, card=lambda: own_card_token(other.parts),
            relink=away.keeper._relink,
        )  # fmt: skip
        assert other.context.signing_key.kid == away.keystore.signing_key.kid, "the card lies in the folder"
        await again.once()
        await away.keeper.once()
        assert away.events(execution) == ["key_rotated"]
    finally:
        await other.close()


async def test_what_waits_comes_in_pages_and_is_counted_up_to_a_bound(
    away: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(root_signing, "LOOKED_AT", 2)
    monkeypatch.setattr(service, "COUNTED", 3)
    executions = [await away.begin() for _ in range(5)]
    assert await away.pending() == []
    await away.services.rotate_keys(away.who)
    found: list[str | None] = []
    cursor: str | None = None
    while True:
        page = await away.services.pending_signatures(away.who, limit=2, cursor=cursor)
        found += [one["execution_id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found[0] is None
    assert sorted(map(str, found[1:])) == sorted(executions)
    for wrong in ("x", encode_cursor(["x"]), encode_cursor(["9" * 30]), encode_cursor([1])):
        with pytest.raises(Invalid):
            await away.services.pending_signatures(away.who, cursor=wrong)
    assert (await away.services.keys(away.who))["waiting"] == {"card": True, "statements": 2, "more": True}
    waiting = (await away.services.all_waiting(away.who))["items"]
    assert [[one["what"] for one in each["waiting"]][-1] for each in waiting] == [
        "root key's signature of rotate_key"
    ] * 5


async def test_what_waits_behind_what_is_signed_is_counted(away: Away, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root_signing, "LOOKED_AT", 2)
    for _ in range(5):
        await away.begin()
    await away.services.rotate_keys(away.who)
    first_page = await away.signed()
    assert await away.take(*first_page) == ["taken"] * 3, "the card and two statements"
    assert await away.pending() == []
    assert (await away.services.keys(away.who))["waiting"] == {"card": False, "statements": 2, "more": True}


async def test_only_an_administrator_sees_and_brings_signatures_and_none_while_the_root_is_here(away: Away) -> None:
    reader: Any = Somebody(Permission.READ)
    with pytest.raises(Forbidden):
        await away.services.pending_signatures(reader)
    with pytest.raises(Forbidden):
        await away.services.take_signatures(reader, ["x"])
    for tokens in ([], ["x"] * 201):
        with pytest.raises(Invalid):
            await away.services.take_signatures(away.who, tokens)
    await away.begin()
    await away.services.rotate_keys(away.who)
    tokens = await away.signed()
    away.keystore.put_root_back(away.root.key)
    assert await away.pending() == []
    with pytest.raises(WrongState):
        await away.services.take_signatures(away.who, tokens)
    assert [one.kid for one in own_card(away.parts).signing_keys] == [away.keystore.signing_key.kid]


def test_nothing_in_memory_has_the_root_keys_secret(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    made = Keystore.create(tmp_path / "k.json", PASSPHRASE)
    seed = made.need_root_key().seed
    made.take_root_out()
    for keystore in (made, Keystore.open(tmp_path / "k.json", PASSPHRASE)):
        held = msgspec.json.encode(keystore._secrets)
        assert base64.b64encode(seed) not in held
        assert not [one for one in vars(keystore).values() if isinstance(one, SigningKey) and one.seed == seed]
        assert keystore.root_key is None
        with pytest.raises(RootKeyAway):
            keystore.need_root_key()
