"""Changed proposals over real nodes: everyone accepts exactly one agreement, whoever is faster."""

import asyncio
import copy
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from support.parties import BUYER, CARRIER, DEFINITION, NAMES, SUPPLIER
from support.trio import Member, Trio, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Trio]:
    """Three nodes for the whole module."""
    three = Trio(tmp_path_factory.mktemp("changes"))
    try:
        await three.start()
        yield three
    finally:
        await three.stop()


async def proposed(stage: Trio, **more: Any) -> str:
    """A proposal of the buyer's that all three know; its path."""
    made = await stage.members[BUYER].post("/collaborations", {"definition": DEFINITION, **more})
    path = f"/collaborations/{made['collaboration_id']}"
    await asyncio.gather(*(known(one, path) for one in stage.members.values()))
    return path


async def known(member: Member, path: str) -> dict[str, Any]:
    """The collaboration, once its first entries are at the member's node."""

    async def look() -> dict[str, Any] | None:
        answer = await member.http.get(path)
        return answer.json() if answer.status_code == 200 and "accepted" in consents(answer.json()).values() else None

    return await until(look)


async def replaced(stage: Trio, path: str) -> set[str]:
    """By what all three have seen it replaced."""
    seen = [await stage.status(one, path, "terminated") for one in stage.members.values()]
    assert {one["outcome"] for one in seen} == {"replaced"}
    return {one["replaced_by"] for one in seen}


def definition(**tasks: dict[str, Any]) -> dict[str, Any]:
    """The usual definition, with members of tasks changed."""
    found = copy.deepcopy(DEFINITION)
    for task in found["tasks"]:
        task.update(tasks.get(task["id"], {}))
    return found


def consents(view: dict[str, Any]) -> dict[str, str]:
    return {one["org_id"]: one["consent"] for one in view["participants"]}


