"""The collaboration, played by each organisation's staff through their own node's REST API.

Nobody directs from above: after the start, every member of staff looks at their own inbox in turn and does what is
open there, until their own node says that the collaboration has ended. A node that is down is asked again later, so
that the same loop drives the fault scenarios.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tallystick.core.errors import Unavailable
from tallystick.node.client import POLL, Client, Refused, until

from .documents import Document
from .script import DOCUMENT_OF, Script

ENDED = frozenset({"completed", "failed", "terminated"})
CONFIRMED = "confirmed"
WITHIN = 120.0  # seconds without any progress; a step takes a fraction of one

Item = Mapping[str, Any]
Narrate = Callable[[str, str], None]  # (org_id, what happened)


@dataclass(frozen=True)
class Staff:
    """One person at one organisation, signed in."""

    org_id: str
    client: Client


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How it ended; the two ids name it at every node."""

    collaboration_id: str
    execution_id: str
    status: str
    outcome: str | None
    seconds: float
    held: Mapping[str, str] = field(default_factory=dict)  # tasks left for the reader, by organisation


class Story:
    """One collaboration from proposal to end. `hold` names steps that are left for the reader."""

    def __init__(
        self,
        staff: Sequence[Staff],
        script: Script,
        documents: Mapping[str, Document],
        narrate: Narrate,
        *,
        hold: frozenset[str] = frozenset(),
    ) -> None:
        self._staff = {each.org_id: each for each in staff}
        self._script = script
        self._documents = documents
        self._narrate = narrate
        self._hold = hold
        self._done: set[tuple[str, str]] = set()

    async def play(self, definition: Mapping[str, Any]) -> Ending:
        """Propose, agree, start, work; returns when all nodes agree that it ended (or only held steps are left)."""
        began = time.monotonic()
        initiator = self._staff[str(definition["created_by"])]
        view = await initiator.client.post("/collaborations", {"definition": dict(definition)})
        found = str(view["collaboration_id"])
        self._narrate(initiator.org_id, f"proposes “{definition['name']}”")
        await self._agree(found, initiator)
        await self._begin(found, initiator)
        held = await self._work(found)
        view = await self.look(initiator, found)
        return Ending(
            collaboration_id=found,
            execution_id=str(view["execution_id"]),
            status=str(view["status"]),
            outcome=view["outcome"],
            seconds=time.monotonic() - began,
            held=held,
        )

    async def look(self, who: Staff, collaboration_id: str) -> dict[str, Any]:
        """The collaboration as `who`'s own node shows it."""
        view: dict[str, Any] = await who.client.get(f"/collaborations/{collaboration_id}")
        return view

    async def _agree(self, found: str, initiator: Staff) -> None:
        for org_id in self._script.turns:
            if org_id != initiator.org_id:
                await self._consent(self._staff[org_id], found)

    async def _consent(self, who: Staff, found: str) -> None:
        async def arrived() -> dict[str, Any] | None:
            with contextlib.suppress(Refused):
                return await self.look(who, found)
            return None

        await until(f"the proposal's arrival at {who.org_id}", arrived, within=WITHIN)
        await who.client.post(f"/collaborations/{found}/consent", {"decision": "accepted"})
        self._narrate(who.org_id, "accepts the agreement and signs it")

    async def _begin(self, found: str, initiator: Staff) -> None:
        async def ready() -> str | None:
            status = str((await self.look(initiator, found))["status"])
            return status if status != "created" else None

        await until("everyone's consent", ready, within=WITHIN)
        await initiator.client.post(f"/collaborations/{found}/start", {"input": {}})
        self._narrate(initiator.org_id, "starts the collaboration")

    async def _work(self, found: str) -> dict[str, str]:
        """Everyone's turn, again and again, until each node says that it ended or only held steps are left."""
        quiet_since = time.monotonic()
        while True:
            moved, held = False, dict[str, str]()
            for org_id in self._script.turns:
                moved |= await self._turn(self._staff[org_id], found, held)
            ended = await self._endings(found)
            if len(ended) == len(self._staff) and not moved:
                return {}
            if held and not moved:
                return held
            if moved:
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since > WITHIN:
                raise Unavailable(
                    f"nothing happened for {WITHIN:.0f} s; ended so far: {ended or 'nowhere'}", code="stuck"
                )
            await asyncio.sleep(POLL)

    async def _endings(self, found: str) -> dict[str, str]:
        ended = {}
        for who in self._staff.values():
            with contextlib.suppress(Unavailable):
                status = str((await self.look(who, found))["status"])
                if status in ENDED:
                    ended[who.org_id] = status
        return ended

    async def _turn(self, who: Staff, found: str, held: dict[str, str]) -> bool:
        """What is open in one person's inbox. True when anything was done."""
        moved = False
        with contextlib.suppress(Unavailable):  # the node is down: its turn comes again
            for task in await who.client.items("/tasks"):
                if task["collaboration_id"] == found and (who.org_id, task["task_id"]) not in self._done:
                    moved |= await self._task(who, task, held)
            for note in await who.client.items("/notifications"):
                if note["collaboration_id"] == found and note["requires_acknowledgment"] and not note["acknowledged"]:
                    moved |= await self._acknowledge(who, note)
        return moved

    async def _task(self, who: Staff, task: Item, held: dict[str, str]) -> bool:
        step = str(task["step"])
        if step in self._hold:
            held[who.org_id] = str(task["task_id"])
            return False
        with _another_got_there_first():
            if task["status"] == "open":
                await who.client.post(f"/tasks/{task['task_id']}/claim")
            said = await self._answer(who, task, step)
            self._done.add((who.org_id, str(task["task_id"])))
            self._narrate(who.org_id, said)
            return True
        return False

    async def _answer(self, who: Staff, task: Item, step: str) -> str:
        act = self._acts().get(str(task["task_type"]), self._report)
        return await act(who, task, step)

    def _acts(self) -> Mapping[str, Callable[[Staff, Item, str], Awaitable[str]]]:
        return {"approval": self._decide, "data_exchange": self._send, "notification": self._notify}

    async def _decide(self, who: Staff, task: Item, step: str) -> str:
        accepted = self._script.approvals.get(step, True)
        comments = "Agreed." if accepted else "Not under these terms."
        await who.client.post(f"/tasks/{task['task_id']}/{'approve' if accepted else 'reject'}", {"comments": comments})
        return f"{'approves' if accepted else 'REJECTS'}: {_words(step)}"

    async def _send(self, who: Staff, task: Item, step: str) -> str:
        document = self._documents[DOCUMENT_OF[step]]
        stored = await who.client.upload(document.name, "application/xml", document.data)
        facts = {"number": document.number, "total": document.total, "currency": document.currency}
        asked = {field["id"] for field in task["form"]}
        data: dict[str, Any] = {name: value for name, value in facts.items() if value and name in asked}
        data["document"] = {"$file": {"document_id": stored["document_id"]}}
        await who.client.post(f"/tasks/{task['task_id']}/complete", {"data": data})
        total = f", {document.total} {document.currency or ''}".rstrip() if document.total else ""
        return f"sends {_words(step)} {document.number or document.name} ({len(document.data):,} bytes{total})"

    async def _notify(self, who: Staff, task: Item, step: str) -> str:
        await who.client.post(f"/tasks/{task['task_id']}/complete", {"data": {}})
        return f"notifies: {_words(step)}"

    async def _report(self, who: Staff, task: Item, step: str) -> str:
        await who.client.post(f"/tasks/{task['task_id']}/complete", {"data": {"remarks": f"{_words(step)} done"}})
        return f"completes: {_words(step)}"

    async def _acknowledge(self, who: Staff, note: Item) -> bool:
        with _another_got_there_first():
            await who.client.post(f"/notifications/{note['id']}/acknowledge")
            self._narrate(who.org_id, f"acknowledges “{note['message']}”")
            return True
        return False


