"""A participant turns against the others, with its real keys and its real link: nothing changes, and it is told."""

import asyncio
from typing import Any

import pytest

from support.hostile import FORGERIES, WAITING, Author
from support.impostor import Impostor
from support.parties import BUYER, CARRIER, DEFINITION, NAMES, SUPPLIER
from support.trio import Trio, until, work
from tallystick.core import canonical, entry, head, jws
from tallystick.core.head import read_refusal
from tallystick.node.record import messages as m

pytestmark = pytest.mark.timeout(180)


async def standing(trio: Trio, org: str, collaboration: str) -> tuple[Any, ...]:
    """All of an execution that a message could change."""
    one = trio.members[org]
    seen = await one.get(f"/executions/{collaboration}")
    tasks = [(task["task_id"], task["status"]) for task in (await one.get("/tasks"))["items"]]
    return (seen["size"], seen["root"], seen["status"], seen["dispute"], tasks)


async def good_result(trio: Trio, collaboration: str, key: Any) -> Author:
    """The supplier's approval, as its own node would sign it."""
    seen = await trio.members[BUYER].get(f"/executions/{collaboration}")
    body = {"task": "approve.1", "attempt": 1, "status": "completed", "data": {"approval_decision": "ab" * 32}}
    payload = {
        "v": 1,
        "iss": SUPPLIER,
        "aud": seen["agreement_hash"],
        "kind": "result",
        "execution": collaboration,
        "basis": {"term": seen["term"], "size": seen["size"], "root": seen["root"]},
        "body": body,
        "iat": seen["last_updated"],
    }
    return Author(key, payload)


async def approval_waits(trio: Trio) -> str:
    """A collaboration in which everything waits for the supplier's approval; the supplier's node is stopped."""
    collaboration = await trio.begin(DEFINITION)
    buyer = trio.members[BUYER]

    async def open_task() -> bool | None:
        await work(buyer)
        seen = await buyer.get(f"/collaborations/{collaboration}")
        return any(one["task"] == "approve.1" for one in seen["pending_activities"]) or None

    await until(open_task)
    await trio.members[SUPPLIER].stop()
    await asyncio.sleep(0.5)
    return collaboration


async def test_forged_statements_over_the_real_link(trio: Trio) -> None:
    collaboration = await approval_waits(trio)
    before = await standing(trio, BUYER, collaboration)
    async with Impostor(trio.members[SUPPLIER]) as impostor:
        author = await good_result(trio, collaboration, impostor.key)
        forged = {name: make(author) for name, make in FORGERIES.items()}
        for token in forged.values():
            await impostor.send(BUYER, m.encode(m.StatementMessage(token=token)))
        for junk in (b"", b"{", b'{"v":9}', b"[" * 50_000):
            await impostor.send(BUYER, junk)

        async def answered() -> bool | None:
            codes = {read_refusal(one.token)[1].code for one in impostor.heard if isinstance(one, m.RefusalMessage)}
            return {"unknown_key", "bad_signature", "wrong_audience", "contradictory_basis"} <= codes or None

        await until(answered)

        async def all_that_wait() -> list[dict[str, Any]] | None:
            items = (await trio.members[BUYER].get(f"/executions/{collaboration}/waiting"))["items"]
            found = [item for item in items if item["what"] == "message"]
            return found if len(found) >= len(WAITING) - 1 else None  # one names an execution that does not exist

        waits = await until(all_that_wait)
        assert {item["for_whom"] for item in waits} == {SUPPLIER}
        assert len(waits) == len(WAITING) - 1
        assert await standing(trio, BUYER, collaboration) == before
    await trio.members[SUPPLIER].start()
    await ends_alike(trio, collaboration)


async def test_one_answer_counts_however_often_it_comes(trio: Trio) -> None:
    collaboration = await approval_waits(trio)
    async with Impostor(trio.members[SUPPLIER]) as impostor:
        author = await good_result(trio, collaboration, impostor.key)
        first = author.token()
        second = author.token(body={**author.payload["body"], "data": {"approval_decision": "cd" * 32}})
        for token in (first, second):
            await impostor.send(BUYER, m.encode(m.StatementMessage(token=token)))
        await impostor.send(BUYER, b" " + m.encode(m.StatementMessage(token=first)))  # other bytes, the same statement

        async def both() -> list[Any] | None:
            items = (await trio.members[BUYER].get(f"/executions/{collaboration}/timeline"))["items"]
            found = [item for item in items if item["task"] == "approve.1"]
            return found if len(found) >= 2 else None

        found = await until(both)
        await asyncio.sleep(1)
        items = (await trio.members[BUYER].get(f"/executions/{collaboration}/timeline"))["items"]
        assert [item["task"] for item in items].count("approve.1") == 2
        assert [item["outcome"] == "applied" for item in found] == [True, False]


async def test_entries_that_no_replay_gives_are_refused_by_every_participant(trio: Trio) -> None:
    """The coordinator itself cheats: it leaves its rules aside, and signs a head over what it made up."""
    collaboration = await approval_waits(trio)
    await trio.members[SUPPLIER].start()
    carrier = trio.members[CARRIER]
    size = (await trio.members[BUYER].get(f"/executions/{collaboration}"))["size"]

    async def caught_up() -> bool | None:
        return (await carrier.get(f"/executions/{collaboration}"))["size"] == size or None

    await until(caught_up)
    before = await standing(trio, CARRIER, collaboration)
    agreement = (await carrier.get(f"/executions/{collaboration}"))["agreement_hash"]
    last = (await carrier.get(f"/executions/{collaboration}/timeline"))["items"][-1]
    await trio.members[BUYER].stop()
    async with Impostor(trio.members[BUYER]) as impostor:
        token = jws.sign(
            impostor.key,
            "tally-statement+jwt",
            {
                "v": 1,
                "iss": BUYER,
                "aud": agreement,
                "kind": "terminate",
                "execution": collaboration,
                "basis": None,
                "iat": 1,
                "body": {"reason": "ab" * 32},
            },
        )
        made_up = entry.Entry(
            v=1,
            execution=collaboration,
            term=0,
            seq=size,
            at=last["at"],
            statement_id=jws.read(token, "tally-statement+jwt").id,
            outcome="applied",
            events=[{"type": "closed", "status": "completed"}],
        )
        fake = head.Head(
            v=1,
            iss=BUYER,
            aud=agreement,
            execution=collaboration,
            term=0,
            size=size + 1,
            root="ab" * 32,
            iat=1,
        )
        message = m.EntriesMessage(
            execution=collaboration,
            start=size,
            entries=[canonical.parse(made_up.leaf())],
            statements=[token],
            head=head.sign_head(impostor.key, fake),
        )
        for org in (SUPPLIER, CARRIER):
            await impostor.send(org, m.encode(message))

        async def refused() -> bool | None:
            return "events are not those that replay gives" in carrier.log() or None

        await until(refused)
        assert await standing(trio, CARRIER, collaboration) == before
    await trio.members[BUYER].start()
    await ends_alike(trio, collaboration)


async def ends_alike(trio: Trio, collaboration: str) -> None:
    """The honest rest of the run."""
    seen = await trio.play(collaboration)
    assert len({(one["size"], one["root"], one["status"]) for one in seen.values()}) == 1
    assert {org: one["status"] for org, one in seen.items()} == dict.fromkeys(NAMES, "completed")
