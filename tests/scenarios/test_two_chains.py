"""One organisation log on two chains: the same heads on both, each one's state told, evidence on either."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.chain import LocalChain
from support.parties import BUYER, CARRIER, DEFINITION, SUPPLIER
from support.trio import Member, Trio, until

pytestmark = pytest.mark.timeout(300)
SECOND = 31338
NOT_ALL_SEEN = (9, 10, 11)  # of values, some are not for everybody


@pytest.fixture
async def chains(tmp_path: Path) -> AsyncIterator[tuple[LocalChain, LocalChain]]:
    """Give two chains with contracts of their own."""
    second = tmp_path / "second"
    second.mkdir()
    both = LocalChain(tmp_path), LocalChain(second, SECOND)
    for one in both:
        await one.start()
    try:
        yield both
    finally:
        for one in both:
            await one.stop()


@pytest.fixture
async def trio(chains: tuple[LocalChain, LocalChain], tmp_path: Path) -> AsyncIterator[Trio]:
    """Give three nodes that anchor on both."""
    first, second = chains
    first.also = [second]
    three = Trio(tmp_path, first)
    try:
        await three.start()
        await funded(three, second)
        yield three
    finally:
        await three.stop()


async def funded(trio: Trio, chain: LocalChain) -> None:
    """Everyone's account has ether there too."""
    cards = [await one.get("/organisation/card") for one in trio.members.values()]
    await chain.fund(*(card["chain_admin"] for card in cards))


async def states(member: Member, collaboration: str) -> list[list[str]]:
    """Of each leaf: its state on the first chain, and on the second."""
    items = (await member.get(f"/executions/{collaboration}/anchors"))["items"]
    return [[one["state"], *(other["state"] for other in one["also"])] for one in items]


async def in_states(trio: Trio, collaboration: str, *wanted: list[str]) -> None:
    async def look() -> bool | None:
        found = [await states(one, collaboration) for one in trio.members.values()]
        return all(one == list(wanted) for one in found) or None

    await until(look)


async def evidence(member: Member, collaboration: str, chain_id: int | None = None) -> dict[str, Any]:
    """A bundle, and what its exporter's own node says of it."""
    query = f"?chain_id={chain_id}" if chain_id else ""
    answer = await member.http.get(f"/executions/{collaboration}/evidence{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def passes(member: Member, collaboration: str, chain_id: int) -> dict[str, Any]:
    """The bundle on that chain, once everything about it passes but what this organisation may not see."""

    async def look() -> dict[str, Any] | None:
        found = await member.http.get(f"/executions/{collaboration}/evidence?chain_id={chain_id}")
        headers = {"content-type": "application/json"}
        verdict = await member.http.post("/verifications", content=found.content, headers=headers)
        statuses = {one["number"]: one["status"] for one in verdict.json()["checks"]}
        for number in NOT_ALL_SEEN:
            del statuses[number]
        return found.json() if set(statuses.values()) == {"PASS"} else None

    return await until(look)


async def test_the_same_log_stands_on_both_and_evidence_names_either(trio: Trio) -> None:
    collaboration = await trio.begin(DEFINITION)
    agreement = (await trio.members[CARRIER].get(f"/collaborations/{collaboration}/agreement"))["agreement"]
    assert [one["chain_id"] for one in agreement["anchoring"]["also"]] == [SECOND]
    await trio.play(collaboration)
    await in_states(trio, collaboration, ["confirmed", "confirmed"], ["confirmed", "confirmed"])
    for chain_id in (31337, SECOND):
        for member in trio.members.values():
            bundle = await passes(member, collaboration, chain_id)
            assert {one["chain_id"] for one in bundle["anchors"]} == {chain_id}
            assert len(bundle["anchors"]) == 6
    assert await evidence(trio.members[BUYER], collaboration) != {}
    answer = await trio.members[BUYER].http.get(f"/executions/{collaboration}/evidence?chain_id=5")
    assert answer.status_code == 422
    status = await trio.members[SUPPLIER].get("/chain")
    (also,) = status["also"]
    assert (also["chain_id"], also["org_id"], also["anchored_size"]) == (SECOND, status["org_id"], 2)


async def test_one_chain_down_holds_up_the_other_in_nothing(trio: Trio, chains: tuple[LocalChain, LocalChain]) -> None:
    """Even a start that must be anchored first: a citation of the chain that stands will do."""
    before = await trio.begin(DEFINITION)  # everyone is registered on both by then
    await in_states(trio, before, ["confirmed", "confirmed"])
    await chains[0].kill()
    collaboration = await trio.begin(DEFINITION, {"anchoring": {"start_anchor": "required"}})
    await trio.play(collaboration)
    found = await states(trio.members[BUYER], collaboration)
    assert [one[0] == "confirmed" for one in found] == [False, False]
    timeline = (await trio.members[SUPPLIER].get(f"/executions/{collaboration}/timeline"))["items"]
    (cited,) = [event for one in timeline for event in one["events"] if event["type"] == "start_anchored"]
    assert cited["chain_id"] == SECOND
    await chains[0].start()
    await in_states(trio, collaboration, ["confirmed", "confirmed"], ["confirmed", "confirmed"])
    await passes(trio.members[BUYER], collaboration, SECOND)


async def test_a_chain_that_joins_later_gets_the_whole_log(
    chains: tuple[LocalChain, LocalChain], tmp_path: Path
) -> None:
    """By `tally settings add-chain`; what is agreed from then on names it too, and what was before stands on it."""
    first, second = chains
    three = Trio(tmp_path, first)
    try:
        await three.start()
        await funded(three, second)
        before = await three.begin(DEFINITION)
        await three.play(before)
        await in_states(three, before, ["confirmed"], ["confirmed"])
        contracts = str(second.contracts)
        for member in three.members.values():
            await member.stop()
            said = await member.tally("settings", "add-chain", "--url", second.words[1], "--contracts", contracts)
            assert f"blockchain.also.{SECOND}.gas_limit" in said
            await member.start()
        await in_states(three, before, ["confirmed", "confirmed"], ["confirmed", "confirmed"])
        after = await three.begin(DEFINITION)
        await three.play(after)
        for member in three.members.values():
            await passes(member, after, SECOND)
    finally:
        await three.stop()
