"""The chain beside three real nodes: everything stands on it once, and nobody waits for it when it is gone."""

import asyncio
from functools import partial
from typing import Any

import pytest

from support.chain import LocalChain
from support.parties import BUYER, CARRIER, DEFINITION, NAMES, SUPPLIER
from support.trio import Trio, until, work
from tallystick.ledger import contracts as calls
from tallystick.ledger.chain import Chain
from tallystick.ledger.hashing import unhex

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


@pytest.fixture
def chain(shared_chain: LocalChain) -> LocalChain:
    """Every test here has a definition and collaborations of its own on the same chain."""
    return shared_chain


@pytest.fixture
def trio(shared_anchored: Trio) -> Trio:
    """Give three nodes that anchor on it."""
    return shared_anchored


@pytest.fixture
def definition(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Give one that nobody has registered yet."""
    return {**DEFINITION, "name": f"Order 订单 {request.node.name}"[:100]}


async def all_confirmed(trio: Trio, collaboration: str) -> dict[str, list[dict[str, Any]]]:
    """Each organisation's anchors, as soon as the chain has both of each."""

    async def look() -> dict[str, list[dict[str, Any]]] | None:
        found = {
            org: (await one.get(f"/executions/{collaboration}/anchors"))["items"] for org, one in trio.members.items()
        }
        states = [one["state"] for items in found.values() for one in items]
        return found if states == ["confirmed"] * 2 * len(NAMES) else None

    return await until(look)


async def log_sizes(trio: Trio) -> dict[str, int]:
    """How many leaves each one's log holds; nothing is under way when a test asks first."""
    return {org: (await one.get("/chain"))["log_size"] for org, one in trio.members.items()}


async def proved_by_all(trio: Trio, collaboration: str, before: dict[str, int]) -> None:
    """Each leaf stands on the chain once, the definition is registered, and each node's own verdict is PASS or open
    only where it may not look."""
    await all_confirmed(trio, collaboration)
    for org, one in trio.members.items():
        await until(partial(anchored_once, one, before[org] + 2))
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


async def anchored_once(member: Any, size: int) -> bool | None:
    status = await member.get("/chain")
    assert status["log_size"] == size
    return (status["anchored_size"], status["unsettled"]) == (size, 0) or None


async def on_chain_for_good(member: Any) -> bool | None:
    status = await member.get("/chain")
    return (status["registered"] and not status["unsettled"]) or None


async def registration(member: Any, collaboration: str) -> dict[str, Any] | None:
    found: dict[str, Any] = await member.get(f"/collaborations/{collaboration}")
    return found if found["registration_time"] else None


async def test_registered_started_and_completed_on_the_chain(
    trio: Trio, chain: LocalChain, definition: dict[str, Any]
) -> None:
    sizes = await log_sizes(trio)
    collaboration = await trio.begin(definition)
    await trio.play(collaboration)
    await proved_by_all(trio, collaboration, sizes)
    agreement = (await trio.members[CARRIER].get(f"/collaborations/{collaboration}/agreement"))["agreement"]
    client = Chain(chain.words[1], 31337)
    registry = agreement["anchoring"]["org_registry"]
    for one in agreement["participants"]:
        card = await trio.members[one["org_id"]].get("/organisation/card")
        assert (card["log_key"], card["chain_org"]) == (one["log_key"], one["chain_org"])
        org = unhex(one["chain_org"])
        assert await calls.is_log_key(client, registry, org, one["log_key"])
        assert not await calls.was_log_key(client, registry, org, card["chain_admin"])
    await client.close()


async def test_one_definition_is_registered_once(trio: Trio, definition: dict[str, Any]) -> None:
    first, second = await trio.begin(definition), await trio.begin(definition)
    found = [await until(lambda one=one: registration(trio.members[BUYER], one)) for one in (first, second)]  # type: ignore[misc]
    assert found[0]["workflow_hash"] == found[1]["workflow_hash"]
    assert found[0]["agreement_hash"] != found[1]["agreement_hash"]
    assert found[0]["registration_time"] == found[1]["registration_time"]
    for one in (first, second):
        await trio.play(one)
        await all_confirmed(trio, one)


@pytest.mark.parametrize("moment", ["before the proposal", "in the middle", "before the end is anchored"])
async def test_work_goes_on_without_the_chain_and_catches_up(
    trio: Trio, chain: LocalChain, definition: dict[str, Any], moment: str
) -> None:
    for one in trio.members.values():
        await until(lambda one=one: on_chain_for_good(one))  # type: ignore[misc]
    sizes = await log_sizes(trio)
    await asyncio.sleep(1.5)  # anvil writes its state down once a second: without that, the ether is gone as well
    if moment == "before the proposal":
        await chain.kill()
    collaboration = await trio.begin(definition)
    if moment == "in the middle":
        await chain.kill()
    seen = await trio.play(collaboration)
    if moment == "before the end is anchored":
        await chain.kill()
    assert {one["status"] for one in seen.values()} == {"completed"}

    async def told() -> bool | None:
        status = await trio.members[SUPPLIER].get("/chain")
        return (not status["reachable"] and bool(status["trouble"])) or None

    await until(told)
    waiting = (await trio.members[SUPPLIER].get(f"/executions/{collaboration}/waiting"))["items"]
    on_chain = [item for item in waiting if item["for_whom"] == "chain"]
    assert moment == "before the end is anchored" or "anchor of completion" in {item["what"] for item in on_chain}
    assert all(item["since"] > 0 for item in on_chain)
    await chain.start()
    await proved_by_all(trio, collaboration, sizes)


async def test_what_a_reorganisation_took_is_anchored_and_proved_again(
    trio: Trio, chain: LocalChain, definition: dict[str, Any]
) -> None:
    for one in trio.members.values():
        await until(lambda one=one: on_chain_for_good(one))  # type: ignore[misc]
    sizes, before = await log_sizes(trio), await chain.ask("evm_snapshot")
    collaboration = await trio.begin(definition)
    await trio.play(collaboration)
    await proved_by_all(trio, collaboration, sizes)
    assert await chain.ask("evm_revert", before)
    await proved_by_all(trio, collaboration, sizes)


async def test_a_node_killed_with_its_anchor_under_way_anchors_once(
    trio: Trio, chain: LocalChain, definition: dict[str, Any]
) -> None:
    sizes = await log_sizes(trio)
    await chain.ask("evm_setAutomine", False)  # before there is anything to mine
    collaboration = await trio.begin(definition)
    carrier = trio.members[CARRIER]

    async def sent() -> bool | None:
        found = (await carrier.get(f"/executions/{collaboration}/anchors"))["items"]
        return bool(found and found[0]["state"] == "sent") or None

    await until(sent)
    await carrier.kill()
    await asyncio.sleep(0.2)
    await chain.ask("evm_mine")
    await chain.ask("evm_setAutomine", True)
    await carrier.start()
    await work(trio.members[BUYER])
    await trio.play(collaboration)
    await proved_by_all(trio, collaboration, sizes)


async def test_an_agreement_on_another_chain_is_refused(trio: Trio) -> None:
    """The carrier moves to other contracts; what the buyer then proposes would be anchored where it does not look."""
    carrier = trio.members[CARRIER]
    settings = carrier.data / "settings.json"
    text = settings.read_text()
    ledger = text.split('"execution_ledger": "')[1][:42]
    await carrier.stop()
    settings.write_text(text.replace(ledger, "0x" + "22" * 20))
    await carrier.start()
    proposed = await trio.members[BUYER].post("/collaborations", {"definition": DEFINITION})
    path = f"/collaborations/{proposed['collaboration_id']}"

    async def refused() -> bool | None:
        waiting = (await trio.members[BUYER].get(f"/executions/{proposed['collaboration_id']}/waiting"))["items"]
        tried = {item["for_whom"]: item["tried"] or "" for item in waiting if item["what"] == "consent"}
        return "other_chain" in tried[CARRIER] or None

    try:
        await until(refused)
        assert (await carrier.http.get(path)).status_code == 404
    finally:
        await carrier.stop()
        settings.write_text(text)
