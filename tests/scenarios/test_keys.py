"""Keys are replaced and revoked while three nodes collaborate; the record holds, and its evidence passes."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.chain import LocalChain
from support.hostile import Author
from support.impostor import Impostor
from support.parties import BUYER, CARRIER, DEFINITION, SUPPLIER
from support.trio import Member, Trio, each_effect_once, until
from tallystick.core import canonical, jws
from tallystick.core.head import read_refusal
from tallystick.core.statement import STATEMENT
from tallystick.ledger.audit.trust import Organisation, Trust
from tallystick.ledger.audit.verify import verify
from tallystick.node.record import messages as m
from tallystick.tenants.keystore import Keystore

pytestmark = pytest.mark.timeout(240)
OFF_CHAIN = set(range(13, 19))


ON_BOTH = pytest.mark.parametrize("trio", ["sqlite", "postgres"], indirect=True)


@pytest.fixture
async def trio(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Trio]:
    """Three nodes on SQLite, or each on a Postgres database of its own."""
    three = Trio(tmp_path)
    if getattr(request, "param", "sqlite") == "postgres":
        postgres = request.getfixturevalue("postgres")
        three.databases = {org: postgres.new() for org in three.members}
    try:
        await three.start()
        yield three
    finally:
        await three.stop()


async def evidence(trio: Trio, execution: str, org: str = BUYER) -> dict[str, Any]:
    bundle: dict[str, Any] = await trio.members[org].get(f"/executions/{execution}/evidence")
    return bundle


async def passes(trio: Trio, bundle: dict[str, Any]) -> None:
    """An auditor who has the three root keys finds nothing wrong."""
    cards = [await one.get("/organisation/card") for one in trio.members.values()]
    known = [
        Organisation(org_id=one["id"], name=one["name"], root_key=one["public_key"], chain_org=one["chain_org"])
        for one in cards
    ]
    report = verify(canonical.encode(bundle), Trust(v=1, organisations=known))
    assert {one.number for one in report.checks if one.status != "PASS"} <= OFF_CHAIN, report.checks
    assert report.verdict != "FAIL"


def signers(bundle: dict[str, Any], org: str) -> list[str]:
    """The keys that signed the statements of ``org``, rotations left out, in the log's order."""
    tokens = [jws.read(bundle["statements"][entry["statement_id"]], STATEMENT) for entry in bundle["entries"]]
    return [one.kid for one in tokens if one.payload["iss"] == org and not one.payload["kind"].endswith("_key")]


async def ends_well(trio: Trio, execution: str, org: str, *kids: str) -> None:
    """All three come to the same end, the named keys have signed in that order, and the evidence passes."""
    seen = await trio.play(execution)
    assert {one["status"] for one in seen.values()} == {"completed"}
    assert len({one["root"] for one in seen.values()}) == 1
    await each_effect_once(trio, execution)
    bundle = await evidence(trio, execution)
    used = signers(bundle, org)
    assert used == sorted(used, key=kids.index), "once replaced, a key signs no more"
    assert set(used) == set(kids)
    await passes(trio, bundle)


@ON_BOTH
@pytest.mark.parametrize("org", [SUPPLIER, BUYER])
async def test_a_key_is_replaced_while_a_collaboration_runs(trio: Trio, org: str) -> None:
    """A participant's, and the coordinator's own; agreements drafted afterwards name the new one."""
    member = trio.members[org]
    execution = await trio.begin(DEFINITION)
    old = await current(member)
    kid = (await member.post("/organisation/keys", {"overlap": 5}))["items"][0]["kid"]
    await until(partial(_knows, trio.members[CARRIER], execution, kid))
    await ends_well(trio, execution, org, old, kid)

    async def drafted() -> bool | None:
        """Once its new card has come to the buyer, who drafts."""
        second = await trio.begin(DEFINITION)
        document = (await trio.members[CARRIER].get(f"/collaborations/{second}/agreement"))["agreement"]
        (named,) = [one for one in document["participants"] if one["org_id"] == org]
        kids = [one["kid"] for one in named["signing_keys"]]
        assert kids in ([old], [kid])
        return kids == [kid] or None

    await until(drafted)


@ON_BOTH
@pytest.mark.parametrize("org", [SUPPLIER, BUYER])
async def test_a_node_killed_in_the_middle_of_a_rotation_goes_on_with_it(trio: Trio, org: str) -> None:
    member = trio.members[org]
    execution = await trio.begin(DEFINITION)
    old = await current(member)
    kid = (await member.post("/organisation/keys"))["items"][0]["kid"]
    await member.kill()
    await member.start()
    await until(partial(_knows, trio.members[CARRIER], execution, kid))
    assert [one["is_current"] for one in (await member.get("/organisation/keys"))["items"]] == [True, False]
    await ends_well(trio, execution, org, old, kid)
    rotations = [one for one in (await evidence(trio, execution))["entries"] if _is_rotation(one)]
    assert len(rotations) == 1


