"""Keys are replaced and revoked while three nodes collaborate; the record holds, and its evidence passes."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

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


@pytest.mark.parametrize("org", [SUPPLIER, BUYER])
async def test_a_key_is_replaced_while_a_collaboration_runs(trio: Trio, org: str) -> None:
    """A participant's, and the coordinator's own; agreements drafted afterwards name the new one."""
    member = trio.members[org]
    execution = await trio.begin(DEFINITION)
    old = await current(member)
    kid = (await member.post("/organisation/keys", {"overlap": 5}))["items"][0]["kid"]
    await until(partial(_knows, trio.members[CARRIER], execution, kid))
    await ends_well(trio, execution, org, old, kid)
    second = await trio.begin(DEFINITION)
    document = (await trio.members[CARRIER].get(f"/collaborations/{second}/agreement"))["agreement"]
    (named,) = [one for one in document["participants"] if one["org_id"] == org]
    assert [one["kid"] for one in named["signing_keys"]] == [kid]


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
