"""The chain beside three real nodes: everything stands on it once, and nobody waits for it when it is gone."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from support.chain import LocalChain
from support.parties import BUYER, CARRIER, DEFINITION, NAMES, SUPPLIER
from support.trio import Trio, until, work
from tallystick.ledger import contracts as calls
from tallystick.ledger.chain import Chain
from tallystick.ledger.hashing import unhex

pytestmark = pytest.mark.timeout(180)


async def all_confirmed(trio: Trio, collaboration: str) -> dict[str, list[dict[str, Any]]]:
    """Each organisation's anchors, as soon as the chain has both of each."""

    async def look() -> dict[str, list[dict[str, Any]]] | None:
        found = {
            org: (await one.get(f"/executions/{collaboration}/anchors"))["items"] for org, one in trio.members.items()
        }
        states = [one["state"] for items in found.values() for one in items]
        return found if states == ["confirmed"] * 2 * len(NAMES) else None

    return await until(look)


async def proved_by_all(trio: Trio, collaboration: str) -> None:
    """Each leaf stands on the chain once, the definition is registered, and each node's own verdict is PASS or open
    only where it may not look."""
    await all_confirmed(trio, collaboration)
    for one in trio.members.values():
        await until(lambda one=one: anchored_once(one))  # type: ignore[misc]
    await until(lambda: registered_alike(trio, collaboration))

    async def verified() -> dict[str, Any] | None:
        found = await trio.members[BUYER].post(f"/executions/{collaboration}/verify")
        return found if found["is_valid"] else None

    found = await until(verified)  # the partners' proofs may still be on their way
    assert {check["status"] for check in found["checks"]} == {"PASS"}


async def registered_alike(trio: Trio, collaboration: str) -> bool | None:
    """Whether all three tell of the registration that stands on the chain now."""
    found = [await one.get(f"/collaborations/{collaboration}") for one in trio.members.values()]
    agreement = (await trio.members[BUYER].get(f"/collaborations/{collaboration}/agreement"))["agreement"]
    org = unhex(agreement["participants"][0]["chain_org"])
    registry = agreement["anchoring"]["workflow_registry"]
    assert trio.chain
    client = Chain(trio.chain.words[1], 31337)
    stands = await calls.workflow_registered(client, registry, org, unhex("0x" + found[0]["workflow_hash"]))
    await client.close()
    expected = {(registry, found[0]["workflow_hash"], stands.time * 1000 if stands else None)}
    names = ("contract_address", "workflow_hash", "registration_time")
    return (stands is not None and {tuple(one[name] for name in names) for one in found} == expected) or None


async def anchored_once(member: Any) -> bool | None:
    status = await member.get("/chain")
    assert status["log_size"] == 2
    return (status["anchored_size"], status["unsettled"]) == (2, 0) or None


async def on_chain_for_good(member: Any) -> bool | None:
    status = await member.get("/chain")
    return (status["registered"] and not status["unsettled"]) or None


async def registration(member: Any, collaboration: str) -> dict[str, Any] | None:
    found: dict[str, Any] = await member.get(f"/collaborations/{collaboration}")
    return found if found["registration_time"] else None


async def test_registered_started_and_completed_on_the_chain(anchored: Trio, chain: LocalChain) -> None:
    collaboration = await anchored.begin(DEFINITION)
    await anchored.play(collaboration)
    await proved_by_all(anchored, collaboration)
    agreement = (await anchored.members[CARRIER].get(f"/collaborations/{collaboration}/agreement"))["agreement"]
    client = Chain(chain.words[1], 31337)
    registry = agreement["anchoring"]["org_registry"]
    for one in agreement["participants"]:
        card = await anchored.members[one["org_id"]].get("/organisation/card")
        assert (card["log_key"], card["chain_org"]) == (one["log_key"], one["chain_org"])
        org = unhex(one["chain_org"])
        assert await calls.is_log_key(client, registry, org, one["log_key"])
        assert not await calls.was_log_key(client, registry, org, card["chain_admin"])
    await client.close()