def _words(step: str) -> str:
    return step.replace("_", " ")


@contextlib.contextmanager
def _another_got_there_first() -> Iterator[None]:
    """A task may end between being listed and being answered; the next look at the inbox shows where it stands."""
    try:
        yield
    except Refused as error:
        if error.status not in {404, 409}:
            raise


Anchors = dict[str, list[dict[str, Any]]]


async def settled(staff: Sequence[Staff], execution_id: str, *, within: float = WITHIN) -> Anchors:
    """Every organisation's anchors, once all attested the whole record and the chain confirmed start and completion."""
    found: Anchors = {}
    for who in staff:

        async def attested(who: Staff = who) -> bool | None:
            execution = await who.client.get(f"/executions/{execution_id}")
            whole = [each for each in execution["attested_by"] if each["size"] == execution["size"]]
            return len(whole) == len(staff) or None

        async def confirmed(who: Staff = who) -> list[dict[str, Any]] | None:
            items = await who.client.items(f"/executions/{execution_id}/anchors")
            kinds = {each["kind"] for each in items if each["state"] == CONFIRMED}
            return items if {"start", "completion"} <= kinds else None

        await until(f"everyone's attestation at {who.org_id}", attested, within=within)
        found[who.org_id] = await until(f"{who.org_id}'s anchors on the chain", confirmed, within=within)
    return found
