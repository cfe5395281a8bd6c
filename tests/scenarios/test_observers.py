"""Observers and notifications over real links: who gets what of one execution, and who gets nothing."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from sqlmodel import select

from support.hosted import Hosted, hosting
from support.parties import BUYER, CARRIER, SUPPLIER
from support.trio import until
from tallystick.core.definition.faults import DefinitionErrors
from tallystick.core.errors import NotFound, TallystickError, WrongState
from tallystick.core.statement import Result
from tallystick.node.record import store
from tallystick.node.record.authoring import Saying, say
from tallystick.node.record.unit import Unit
from tallystick.tenants.models.record import EnvelopeRow, OpeningRow, TaskRow

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]
SECRET = "12.50 元 a!b@c$d()e*_,/:;=?@ff[]22"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def three(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[Hosted]]:
    """Three nodes that know each other."""
    async with hosting(tmp_path_factory.mktemp("observers"), BUYER, SUPPLIER, CARRIER) as hosted:
        yield hosted


def definition(**carrier: Any) -> dict[str, Any]:
    """The carrier looks on while the supplier works; the supplier alone asks to be told of activities."""
    form = [{"id": "price", "name": "Price", "property_type": "string", "required": True}]
    work = {"task_type": "activity", "parameters": {"form_properties": form}}
    return {
        "id": "seen",
        "name": "Seen 旁观",
        "participants": [
            {"org_id": BUYER, "role": "buyer", "can_terminate": True},
            {"org_id": SUPPLIER, "role": "supplier", "need_activity_notifications": True},
            {"org_id": CARRIER, "role": "observer", **carrier},
        ],
        "tasks": [
            {"id": "offer", "name": "Offer", "assigned_org": SUPPLIER, **work},
            {"id": "order", "name": "Order", "assigned_org": BUYER, **work},
        ],
    }


def stored(hosted: Hosted) -> bytes:
    """All that the node's database has on disk."""
    path = hosted.settings.database_path
    return b"".join(one.read_bytes() for one in path.parent.glob(path.name + "*"))


async def told(hosted: Hosted, execution: str) -> list[tuple[str, str]]:
    """(type, what it is about) of the notifications of one execution, the oldest first."""
    items = (await hosted.node.services.notifications(hosted.admin, limit=200))["items"]
    found = [one for one in items if one["collaboration_id"] == execution]
    return [(one["notification_type"], one["message"]) for one in reversed(found)]


async def test_an_observer_gets_the_record_and_no_value(three: list[Hosted]) -> None:
    buyer, supplier, observer = three
    execution = await buyer.begin(definition(), {"secret": SECRET}, supplier, observer)
    await supplier.complete("offer", {"price": SECRET}, execution)
    await buyer.complete("order", {"price": SECRET}, execution)
    for one in three:
        await one.ends(execution)

    async def attested() -> dict[str, Any] | None:
        found = await buyer.seen(execution, "completed")
        done = found and {one["org_id"] for one in found["attested_by"] if one["size"] == found["size"]}
        return found if done == {BUYER, SUPPLIER, CARRIER} else None

    ours = await until(attested)
    theirs = await observer.seen(execution, "completed")
    assert theirs is not None
    assert (theirs["size"], theirs["root"]) == (ours["size"], ours["root"])
    assert (await observer.node.services.data(observer.admin, execution))["items"] == []
    assert len((await supplier.node.services.data(supplier.admin, execution))["items"]) == 3
    with observer.node.parts.database.session() as session:
        number = store.load(session, execution).row.number
        for model in (OpeningRow, EnvelopeRow):
            assert not session.exec(select(model).where(model.number == number)).all()
        assert not session.exec(select(TaskRow).where(TaskRow.execution == execution)).all()
    assert [SECRET.encode() in stored(one) for one in three] == [True, True, False]
    assert await told(observer, execution) == [
        ("created", "Seen 旁观"), ("started", "Seen 旁观"), ("completed", "Seen 旁观")
    ]  # fmt: skip


async def test_notifications_reach_those_who_asked(three: list[Hosted]) -> None:
    buyer, supplier, observer = three
    execution = await buyer.begin(definition(), {}, supplier, observer)
    await supplier.complete("offer", {"price": "1"}, execution)
    await buyer.node.services.fail(buyer.admin, (await buyer.task("order", execution))["task_id"], "sold_out", "无")
    for one in three:
        await one.ends(execution, "failed")
    about = {"activity_completed", "activity_failed"}
    found = {one.org: [each for each in await told(one, execution) if each[0] in about] for one in three}
    assert found == {
        BUYER: [],
        SUPPLIER: [("activity_completed", "Offer"), ("activity_failed", "Order")],
        CARRIER: [],
    }