async def test_one_definition_is_registered_once(anchored: Trio) -> None:
    first, second = await anchored.begin(DEFINITION), await anchored.begin(DEFINITION)
    found = [await until(lambda one=one: registration(anchored.members[BUYER], one)) for one in (first, second)]  # type: ignore[misc]
    assert found[0]["workflow_hash"] == found[1]["workflow_hash"]
    assert found[0]["agreement_hash"] != found[1]["agreement_hash"]
    assert found[0]["registration_time"] == found[1]["registration_time"]


@pytest.mark.parametrize("moment", ["before the proposal", "in the middle", "before the end is anchored"])
async def test_work_goes_on_without_the_chain_and_catches_up(anchored: Trio, chain: LocalChain, moment: str) -> None:
    for one in anchored.members.values():
        await until(lambda one=one: on_chain_for_good(one))  # type: ignore[misc]
    await asyncio.sleep(1.5)  # anvil writes its state down once a second: without that, the ether is gone as well
    if moment == "before the proposal":
        await chain.kill()
    collaboration = await anchored.begin(DEFINITION)
    if moment == "in the middle":
        await chain.kill()
    seen = await anchored.play(collaboration)
    if moment == "before the end is anchored":
        await chain.kill()
    assert {one["status"] for one in seen.values()} == {"completed"}

    async def told() -> bool | None:
        status = await anchored.members[SUPPLIER].get("/chain")
        return (not status["reachable"] and bool(status["trouble"])) or None

    await until(told)
    waiting = (await anchored.members[SUPPLIER].get(f"/executions/{collaboration}/waiting"))["items"]
    on_chain = [item for item in waiting if item["for_whom"] == "chain"]
    assert moment == "before the end is anchored" or "anchor of completion" in {item["what"] for item in on_chain}
    assert all(item["since"] > 0 for item in on_chain)
    await chain.start()
    await proved_by_all(anchored, collaboration)


async def test_what_a_reorganisation_took_is_anchored_and_proved_again(anchored: Trio, chain: LocalChain) -> None:
    for one in anchored.members.values():
        await until(lambda one=one: on_chain_for_good(one))  # type: ignore[misc]
    before = await chain.ask("evm_snapshot")
    collaboration = await anchored.begin(DEFINITION)
    await anchored.play(collaboration)
    await proved_by_all(anchored, collaboration)
    assert await chain.ask("evm_revert", before)
    await proved_by_all(anchored, collaboration)


async def test_a_node_killed_with_its_anchor_under_way_anchors_once(anchored: Trio, chain: LocalChain) -> None:
    collaboration = await anchored.begin(DEFINITION)
    carrier = anchored.members[CARRIER]
    await chain.ask("evm_setAutomine", False)

    async def sent() -> bool | None:
        found = (await carrier.get(f"/executions/{collaboration}/anchors"))["items"]
        return bool(found and found[0]["state"] == "sent") or None

    await until(sent)
    await carrier.kill()
    await asyncio.sleep(0.2)
    await chain.ask("evm_mine")
    await chain.ask("evm_setAutomine", True)
    await carrier.start()
    await work(anchored.members[BUYER])
    await anchored.play(collaboration)
    await proved_by_all(anchored, collaboration)


async def test_an_agreement_on_another_chain_is_refused(anchored: Trio, tmp_path: Path) -> None:
    """The carrier moves to other contracts; what the buyer then proposes would be anchored where it does not look."""
    carrier = anchored.members[CARRIER]
    await carrier.stop()
    settings = carrier.data / "settings.json"
    text = settings.read_text()
    ledger = text.split('"execution_ledger": "')[1][:42]
    settings.write_text(text.replace(ledger, "0x" + "22" * 20))
    await carrier.start()
    proposed = await anchored.members[BUYER].post("/collaborations", {"definition": DEFINITION})
    path = f"/collaborations/{proposed['collaboration_id']}"

    async def refused() -> bool | None:
        waiting = (await anchored.members[BUYER].get(f"/executions/{proposed['collaboration_id']}/waiting"))["items"]
        tried = {item["for_whom"]: item["tried"] or "" for item in waiting if item["what"] == "consent"}
        return "other_chain" in tried[CARRIER] or None

    await until(refused)
    assert (await carrier.http.get(path)).status_code == 404
