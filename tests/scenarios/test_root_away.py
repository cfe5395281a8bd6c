"""The root key is kept away from a node: it meets, works, rotates and recovers with signatures made elsewhere."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.parties import BUYER, CARRIER, DEFINITION, NAMES, SUPPLIER, TALK
from support.trio import Member, Trio, until
from tallystick.tenants import root_key, vault
from tallystick.tenants.keystore import Keystore

pytestmark = pytest.mark.timeout(240)
PHRASE = "the root's own passphrase a!b@c 密码"
KEYS = "/organisation/keys"


def file_of(member: Member) -> Path:
    """Where a member's root key is kept: the stick in the safe."""
    return member.data.with_suffix(".root")


async def tally(member: Member, *words: str, status: int = 0, network: bool = True) -> str:
    """What a `tally keys` command prints, run where the root key and the node's administrator both are."""
    environment = {**os.environ, "TALLYSTICK_PASSPHRASE": member.passphrase, root_key.VARIABLE: PHRASE}
    rest = ("--node", member.url, "--password-file", str(member.data.with_suffix(".password"))) if network else ()
    command = (str(Path(sys.executable).with_name("tally")), "keys", *words, *rest)
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdin=-3, stdout=-1, stderr=-1)
    printed, wrong = await process.communicate()
    assert process.returncode == status, (printed + wrong).decode()
    return (printed + wrong).decode()


async def sign(member: Member) -> str:
    """Let the root key sign what waits."""
    return await tally(member, "sign", "--root-key", str(file_of(member)), "--yes")


async def init_away(member: Member, *more: str) -> None:
    """Make the organisation with its root key in a file of its own."""
    member._environment[root_key.VARIABLE] = PHRASE
    await member.init("--root-key", str(file_of(member)), *more)
    del member._environment[root_key.VARIABLE]  # the node never has it


class AwayTrio(Trio):
    """Three nodes; the roots of those in ``away`` are elsewhere, from the beginning."""

    away = (BUYER, SUPPLIER)

    async def start(self, prepare: Any = None) -> None:
        await asyncio.gather(
            *(
                init_away(one, *self._database(org)) if org in self.away else one.init()
                for org, one in self.members.items()
            )
        )
        await asyncio.gather(*(one.start() for one in self.members.values()))
        for org in self.away:
            await self.has_its_first_card(self.members[org])
        cards = {org: await one.get("/organisation/card") for org, one in self.members.items()}
        for org, one in self.members.items():
            for other, card in cards.items():
                if other != org:
                    answer = await one.http.put(f"/partners/{other}", json={"card": card["card"]})
                    assert answer.status_code in {200, 201}, answer.text

    async def has_its_first_card(self, member: Member) -> None:
        """`tally init` had it signed while the root key was open."""
        keys = await member.get(KEYS)
        assert keys["root"]["is_away"]
        assert keys["waiting"] == {"card": False, "statements": 0, "more": False}
        assert (await member.get("/organisation/card"))["id"] == member.org


async def test_without_a_card_a_node_serves_its_own_people_and_says_what_it_waits_for(tmp_path: Path) -> None:
    """As when `tally init` could not sign the first one; then one command does."""
    member = AwayTrio(tmp_path).members[BUYER]
    try:
        await init_away(member)
        (member.data / "card.jwt").unlink()
        await member.start()
        answer = await member.http.get("/organisation/card")
        assert (answer.status_code, answer.json()["code"]) == (409, "root_key_away")
        assert (await member.get("/organisation"))["id"] == member.org
        assert (await member.get(KEYS))["waiting"] == {"card": True, "statements": 0, "more": False}
        invited = await member.http.post("/invitations", json={})
        assert (invited.status_code, invited.json()["code"]) == (409, "root_key_away")
        assert "1 taken, 0 refused" in await sign(member)
        assert (await member.get(KEYS))["waiting"] == {"card": False, "statements": 0, "more": False}
        assert (await member.http.post("/invitations", json={})).status_code == 201
    finally:
        await member.stop()


@pytest.fixture
async def trio(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AwayTrio]:
    """Three nodes on SQLite, or those whose roots are away each on a Postgres database of its own."""
    three = AwayTrio(tmp_path)
    if request.param == "postgres":
        postgres = request.getfixturevalue("postgres")
        three.databases = {org: postgres.new() for org in three.away}
    try:
        await three.start()
        yield three
    finally:
        await three.stop()


async def current(member: Member) -> str:
    kid: str = (await member.get(KEYS))["items"][0]["kid"]
    return kid


