"""The rules of names.md from the wrong side, between real nodes that keep them."""

import copy
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from support.hosted import Hosted, hosting
from support.parties import BUYER, CARRIER, SUPPLIER, TALK
from support.trio import until
from tallystick.core.definition.faults import DefinitionErrors
from tallystick.core.errors import Forbidden, NotFound, WrongState
from tallystick.core.statement import Result, Terminate
from tallystick.node.record import store
from tallystick.node.record.authoring import Saying, say
from tallystick.node.record.pace import Pace
from tallystick.node.record.unit import Unit
from tallystick.tenants.permissions import Role
from tallystick.tenants.users import Users

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]


class Limited(Hosted):
    """A carrier that approves nothing."""

    def __init__(self, org: str, folder: Path, pace: Pace) -> None:
        super().__init__(org, folder, pace)
        if org == CARRIER:
            self.settings = msgspec.structs.replace(self.settings, capabilities=("data_exchange",))
            self.node = self._made()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def three(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[Hosted]]:
    """Three nodes that know each other; the carrier's card names no capability to approve."""
    async with hosting(tmp_path_factory.mktemp("rules"), BUYER, SUPPLIER, CARRIER, kind=Limited) as hosted:
        yield hosted


def with_carrier() -> dict[str, Any]:
    found = copy.deepcopy(TALK)
    found["participants"].append({"org_id": CARRIER, "role": "carrier"})
    return found


async def outcomes(hosted: Hosted, execution: str, issuer: str, kind: str) -> list[str] | None:
    """What became of an organisation's statements of a kind, once there are some."""
    items = (await hosted.node.services.timeline(hosted.admin, execution))["items"]
    return [one["outcome"] for one in items if (one["issuer"], one["kind"]) == (issuer, kind)] or None


async def test_an_organisation_without_the_capability_is_refused_at_proposal(three: list[Hosted]) -> None:
    buyer = three[0]
    source = with_carrier()
    source["tasks"][0]["assigned_org"] = CARRIER
    with pytest.raises(DefinitionErrors) as caught:
        await buyer.node.services.propose(buyer.admin, source)
    assert [one.code for one in caught.value.errors] == ["missing_capability"]
    assert "approval" in caught.value.errors[0].detail


async def test_an_inactive_organisation_is_refused_at_proposal(three: list[Hosted]) -> None:
    buyer = three[0]
    buyer.node.parts.partners.suspend(SUPPLIER)
    try:
        with pytest.raises(DefinitionErrors) as caught:
            await buyer.node.services.propose(buyer.admin, TALK)
        assert [one.code for one in caught.value.errors] == ["inactive_organisation"]
    finally:
        buyer.node.parts.partners.resume(SUPPLIER)
    stranger = copy.deepcopy(TALK)
    stranger["participants"][1]["org_id"] = stranger["tasks"][0]["assigned_org"] = "nobody"
    with pytest.raises(DefinitionErrors) as caught:
        await buyer.node.services.propose(buyer.admin, stranger)
    assert [one.code for one in caught.value.errors] == ["unknown_organisation"]


async def test_who_may_not_create_proposes_and_changes_nothing(three: list[Hosted]) -> None:
    buyer, supplier, _ = three
    made = await buyer.node.services.propose(buyer.admin, TALK)
    await until(partial(supplier.seen, made["execution_id"], "created"))
    for one in (buyer, supplier):
        users = Users(one.node.parts.database, org_id=one.org, session_secret=b"x" * 32)
        auditor = users.create("auditor", roles=(Role.AUDITOR,))
        with pytest.raises(Forbidden):
            await one.node.services.propose(auditor, TALK)
        with pytest.raises(Forbidden):
            await one.node.services.propose_change(auditor, made["execution_id"], TALK)
        with pytest.raises(Forbidden):
            await one.node.services.consent(auditor, made["execution_id"], "accepted")


