"""What was agreed on anchoring, over three real nodes and a real chain: batches, padding, finality."""

from typing import Any

import pytest

from support.chain import LocalChain
from support.parties import BUYER, DEFINITION, NAMES, SUPPLIER
from support.trio import Member, Trio, until
from tallystick.ledger import contracts as calls
from tallystick.ledger.chain import Chain
from tallystick.ledger.hashing import unhex

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def trio(anchored: Trio) -> Trio:
    """Give three nodes that anchor: each test has its own, because budgets and heartbeats count a whole log."""
    return anchored


async def anchors(member: Member, collaboration: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await member.get(f"/executions/{collaboration}/anchors"))["items"]
    return found


async def in_state(trio: Trio, collaboration: str, *states: str) -> dict[str, list[dict[str, Any]]]:
    """Each organisation's anchors, once each has one of each state."""

    async def look() -> dict[str, list[dict[str, Any]]] | None:
        found = {org: await anchors(one, collaboration) for org, one in trio.members.items()}
        return found if all([one["state"] for one in items] == list(states) for items in found.values()) else None

    return await until(look)


async def verified(trio: Trio, collaboration: str) -> list[dict[str, Any]]:
    """The buyer's own verdict, once everything has come."""
    return await verified_at(trio.members[BUYER], collaboration)


async def verified_at(member: Member, collaboration: str) -> list[dict[str, Any]]:
    """An organisation's own verdict, once everything has come."""

    async def look() -> list[dict[str, Any]] | None:
        found = await member.post(f"/executions/{collaboration}/verify")
        return found["checks"] if found["is_valid"] else None

    return await until(look)


async def sizes(trio: Trio, collaboration: str) -> list[int]:
    """What the chain shows of the three logs."""
    agreement = (await trio.members[BUYER].get(f"/collaborations/{collaboration}/agreement"))["agreement"]
    assert trio.chain
    client = Chain(trio.chain.words[1], 31337)
    ledger = agreement["anchoring"]["execution_ledger"]
    logs = [await calls.log_of(client, ledger, unhex(one["chain_org"])) for one in agreement["participants"]]
    await client.close()
    return [one.size for one in logs]


async def test_a_policy_that_makes_no_sense_is_refused_with_all_that_is_wrong(trio: Trio) -> None:
    policy = {"mode": "batched", "max_leaves": 1, "padding": "twice", "finality": {"confirmations": 0}, "fee": 1}
    body = {"definition": DEFINITION, "terms": {"anchoring": policy}}
    answer = await trio.members[BUYER].http.post("/collaborations", json=body)
    assert answer.status_code == 422
    assert {one["pointer"] for one in answer.json()["errors"]} == {
        "/terms/anchoring/fee",
        "/terms/anchoring/padding",
        "/terms/anchoring/finality/confirmations",
    }
    alone = await trio.members[BUYER].http.post(
        "/collaborations", json={"definition": DEFINITION, "terms": {"anchoring": {"mode": "direct", "max_leaves": 3}}}
    )
    assert [one["pointer"] for one in alone.json()["errors"]] == ["/terms/anchoring/max_leaves"]


async def test_leaves_wait_visibly_for_a_batch_that_is_filled_up(trio: Trio) -> None:
    """By count: the completion makes the batch of two, which is filled up to eight; nobody is told more before."""
    policy = {"mode": "batched", "max_leaves": 2, "max_age_seconds": 604_800, "padding": {"multiple_of": 8}}
    collaboration = await trio.begin(DEFINITION, {"anchoring": policy})
    waiting = await in_state(trio, collaboration, "waiting")
    for member in trio.members.values():
        (start,) = waiting[member.org]
        assert start["due_at"] % 604_800_000 == 0
        items = (await member.get(f"/executions/{collaboration}/waiting"))["items"]
        (waits,) = [one for one in items if one["what"] == "anchor of start"]
        assert (waits["since"], waits["next_try_at"]) == (start["since"], start["due_at"])
        assert "batch" in waits["tried"]
    assert await sizes(trio, collaboration) == [0, 0, 0]
    await trio.play(collaboration)
    await in_state(trio, collaboration, "confirmed", "confirmed")
    assert await sizes(trio, collaboration) == [8, 8, 8]
    await verified(trio, collaboration)
    page = await trio.members[SUPPLIER].http.get(trio.members[SUPPLIER].url + f"/executions/{collaboration}")
    assert page.status_code in {200, 303}


async def test_a_batch_goes_at_the_time_of_the_cadence(trio: Trio) -> None:
    policy = {"mode": "batched", "max_leaves": 4096, "max_age_seconds": 5}
    collaboration = await trio.begin(DEFINITION, {"anchoring": policy})
    await trio.play(collaboration)
    found = await in_state(trio, collaboration, "confirmed", "confirmed")
    for items in found.values():
        assert all(one["since"] >= one["due_at"] for one in items)  # sent no sooner
    await verified(trio, collaboration)


async def test_one_log_serves_executions_that_ask_for_different_things(trio: Trio, chain: LocalChain) -> None:
    """A patient execution's leaf goes with an impatient one's; each counts when its own agreement says."""
    patient = {"mode": "batched", "max_leaves": 4096, "max_age_seconds": 604_800, "finality": "finalized"}
    first = await trio.begin(DEFINITION, {"anchoring": patient})
    await in_state(trio, first, "waiting")
    second = await trio.begin(DEFINITION)
    await in_state(trio, second, "confirmed")
    found = await in_state(trio, first, "mined")
    assert all(items[0]["finality"] == "finalized" for items in found.values())
    await chain.ask("anvil_mine", hex(40))
    await in_state(trio, first, "mined")
    await chain.ask("anvil_mine", hex(40))
    await in_state(trio, first, "confirmed")