async def speaks(member: Member, execution: str, kid: str, event: str = "key_rotated") -> bool | None:
    items = (await member.get(f"/executions/{execution}/timeline"))["items"]
    events = [one for item in items for one in item["events"]]
    return any((one["type"], one.get("kid")) == (event, kid) for one in events) or None


@pytest.mark.parametrize(("trio", "org"), [("sqlite", SUPPLIER), ("postgres", BUYER)], indirect=["trio"])
async def test_a_stolen_key_is_replaced_by_one_trip_to_an_offline_machine(
    trio: AwayTrio, org: str, tmp_path: Path
) -> None:
    """A participant's and the coordinator's: until the root has signed, all goes on under the key before."""
    member, carrier = trio.members[org], trio.members[CARRIER]
    executions = [await trio.begin(DEFINITION) for _ in range(2)]
    stolen = await current(member)
    said = await tally(member, "revoke", "--key", stolen, "--reason", "compromised")
    assert "NOT YET IN EFFECT" in said
    fresh = await current(member)
    keys = await member.get(KEYS)
    assert keys["waiting"] == {"card": True, "statements": 4, "more": False}
    waiting = (await member.get(f"/executions/{executions[0]}/waiting"))["items"]
    assert {one["what"] for one in waiting} >= {
        "root key's signature of rotate_key",
        "root key's signature of revoke_key",
    }
    refused = await member.http.post("/collaborations", json={"definition": DEFINITION})
    assert (refused.status_code, refused.json()["code"]) == (409, "root_key_away"), "a revoked key agrees to nothing"
    assert not await speaks(carrier, executions[0], fresh)

    asked, signed = tmp_path / "to sign.json", tmp_path / "signed 已签.json"
    await tally(member, "sign", "--to", str(asked))
    shown = await tally(
        member, "sign", "--root-key", str(file_of(member)), "--from", str(asked), "--to", str(signed), "--yes",
        network=False,
    )  # fmt: skip
    assert shown.count(f"REVOKE key {stolen}") == 2
    assert shown.count(fresh) == 3, "a card and two rotations"
    await member.kill()
    await member.start()
    assert "5 taken, 0 refused" in await tally(member, "sign", "--from", str(signed))
    await member.kill()  # what was taken is durable, whatever became of it
    await member.start()
    for execution in executions:
        for one in trio.members.values():
            await until(partial(speaks, one, execution, fresh))
            await until(partial(speaks, one, execution, stolen, "key_revoked"))
    again = await tally(member, "sign", "--from", str(signed), status=1)
    assert "0 taken, 5 refused" in again, "what was taken once is not wanted a second time"
    seen = await trio.play(executions[0])
    assert {one["status"] for one in seen.values()} == {"completed"}
    assert len({one["root"] for one in seen.values()}) == 1

    async def forgotten() -> bool | None:
        items = (await member.get(KEYS))["items"]
        return [one["is_held"] for one in items] == [True, False] or None

    await until(forgotten)
    third = await trio.begin(DEFINITION)
    document = (await carrier.get(f"/collaborations/{third}/agreement"))["agreement"]
    (named,) = [one for one in document["participants"] if one["org_id"] == org]
    assert [one["kid"] for one in named["signing_keys"]] == [fresh]
    for name in trio.away:
        holds_no_root(trio.members[name])


def holds_no_root(member: Member) -> None:
    """Neither the file nor the log has the root key's secret half."""
    seed = root_key.read(file_of(member), PHRASE).key.seed
    plain = vault.unlock((member.data / "keystore.json").read_bytes(), member.passphrase)
    logged = member.log_bytes()
    for form in (seed, seed.hex().encode(), base64.b64encode(seed).rstrip(b"="), base64.urlsafe_b64encode(seed)[:-1]):
        assert form not in plain
        assert form not in logged
    assert Keystore.open(member.data / "keystore.json", member.passphrase).root_key is None