async def test_only_participants_read_only_the_assigned_answers_only_who_may_terminates(three: list[Hosted]) -> None:
    buyer, supplier, carrier = three
    execution = await buyer.begin(TALK, {}, supplier)
    assert (await buyer.node.services.start(buyer.admin, execution))["status"] == "in_progress"  # twice is once
    task = (await supplier.task("offer", execution))["task_id"]
    services = carrier.node.services
    for asking in (
        services.collaboration(carrier.admin, execution),
        services.execution(carrier.admin, execution),
        services.timeline(carrier.admin, execution),
        services.data(carrier.admin, execution),
        services.waiting(carrier.admin, execution),
        services.evidence(carrier.admin, execution),
        services.changes(carrier.admin, execution),
    ):
        with pytest.raises(NotFound):
            await asking
    assert execution not in {one["execution_id"] for one in (await services.all_waiting(carrier.admin))["items"]}
    with pytest.raises(NotFound):
        await buyer.node.services.approve(buyer.admin, task)
    with pytest.raises(WrongState) as caught:
        await supplier.node.services.terminate(supplier.admin, execution, "x")
    assert caught.value.code == "may_not_terminate"

    def overstep(unit: Unit, *, kind: str, body: Any, by: Hosted) -> None:
        """What other software would have signed with the organisation's key."""
        loaded = store.load(unit, execution)
        say(unit, by.node.parts.context, loaded, Saying(kind=kind, make=lambda *_: body, answer_key="x"))

    answer = Result(task="offer.1", attempt=1, status="completed", data={"approval_decision": "ab" * 32})
    await buyer.node.parts.committer.run(partial(overstep, kind="result", body=answer, by=buyer))
    ending = Terminate(reason="ab" * 32)
    await supplier.node.parts.committer.run(partial(overstep, kind="terminate", body=ending, by=supplier))
    for one in (buyer, supplier):
        assert await until(partial(outcomes, one, execution, BUYER, "result")) == ["void:not_assigned"]
        assert await until(partial(outcomes, one, execution, SUPPLIER, "terminate")) == ["void:may_not_terminate"]
    await supplier.node.services.approve(supplier.admin, task)
    for one in (buyer, supplier):
        await one.ends(execution)


async def test_a_late_answer_and_a_second_one_are_void_for_all(three: list[Hosted]) -> None:
    """Late: after the time-out. Conflicting: another answer to the same attempt."""
    buyer, supplier, _ = three
    source = copy.deepcopy(TALK)
    source["tasks"][0] |= {"timeout_seconds": 2}
    source["tasks"].append({"id": "more", "name": "More", "task_type": "activity", "assigned_org": BUYER})
    late = await buyer.begin(source, {}, supplier)
    await buyer.ends(late, "failed")

    def answer(unit: Unit, *, execution: str, key: str) -> None:
        loaded = store.load(unit, execution)
        body = Result(task="offer.1", attempt=1, status="completed", data={"approval_decision": key * 32})
        say(unit, supplier.node.parts.context, loaded, Saying(kind="result", make=lambda *_: body, answer_key=key))

    await supplier.node.parts.committer.run(partial(answer, execution=late, key="ab"))
    source["tasks"][0] |= {"timeout_seconds": 600}
    twice = await buyer.begin(source, {}, supplier)
    await supplier.task("offer", twice)
    for key in ("ab", "cd"):
        await supplier.node.parts.committer.run(partial(answer, execution=twice, key=key))

    async def both(one: Hosted) -> list[str] | None:
        items = (await one.node.services.timeline(one.admin, twice))["items"]
        found = [item["outcome"] for item in items if item["task"] == "offer.1" and item["kind"] == "result"]
        return found if len(found) == 2 else None

    for one in (buyer, supplier):
        assert await until(partial(outcomes, one, late, SUPPLIER, "result")) == ["void:closed"]
        assert await until(partial(both, one)) == ["applied", "void:already_answered"]