async def test_as_many_confirmations_as_agreed(trio: Trio, chain: LocalChain) -> None:
    collaboration = await trio.begin(DEFINITION, {"anchoring": {"finality": {"confirmations": 200}}})
    await in_state(trio, collaboration, "mined")
    items = (await trio.members[SUPPLIER].get(f"/executions/{collaboration}/waiting"))["items"]
    assert any(one["what"] == "anchor of start" and "200" in one["tried"] for one in items)
    await chain.ask("anvil_mine", hex(150))
    await in_state(trio, collaboration, "mined")
    await chain.ask("anvil_mine", hex(50))
    await in_state(trio, collaboration, "confirmed")
    assert len(NAMES) == 3


async def test_no_work_before_the_start_is_anchored_and_nothing_lost_while_the_chain_is_down(
    trio: Trio, chain: LocalChain
) -> None:
    """The chain is killed before the start: nobody has a task, everyone is told why, and no time-out runs."""
    first = await trio.begin(DEFINITION)  # the organisations are registered by then
    await in_state(trio, first, "confirmed")
    await chain.kill()
    collaboration = await trio.begin(DEFINITION, {"anchoring": {"start_anchor": "required"}})
    for member in trio.members.values():

        async def waits(member: Member = member) -> bool | None:
            found = (await member.get(f"/executions/{collaboration}/waiting"))["items"]
            held = [one for one in found if one["what"] == "the start's anchor"]
            return (len(held) == 1 and held[0]["for_whom"] == BUYER and bool(held[0]["since"])) or None

        await until(waits)
        tasks = (await member.get("/tasks"))["items"]
        assert all(one["execution_id"] != collaboration for one in tasks)
    assert len((await trio.members[BUYER].get(f"/executions/{collaboration}/timeline"))["items"]) == 4
    await chain.start()
    await trio.play(collaboration)
    for member in trio.members.values():
        items = (await member.get(f"/executions/{collaboration}/timeline"))["items"]
        assert items[4]["kind"] == "cite_start"
        assert items[4]["events"][0]["type"] == "start_anchored"
    found = await verified(trio, collaboration)
    assert [one["code"] for one in found if one["number"] == 21] == ["cited"]


async def test_a_statement_that_nobody_sequences_is_anchored_by_its_author(trio: Trio) -> None:
    """The coordinator is down for longer than agreed: the supplier's word stands on the chain all the same."""
    collaboration = await trio.begin(DEFINITION, {"limits": {"sequencing_ms": 1_000}})
    await in_state(trio, collaboration, "confirmed")
    supplier = trio.members[SUPPLIER]
    await trio.members[BUYER].kill()
    await supplier.post(f"/executions/{collaboration}/signals", {"name": "late", "data": {"why": "雪"}})

    async def anchored() -> str | None:
        items = await anchors(supplier, collaboration)
        found = [one for one in items if one["kind"] == "submission" and one["state"] == "confirmed"]
        return str(found[0]["statement_id"]) if found else None

    name = await until(anchored)
    await trio.members[BUYER].start()
    await trio.play(collaboration)
    items = (await supplier.get(f"/executions/{collaboration}/timeline"))["items"]
    assert [one["kind"] for one in items if one["statement_id"] == name] == ["signal"]
    found = await verified_at(supplier, collaboration)
    assert [one["code"] for one in found if one["number"] == 20] == ["submitted_heard"]


async def test_a_budget_that_is_used_up_holds_anchors_and_says_so(trio: Trio) -> None:
    """The supplier may spend a wei a day: its anchors wait and say why, the others' do not."""
    supplier = trio.members[SUPPLIER]
    first = await trio.begin(DEFINITION)
    await in_state(trio, first, "confirmed")
    await with_budget(supplier, "1")
    collaboration = await trio.begin(DEFINITION)

    async def held() -> dict[str, Any] | None:
        found = await anchors(supplier, collaboration)
        return found[0] if [one["state"] for one in found] == ["held"] else None

    assert "budget of 1 wei" in (await until(held))["error"]
    status = await supplier.get("/chain")
    assert (status["budget"]["limit"], status["budget"]["alert"]) == ("1", True)
    assert int(status["budget"]["spent"]) > 1  # it was spent before anybody set a limit
    assert status["fee_ceiling"] == str(200 * 10**9)
    items = (await supplier.get(f"/executions/{collaboration}/waiting"))["items"]
    assert any(one["what"] == "anchor of start" and "budget" in one["tried"] for one in items)
    await until(lambda: confirmed(trio.members[BUYER], collaboration))
    await with_budget(supplier, str(10**18))
    await until(lambda: confirmed(supplier, collaboration))
    budget = (await supplier.get("/chain"))["budget"]
    assert (budget["alert"], budget["percent"]) == (False, 0)


async def with_budget(member: Member, wei: str) -> None:
    """The node, restarted with another budget."""
    await member.stop()
    assert wei in await member.tally("settings", "set", f"blockchain.budget.wei={wei}")
    await member.start()


async def confirmed(member: Member, collaboration: str) -> bool | None:
    return [one["state"] for one in await anchors(member, collaboration)] == ["confirmed"] or None