@ON_BOTH
async def test_a_stolen_key_is_revoked_and_whoever_uses_it_is_told(trio: Trio) -> None:
    member = trio.members[SUPPLIER]
    execution = await trio.begin(DEFINITION)
    stolen = Keystore.open(member.data / "keystore.json", member.passphrase).signing_key
    path = f"/organisation/keys/{stolen.kid}/revocation"
    answer = await trio.members[CARRIER].http.post(path, json={"reason": "compromised"})
    assert answer.status_code == 404, "another's key is not one's own to revoke"
    keys = await member.post(path, {"reason": "compromised", "since": 1})
    kid = keys["items"][0]["kid"]
    await until(partial(_knows, trio.members[BUYER], execution, stolen.kid, "key_revoked"))
    await until(partial(_forgotten, member, stolen.kid))
    await member.stop()
    async with Impostor(member) as impostor:
        seen = await trio.members[BUYER].get(f"/executions/{execution}")
        payload = {
            "v": 1,
            "iss": SUPPLIER,
            "aud": seen["agreement_hash"],
            "kind": "signal",
            "execution": execution,
            "basis": {"term": seen["term"], "size": seen["size"], "root": seen["root"]},
            "body": {"name": "go"},
            "iat": seen["last_updated"],
        }
        await impostor.send(BUYER, m.encode(m.StatementMessage(token=Author(stolen, payload).token())))

        async def told() -> str | None:
            refusals = [read_refusal(one.token)[1] for one in impostor.heard if isinstance(one, m.RefusalMessage)]
            return next((one.code for one in refusals), None)

        assert await until(told) == "key_revoked"
        assert (await trio.members[BUYER].get(f"/executions/{execution}"))["size"] == seen["size"]
    await member.start()
    await ends_well(trio, execution, SUPPLIER, stolen.kid, kid)


async def tally(member: Member, *words: str) -> str:
    """What `tally keys` prints for a member's administrator."""
    password = member.data.with_suffix(".password")
    command = (str(Path(sys.executable).with_name("tally")), "keys", *words)
    rest = ("--node", member.url, "--password-file", str(password))
    process = await asyncio.create_subprocess_exec(*command, *rest, stdout=-1, stderr=-1)
    printed, wrong = await process.communicate()
    assert process.returncode == 0, wrong.decode()
    return printed.decode()


async def test_an_anchor_proves_what_a_stolen_key_had_signed_before(tmp_path: Path) -> None:
    """What an anchor of anybody covers is proven; what came later is not, whatever its holder writes."""
    chain = LocalChain(tmp_path)
    trio = Trio(tmp_path, chain)
    try:
        await chain.start()
        await trio.start()
        member = trio.members[SUPPLIER]
        first = await trio.begin(DEFINITION)
        seen = await trio.play(first)
        await until(partial(_anchored, member, first))
        moment = await _after(chain)
        second = await trio.begin(DEFINITION)
        stolen = await current(member)
        when = datetime.fromtimestamp(moment / 1000, UTC).isoformat()
        report = json.loads(await tally(member, "compromise-report", "--key", stolen, "--since", when, "--json"))
        mine = [one for one in report["items"] if one["what"] == "statement"]
        positions = {(one["execution_id"], one["position"]) for one in mine}
        assert positions == {(first, "proven"), (second, "after")}
        assert {one["proven_by"]["size"] for one in mine if one["proven_by"]} <= {4, seen[SUPPLIER]["size"]}
        assert {one["kind"] for one in report["items"] if one["what"] == "head"} == {"attestation"}
        assert [one["position"] for one in report["anchors"] if one["execution_id"] == first] == ["proven", "proven"]
        text = await tally(member, "compromise-report", "--key", stolen, "--since", when, "--lang", "zh-CN")
        assert "已锚定于区块" in text
        await tally(member, "revoke", "--key", stolen, "--reason", "compromised", "--since", when)
        listed = await tally(member, "list")
        assert "revoked" in listed
        assert "current" in listed
        asked = ("compromise-report", "--key", stolen, "--org", SUPPLIER, "--since", when, "--json")
        partners = json.loads(await tally(trio.members[BUYER], *asked))
        assert [one["id"] for one in partners["items"] if one["position"] == "proven"] == [
            one["id"] for one in mine if one["position"] == "proven"
        ], "a partner's node says the same"
    finally:
        await trio.stop()
        await chain.stop()


async def _after(chain: LocalChain) -> int:
    """A moment (ms) that is later than the last block, whose time counts whole seconds and may run ahead."""
    newest = int((await chain.ask("eth_getBlockByNumber", "latest", False))["timestamp"], 16)

    async def passed() -> int | None:
        now = time.time_ns() // 1_000_000
        return now if now >= (newest + 1) * 1000 else None

    return await until(passed)


async def _anchored(member: Member, execution: str) -> bool | None:
    items = (await member.get(f"/executions/{execution}/anchors"))["items"]
    return [one["state"] for one in items] == ["confirmed", "confirmed"] or None


async def current(member: Member) -> str:
    kid: str = (await member.get("/organisation/keys"))["items"][0]["kid"]
    return kid


async def _forgotten(member: Member, kid: str) -> bool | None:
    items = (await member.get("/organisation/keys"))["items"]
    return any(one["kid"] == kid and not one["is_held"] for one in items) or None


async def _knows(member: Member, execution: str, kid: str, event: str = "key_rotated") -> bool | None:
    items = (await member.get(f"/executions/{execution}/timeline"))["items"]
    events = [one for item in items for one in item["events"]]
    return any((one["type"], one.get("kid")) == (event, kid) for one in events) or None


def _is_rotation(entry: dict[str, Any]) -> bool:
    return any(one["type"] == "key_rotated" for one in entry["events"])