def refused(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    return body


async def test_a_changed_proposal_is_answered_by_all_and_runs(stage: Trio) -> None:
    buyer, supplier, carrier = (stage.members[org] for org in (BUYER, SUPPLIER, CARRIER))
    path = await proposed(stage, input={"note": "先生 x"})
    await carrier.post(f"{path}/consent", {"decision": "accepted"})
    changed = definition(carry={"timeout_seconds": 60, "name": "Carry 运输"})
    changed["participants"][1]["can_terminate"] = True
    terms = {"retention_days": 30, "limits": {"sequencing_ms": 30_000}}
    body = {"definition": changed, "terms": terms, "reason": "更快 a!b@c$d()e*_,/:;=?@ff[]22"}
    made = await supplier.post(f"{path}/changes", body)
    assert await replaced(stage, path) == {made["replaced_by"]}
    new = f"/collaborations/{made['replaced_by']}"
    views = await asyncio.gather(*(known(one, new) for one in stage.members.values()))
    for view in views:
        assert consents(view) == {BUYER: "pending", SUPPLIER: "accepted", CARRIER: "pending"}
        assert (view["version"], view["proposed_by"], view["initiator"]) == (2, SUPPLIER, BUYER)
        assert (view["coordinator"], view["replaces"]) == (BUYER, path.rpartition("/")[2])
        assert view["agreement_hash"] == made["agreement_hash"]
    for language, words in (
        ("en", {"step “Carry 运输” › time-out (s): 100 → 60", "kept for (days): 3650 → 30",
                "participant “Nordic Bearings” › may terminate: no → yes"}),
        ("zh-CN", {"步骤 “Carry 运输” › 超时（秒）：100 → 60", "保留天数：3650 → 30",
                   "参与方 “Nordic Bearings” › 可终止：否 → 是"}),
    ):  # fmt: skip
        answer = await carrier.http.get(f"{new}/changes", headers={"accept-language": language})
        told = answer.json()
        texts = [one["text"] for one in told["items"]]
        assert words <= set(texts), texts
        assert {one["section"] for one in told["items"]} == {"roles", "terms", "definition"}
        assert len(texts) == 6, texts  # a step's name, time-out and reminders, a right, and two terms
    refused(await carrier.http.post(f"{path}/consent", json={"decision": "accepted"}), 409, "wrong_state")
    await carrier.post(f"{new}/consent", {"decision": "accepted"})
    await stage.status(carrier, new, "created")
    refused(await buyer.http.post(f"{new}/start", json={}), 409, "wrong_state")
    await buyer.post(f"{new}/consent", {"decision": "accepted"})
    for one in stage.members.values():
        await stage.status(one, new, "ready")
    refused(await supplier.http.post(f"{new}/start", json={}), 409, "wrong_state")
    await buyer.post(f"{new}/start")
    seen = await stage.play(made["replaced_by"])
    assert len({(one["size"], one["root"], one["status"], one["agreement_hash"]) for one in seen.values()}) == 1
    data = (await supplier.get(f"/executions/{made['replaced_by']}/data"))["items"]
    assert "先生 x" in [one["value"] for one in data]  # the initiator's input went over to the changed proposal
    reasons = (await carrier.get(f"/executions/{path.rpartition('/')[2]}/data"))["items"]
    assert [one["value"] for one in reasons] == [body["reason"]]


async def test_of_two_changes_the_first_in_the_log_counts(stage: Trio) -> None:
    path = await proposed(stage)
    bodies = {org: {"terms": {"retention_days": days}} for org, days in ((SUPPLIER, 10), (CARRIER, 20))}
    with stage.members[BUYER].paused():  # so that neither author hears of the other's change before its own is made
        asking = [stage.members[org].post(f"{path}/changes", body) for org, body in bodies.items()]
        made = {one["replaced_by"]: one for one in await asyncio.gather(*asking)}
    (winner,) = await replaced(stage, path)
    assert winner in made
    for member in stage.members.values():
        view = await known(member, f"/collaborations/{winner}")
        assert view["agreement_hash"] == made[winner]["agreement_hash"]

        async def both(member: Member = member) -> dict[str, str] | None:
            items = (await member.get(f"/executions/{path.rpartition('/')[2]}/timeline"))["items"]
            found = {one["issuer"]: one["outcome"] for one in items if one["kind"] == "change"}
            return found if len(found) == 2 else None

        outcomes = await until(both)
        assert sorted(outcomes.values()) == ["applied", "void:closed"]
        assert outcomes[view["proposed_by"]] == "applied"
        (loser,) = set(made) - {winner}
        assert (await member.http.get(f"/collaborations/{loser}")).status_code == 404


async def test_a_change_against_the_last_acceptance(stage: Trio) -> None:
    """Whichever is sequenced first decides, for all alike."""
    buyer, supplier, carrier = (stage.members[org] for org in (BUYER, SUPPLIER, CARRIER))
    path = await proposed(stage)
    await supplier.post(f"{path}/consent", {"decision": "accepted"})
    accepting = carrier.post(f"{path}/consent", {"decision": "accepted"})
    changing = buyer.http.post(f"{path}/changes", json={"terms": {"retention_days": 5}})
    _, answer = await asyncio.gather(accepting, changing)
    if answer.status_code == 201:
        assert await replaced(stage, path) == {answer.json()["replaced_by"]}
        view = await known(carrier, f"/collaborations/{answer.json()['replaced_by']}")
        assert consents(view) == {BUYER: "accepted", SUPPLIER: "pending", CARRIER: "pending"}
    else:
        refused(answer, 409, "wrong_state")
        for member in stage.members.values():
            await stage.status(member, path, "ready")


async def test_a_change_against_a_rejection(stage: Trio) -> None:
    supplier, carrier = stage.members[SUPPLIER], stage.members[CARRIER]
    path = await proposed(stage)
    rejecting = carrier.post(f"{path}/consent", {"decision": "rejected", "reason": "不"})
    changing = supplier.post(f"{path}/changes", {"terms": {"retention_days": 5}})
    _, made = await asyncio.gather(rejecting, changing)
    seen = [await stage.status(one, path, "terminated") for one in stage.members.values()]
    (outcome,) = {one["outcome"] for one in seen}
    if outcome == "replaced":
        await asyncio.gather(*(known(one, f"/collaborations/{made['replaced_by']}") for one in stage.members.values()))
    else:
        assert outcome == "consent_rejected"
        await asyncio.sleep(1)
        for one in stage.members.values():
            assert (await one.http.get(f"/collaborations/{made['replaced_by']}")).status_code == 404


async def test_a_change_may_drop_a_participant_and_be_changed_again(stage: Trio) -> None:
    buyer, supplier, carrier = (stage.members[org] for org in (BUYER, SUPPLIER, CARRIER))
    path = await proposed(stage)
    two = {**definition(), "participants": DEFINITION["participants"][:2]}
    two["tasks"] = [one for one in two["tasks"] if one["assigned_org"] != CARRIER]
    second = (await supplier.post(f"{path}/changes", {"definition": two}))["replaced_by"]
    await known(buyer, f"/collaborations/{second}")
    third = await buyer.post(f"/collaborations/{second}/changes", {"terms": {"retention_days": 40}})
    assert third["version"] == 3
    view = await known(supplier, f"/collaborations/{third['replaced_by']}")
    assert consents(view) == {BUYER: "accepted", SUPPLIER: "pending"}
    told = await supplier.get(f"/collaborations/{third['replaced_by']}/changes")
    assert [one["pointer"] for one in told["items"]] == ["/retention_days"]
    assert (await stage.status(carrier, path, "terminated"))["replaced_by"] == second
    for gone in (second, third["replaced_by"]):
        assert (await carrier.http.get(f"/collaborations/{gone}")).status_code == 404
    await supplier.post(f"/collaborations/{third['replaced_by']}/consent", {"decision": "accepted"})
    await stage.status(buyer, f"/collaborations/{third['replaced_by']}", "ready")


async def test_who_may_not_change_what(stage: Trio) -> None:
    buyer, supplier, carrier = (stage.members[org] for org in (BUYER, SUPPLIER, CARRIER))
    path = await proposed(stage)
    some = {"terms": {"retention_days": 40}}
    await carrier.post(f"{path}/consent", {"decision": "accepted"})
    refused(await carrier.http.post(f"{path}/changes", json=some), 409, "already_answered")  # signed, on its way

    async def accepted() -> bool | None:
        return consents(await carrier.get(path))[CARRIER] == "accepted" or None

    await until(accepted)
    refused(await carrier.http.post(f"{path}/changes", json=some), 409, "already_answered")
    without = {**definition(), "participants": DEFINITION["participants"][1:]}
    without["tasks"] = [one for one in without["tasks"] if one["assigned_org"] == CARRIER]
    answer = await supplier.http.post(f"{path}/changes", json={"definition": without})
    assert refused(answer, 422, "not_a_participant")["pointer"] == "/definition/participants"
    lonely = {**without, "participants": [DEFINITION["participants"][0], DEFINITION["participants"][2]]}
    answer = await supplier.http.post(f"{path}/changes", json={"definition": lonely})
    refused(answer, 422, "not_a_participant")
    for terms in ({"retention_days": 0}, {"limits": {"skew_ms": 0}}, {"coordinator": SUPPLIER}):
        answer = await supplier.http.post(f"{path}/changes", json={"terms": terms})
        assert (answer.status_code, answer.json()["pointer"][:6]) == (422, "/terms"), answer.text
    await supplier.post(f"{path}/consent", {"decision": "accepted"})
    await stage.status(buyer, path, "ready")
    refused(await buyer.http.post(f"{path}/changes", json=some), 409, "wrong_state")
    refused(await buyer.http.post(f"/collaborations/{'0' * 64}/changes", json=some), 404, "not_found")


@pytest.mark.parametrize("org", [BUYER, SUPPLIER])
async def test_a_change_survives_kills(stage: Trio, org: str) -> None:
    """Author or coordinator, wherever it is killed: the change is replaced by what it names, once, at all three."""
    path = await proposed(stage)
    made = await stage.members[SUPPLIER].post(f"{path}/changes", {"terms": {"retention_days": 8}})
    for _ in range(2):
        await asyncio.sleep(0.02)
        await stage.members[org].kill()
        await stage.members[org].start()
    assert await replaced(stage, path) == {made["replaced_by"]}
    for one in stage.members.values():
        assert (await known(one, f"/collaborations/{made['replaced_by']}"))["version"] == 2


async def test_a_rejection_says_why(stage: Trio) -> None:
    path = await proposed(stage)
    for body in ({"decision": "rejected"}, {"decision": "rejected", "reason": " "}):
        answer = await stage.members[CARRIER].http.post(f"{path}/consent", json=body)
        assert refused(answer, 422, "reason_required")["pointer"] == "/reason"


async def test_a_repeated_change_is_proposed_once(stage: Trio) -> None:
    supplier = stage.members[SUPPLIER]
    path = await proposed(stage)
    body, headers = {"terms": {"retention_days": 9}}, {"idempotency-key": "a change once"}
    answers = [await supplier.http.post(f"{path}/changes", json=body, headers=headers) for _ in NAMES]
    assert {one.status_code for one in answers} == {201}
    assert len({one.content for one in answers}) == 1
    assert await replaced(stage, path) == {answers[0].json()["replaced_by"]}