async def test_a_node_killed_while_it_takes_signatures_takes_each_once(tmp_path: Path) -> None:
    """Before, within or after the commit: what was lost is brought again, what was not is refused."""
    pair = Pair(tmp_path)
    buyer, supplier = pair.members.values()
    try:
        await pair.start()
        await pair.meet()
        executions = [await pair.begin(TALK) for _ in range(2)]
        signed, kids = tmp_path / "signed.json", []
        for delay in (0.005, 0.03):
            kids.append((await buyer.post(KEYS, {"overlap": 0}))["items"][0]["kid"])
            await tally(buyer, "sign", "--to", str(tmp_path / "asked.json"))
            files = ("--from", str(tmp_path / "asked.json"), "--to", str(signed))
            await tally(buyer, "sign", "--root-key", str(file_of(buyer)), *files, "--yes", network=False)
            tokens = json.loads(signed.read_text())["tokens"]
            bringing = asyncio.create_task(buyer.http.post(f"{KEYS}/pending", json={"tokens": tokens}))
            await asyncio.sleep(delay)
            await buyer.kill()
            await asyncio.gather(bringing, return_exceptions=True)
            await buyer.start()
            answer = await buyer.post(f"{KEYS}/pending", {"tokens": tokens})
            assert {one["code"] for one in answer["items"]} <= {None, "not_wanted", "already_signed"}
            assert answer["waiting"] == {"card": False, "statements": 0, "more": False}
            for execution in executions:
                await until(partial(speaks, supplier, execution, kids[-1]))
        for execution in executions:
            items = (await supplier.get(f"/executions/{execution}/timeline"))["items"]
            rotated = [event["kid"] for one in items for event in one["events"] if event["type"] == "key_rotated"]
            assert rotated == kids
    finally:
        await pair.stop()


class Pair(AwayTrio):
    """Two that have never met; the buyer's root is away from the beginning."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, names={org: NAMES[org] for org in (BUYER, SUPPLIER)})

    async def start(self, prepare: Any = None) -> None:
        buyer, supplier = self.members.values()
        await asyncio.gather(init_away(buyer), supplier.init())
        await asyncio.gather(buyer.start(), supplier.start())
        await self.has_its_first_card(buyer)

    async def meet(self) -> None:
        """The buyer invites; both compare the digits."""
        buyer, supplier = self.members.values()
        made = await buyer.post("/invitations", {})
        shown = await supplier.post("/invitations/accept", {"invitation": made["invitation"]})
        for one, other in ((buyer, SUPPLIER), (supplier, BUYER)):
            assert (await one.get(f"/partners/{other}"))["fingerprint"] == shown["fingerprint"]
            await one.post(f"/partners/{other}/confirm", {"fingerprint": shown["fingerprint"]})
        for one, other in ((buyer, SUPPLIER), (supplier, BUYER)):
            await until(partial(linked, one, other))


async def linked(member: Member, org: str) -> bool | None:
    found = await member.get(f"/partners/{org}")
    return (found["connected"] and found["incoming"]) or None


async def follows(member: Member, org: str, kid: str) -> bool | None:
    """Whether a member knows a partner by that key: it is what its agreements name."""
    drafted = await member.http.post("/collaborations", json={"definition": TALK})
    assert drafted.status_code in {200, 201}, drafted.text
    path = f"/collaborations/{drafted.json()['collaboration_id']}"
    document = (await member.get(f"{path}/agreement"))["agreement"]
    await member.post(f"{path}/terminate", {"reason": "a look"})
    named = {one["org_id"]: [key["kid"] for key in one["signing_keys"]] for one in document["participants"]}
    return named[org] == [kid] or None


async def test_two_meet_while_a_root_is_away_and_the_other_is_taken_out_later(tmp_path: Path) -> None:
    """The fingerprint binds both root keys; a card that is signed later reaches the partner."""
    pair = Pair(tmp_path)
    buyer, supplier = pair.members.values()
    try:
        await pair.start()
        await pair.meet()
        moving = ("root", "take-out", "--data", str(supplier.data), "--root-key", str(file_of(supplier)))
        assert "stop it first" in await tally(supplier, *moving, status=1, network=False)
        assert not file_of(supplier).exists()
        await supplier.stop()
        assert "in" in await tally(supplier, *moving, network=False)
        await supplier.start()
        holds_no_root(supplier)
        kid = (await supplier.post(KEYS))["items"][0]["kid"]
        assert not await follows(buyer, SUPPLIER, kid)
        assert "1 taken, 0 refused" in await sign(supplier)
        await until(partial(follows, buyer, SUPPLIER, kid))

        await supplier.stop()
        back = ("root", "put-back", "--data", str(supplier.data), "--root-key", str(file_of(supplier)))
        await tally(supplier, *back, network=False)
        await supplier.start()
        assert not (await supplier.get(KEYS))["root"]["is_away"]
        assert "nothing waits" in await sign(supplier)
        kid = (await supplier.post(KEYS))["items"][0]["kid"]
        await until(partial(follows, buyer, SUPPLIER, kid))
    finally:
        await pair.stop()