async def test_an_end_is_told_with_its_reason_to_whoever_may_read_it(three: list[Hosted]) -> None:
    buyer, supplier, observer = three
    execution = await buyer.begin(definition(), {}, supplier, observer)
    with pytest.raises(WrongState) as caught:
        await supplier.node.services.terminate(supplier.admin, execution, "x")
    assert caught.value.code == "may_not_terminate"
    await buyer.node.services.terminate(buyer.admin, execution, "不再需要")
    for one, reason in ((buyer, "不再需要"), (supplier, "不再需要"), (observer, None)):
        await one.ends(execution, "terminated")
        items = (await one.node.services.notifications(one.admin))["items"]
        note = next(each for each in items if each["collaboration_id"] == execution)
        assert (note["notification_type"], note["reason"]) == ("terminated", reason)
        assert note["message_type"] == "collaboration_state_change"


async def test_an_observer_does_nothing_else(three: list[Hosted]) -> None:
    buyer, supplier, observer = three
    services = observer.node.services
    made = await buyer.node.services.propose(buyer.admin, definition())
    execution = str(made["execution_id"])
    await until(partial(observer.seen, execution, "created"))
    with pytest.raises(WrongState) as caught:
        await services.propose_change(observer.admin, execution, None, {"retention_days": 7})
    assert caught.value.code == "observes_only"
    for one in (supplier, observer):
        await until(partial(one.seen, execution, "created"))
        await one.node.services.consent(one.admin, execution, "accepted")
    await until(partial(buyer.seen, execution, "ready"))
    await buyer.node.services.start(buyer.admin, execution)
    await until(partial(observer.seen, execution, "running"))
    task = (await supplier.task("offer", execution))["task_id"]
    refused = [
        services.signal_execution(observer.admin, execution, "go"),
        services.suspend_execution(observer.admin, execution, "x"),
        services.cancel_execution(observer.admin, execution, "x"),
        services.terminate(observer.admin, execution, "x"),
        services.start(observer.admin, execution),
    ]
    for asking in refused:
        with pytest.raises(TallystickError):
            await asking
    with pytest.raises(NotFound):
        await services.complete(observer.admin, task, {"price": "1"})

    def overstep(unit: Unit) -> None:
        """What other software at the observer's might say."""
        loaded = store.load(unit, execution)
        body = Result(task="offer.1", attempt=1, status="completed", data={"price": "ab" * 32})
        say(unit, observer.node.parts.context, loaded, Saying(kind="result", make=lambda *_: body, answer_key="x"))

    await observer.node.parts.committer.run(overstep)

    async def void() -> list[str] | None:
        items = (await buyer.node.services.timeline(buyer.admin, execution))["items"]
        return [one["outcome"] for one in items if one["issuer"] == CARRIER and one["kind"] == "result"] or None

    assert await until(void) == ["void:observes_only"]
    await supplier.task("offer", execution)  # it is still the supplier's


@pytest.mark.parametrize(
    ("change", "pointer"),
    [({"can_terminate": True}, "/definition/participants/2/can_terminate"), ({}, "/definition/participants/2/role")],
)
async def test_a_definition_that_gives_an_observer_more_is_refused(
    three: list[Hosted], change: dict[str, Any], pointer: str
) -> None:
    buyer = three[0]
    source = definition(**change)
    if not change:
        source["tasks"][1]["assigned_org"] = CARRIER
    with pytest.raises(DefinitionErrors) as caught:
        await buyer.node.services.propose(buyer.admin, source)
    assert [(one.pointer, one.code) for one in caught.value.errors] == [(pointer, "observes_only")]


async def test_an_observer_may_reject(three: list[Hosted]) -> None:
    buyer, _, observer = three
    made = await buyer.node.services.propose(buyer.admin, definition())
    await until(partial(observer.seen, made["execution_id"], "created"))
    await observer.node.services.consent(observer.admin, made["execution_id"], "rejected", "不旁观")
    await buyer.ends(made["execution_id"], "terminated")
