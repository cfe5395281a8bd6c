"""What a broker, or a proxy, acknowledged and then lost is found and sent again, and nobody does anything for it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlmodel import select

from support.fronts import FrontedTrio
from support.hosted import Hosted, hosting
from support.losing import unread
from support.parties import BUYER, CARRIER, NAMES, SUPPLIER
from support.parties import DEFINITION as ORDER
from support.postgres import Postgres
from support.trio import until, work
from tallystick.node.record import comparing, store
from tallystick.node.record import messages as m
from tallystick.node.record.pace import Pace
from tallystick.node.record.unit import Unit
from tallystick.tenants.models.record import PartnerChunkRow, StatementRow, UnattestedRow

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]
PACE = Pace(quiet_ms=500, seldom_ms=2_000, link_ms=500)
NEVER = Pace(quiet_ms=3_600_000, link_ms=0)  # only at a start, and when a link comes up
THREE: list[dict[str, Any]] = [
    {"org_id": BUYER, "role": "buyer", "can_terminate": True},
    {"org_id": SUPPLIER, "role": "supplier"},
    {"org_id": CARRIER, "role": "carrier"},
]
FORM = [{"id": "ok", "name": "OK", "property_type": "boolean", "required": True}]
OK = {"ok": True}


def asks(step: str, org: str) -> dict[str, Any]:
    """A task for somebody's staff."""
    task = {"id": step, "name": f"{step} 查看", "task_type": "activity", "assigned_org": org}
    return {**task, "parameters": {"form_properties": FORM}, "timeout_seconds": 3600}


def of(*tasks: dict[str, Any]) -> dict[str, Any]:
    return {"id": "lossy", "name": "Lossy 丢失", "participants": THREE, "tasks": list(tasks)}


TWO_STEPS = of(asks("order", BUYER), asks("make", SUPPLIER))
DELIVERY: dict[str, Any] = {"id": "papers", "name": "Papers 单据", "task_type": "data_exchange", "assigned_org": BUYER}
DELIVERY |= {"parameters": {"target_orgs": [SUPPLIER]}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def three(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[Hosted]]:
    """Three nodes that know each other and compare every half second what is silent; the buyer's coordinates."""
    async with hosting(tmp_path_factory.mktemp("lost"), BUYER, SUPPLIER, CARRIER, pace=PACE) as hosted:
        yield hosted


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def patient(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[Hosted]]:
    """Three that compare at a start and when a link comes up only."""
    async with hosting(tmp_path_factory.mktemp("patient"), BUYER, SUPPLIER, CARRIER, pace=NEVER) as hosted:
        yield hosted


async def assigned(three: list[Hosted], definition: dict[str, Any] = TWO_STEPS) -> str:
    """Begun, and known to everyone as running."""
    buyer, *others = three
    execution = await buyer.begin(definition, None, *others)
    for one in others:
        await one.ends(execution, "running")
    return execution


async def lose(at: Hosted, of_: str, act: Callable[[], Awaitable[Any]], messages: int = 1) -> None:
    """Have ``act`` bring messages of a partner into the broker of ``at``, which then has them no more."""
    async with unread(at, of_) as stream:
        await act()
        await stream.holds(messages)
        await stream.lose()


async def test_the_entry_that_assigns_a_task(three: list[Hosted]) -> None:
    buyer, supplier, _ = three
    execution = await assigned(three)
    await lose(supplier, BUYER, partial(buyer.complete, "order", OK, execution))
    await supplier.complete("make", OK, execution)
    for one in three:
        await one.ends(execution)


async def test_the_closing_entry_and_an_attestation(three: list[Hosted]) -> None:
    """The carrier has nothing to do here and hears of the end all the same; its own word for it is lost, too."""
    buyer, supplier, carrier = three
    execution = await assigned(three)
    await buyer.complete("order", OK, execution)
    await supplier.task("make", execution)
    await lose(carrier, BUYER, partial(supplier.complete, "make", OK, execution))
    async with unread(supplier, CARRIER) as stream:
        for one in three:
            await one.ends(execution)
        await stream.holds()
        await stream.lose()
    for one in three:
        await until(partial(attested, one, execution))
        assert await one.waiting(execution) == []
    answers = [await asked_to_attest(supplier, by, execution) for by in (BUYER, CARRIER, "stranger")]
    assert answers == [["attestation"], ["attestation"], []]
    assert await asked_to_attest(buyer, CARRIER, execution) == []  # the coordinator's word is its closing head


async def asked_to_attest(one: Hosted, by: str, execution: str) -> list[str]:
    """What the node of ``one`` sends to whoever says that it lacks the attestation."""

    def job(unit: Unit) -> list[str]:
        message = m.HoldingMessage(unattested=[execution, execution])
        comparing.holding(unit, one.node.parts.context, by, message)
        return [note.facts.what for note in unit.notes if note.kind == "posted"]

    return await one.node.parts.committer.run(job)


async def attested(one: Hosted, execution: str) -> bool | None:
    """Everybody's word for the end is here, and none is asked for any more."""
    found = await one.seen(execution, "completed")
    assert found is not None
    with one.node.parts.database.session() as session:
        number = store.number_of(session, execution)
        lacking = session.exec(select(UnattestedRow).where(UnattestedRow.number == number)).all()
    return (not lacking and {each["org_id"] for each in found["attested_by"]} == set(NAMES)) or None


async def test_a_participants_result(three: list[Hosted]) -> None:
    """It comes again long before the sequencing limit, and so goes to nobody else."""
    buyer, supplier, _ = three
    execution = await assigned(three)
    await buyer.complete("order", OK, execution)
    await lose(buyer, SUPPLIER, partial(supplier.complete, "make", OK, execution))
    for one in three:
        await one.ends(execution)
    assert len(await supplier.events(execution, "answered")) == 2
    with supplier.node.parts.database.session() as session:
        number = store.number_of(session, execution)
        said = session.exec(select(StatementRow).where(StatementRow.number == number)).all()
    assert [row.kind for row in said if row.submitted_at is not None or row.due_at is not None] == []


async def test_a_result_and_its_entry(three: list[Hosted]) -> None:
    """The coordinator has the result; the entry that says so is what its author's broker loses."""
    buyer, supplier, _ = three
    execution = await assigned(three)
    await buyer.complete("order", OK, execution)
    await supplier.task("make", execution)
    await lose(supplier, BUYER, partial(supplier.complete, "make", OK, execution))
    for one in three:
        await one.ends(execution)


async def test_a_result_and_all_copies_of_it(three: list[Hosted]) -> None:
    """What went to everyone at the limit is lost everywhere as well; its author does not stop there."""
    buyer, supplier, carrier = three
    services = buyer.node.services
    limits = {"limits": {"sequencing_ms": 1_000, "skew_ms": 1_000}}
    execution = str((await services.propose(buyer.admin, of(asks("make", SUPPLIER)), terms=limits))["execution_id"])
    for one in (supplier, carrier):
        await until(partial(one.seen, execution, "created"))
        await one.node.services.consent(one.admin, execution, "accepted")
    await until(partial(buyer.seen, execution, "ready"))
    await services.start(buyer.admin, execution)
    await supplier.task("make", execution)
    async with unread(buyer, SUPPLIER) as at_buyer, unread(carrier, SUPPLIER) as at_carrier:
        await supplier.complete("make", OK, execution)
        await at_carrier.holds()
        await at_buyer.holds(2)
        await at_buyer.lose()
        await at_carrier.lose()
    (waits,) = [
        one
        for one in (await supplier.node.services.waiting(supplier.admin, execution))["items"]
        if one["what"] == "sequencing of result"
    ]
    assert waits["next_try_at"] is not None
    assert "sent to all participants" in waits["tried"]
    for one in three:
        await one.ends(execution)


async def test_a_proposal_and_an_answer_to_it(three: list[Hosted]) -> None:
    buyer, supplier, carrier = three
    services = buyer.node.services
    async with unread(supplier, BUYER) as stream:
        made = await services.propose(buyer.admin, TWO_STEPS)
        execution = str(made["execution_id"])
        await stream.holds()
        await until(partial(carrier.seen, execution, "created"))
        await stream.lose()
    await until(partial(supplier.seen, execution, "created"))
    consent = partial(supplier.node.services.consent, supplier.admin, execution, "accepted")
    await lose(buyer, SUPPLIER, consent)
    await carrier.node.services.consent(carrier.admin, execution, "accepted")
    await until(partial(buyer.seen, execution, "ready"))
    await services.start(buyer.admin, execution)
    await buyer.complete("order", OK, execution)
    await supplier.complete("make", OK, execution)
    for one in three:
        await one.ends(execution)


async def file_of(one: Hosted, content: bytes) -> dict[str, Any]:
    async def parts() -> AsyncIterator[bytes]:
        yield content

    made = await one.node.services.put_document(one.admin, "papers 单据.pdf", "application/pdf", parts())
    return {"document": {"$file": {"document_id": made["document_id"]}}}


async def test_the_chunks_of_a_file(three: list[Hosted]) -> None:
    """They travel beside the entry that delivers them; both are lost, and the recipient confirms when all has come."""
    buyer, supplier, _ = three
    execution = await assigned(three, of(DELIVERY, asks("make", SUPPLIER)))
    data = await file_of(buyer, os.urandom(700_000))
    await lose(supplier, BUYER, partial(buyer.complete, "papers", data, execution), messages=2)
    await supplier.complete("make", OK, execution)
    for one in three:
        await one.ends(execution)
    assert len(await buyer.events(execution, "received")) == 1
    with supplier.node.parts.database.session() as session:
        rows = session.exec(select(PartnerChunkRow)).all()
    assert [(row.needed, row.execution) for row in rows] == [(True, None)] * 3


async def test_a_card(three: list[Hosted]) -> None:
    """Whoever drafts would go on naming a key that was revoked, and nobody else's word brings the new one."""
    buyer, supplier, _ = three
    execution = await assigned(three)
    services = supplier.node.services
    async with unread(buyer, SUPPLIER) as stream:
        (new, *_) = (await services.rotate_keys(supplier.admin, overlap=0))["items"]
        await stream.holds()
        await stream.lose()

    async def known() -> bool | None:
        card = buyer.node.parts.partners.card(SUPPLIER)
        return [one.kid for one in card.signing_keys] == [new["kid"]] or None

    await until(known)
    await buyer.complete("order", OK, execution)
    await supplier.complete("make", OK, execution)
    for one in three:
        await one.ends(execution)


async def test_a_store_that_is_damaged_while_its_node_is_stopped(patient: list[Hosted]) -> None:
    buyer, supplier, _ = patient
    execution = await assigned(patient)
    async with unread(supplier, BUYER) as stream:
        await buyer.complete("order", OK, execution)
        await stream.holds()
    async with supplier.stopped():
        damage(supplier)
    await supplier.complete("make", OK, execution)
    for one in patient:
        await one.ends(execution)


async def test_a_store_that_is_damaged_while_its_broker_is_down(patient: list[Hosted]) -> None:
    """The node goes on; its nats-server comes again without what it had acknowledged, and the link with it."""
    buyer, supplier, _ = patient
    execution = await assigned(patient)
    async with unread(supplier, BUYER) as stream:
        await buyer.complete("order", OK, execution)
        await stream.holds()
        pid = supplier.node.parts.links.server_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        damage(supplier)
    await supplier.complete("make", OK, execution)
    for one in patient:
        await one.ends(execution)


def damage(one: Hosted) -> None:
    """Nothing is left of what its streams held."""
    blocks = [block for block in (one.settings.data_dir / "nats").rglob("*.blk") if block.stat().st_size]
    assert blocks, "nothing lies in the store"
    for block in blocks:
        block.write_bytes(b"")


async def test_a_proxy_that_acknowledges_and_drops(tmp_path: Path, postgres: Postgres) -> None:
    """Over HTTPS nobody but TLS says who acknowledged: whoever ends it for the supplier takes what is assigned.

    The supplier's database is Postgres.
    """
    pace = {"quiet_ms": 1_000, "seldom_ms": 4_000, "link_ms": 1_000}
    trio = FrontedTrio(tmp_path, list(NAMES), pace=pace)
    trio.databases[SUPPLIER] = postgres.new()
    try:
        await trio.start()
        collaboration = await trio.begin(ORDER)
        front = trio.fronts[SUPPLIER]
        await front.drop(while_=True)
        await work(trio.members[BUYER])

        async def dropped() -> bool | None:
            return front.dropped > 0 or None

        await until(dropped)
        await asyncio.sleep(1)  # what follows at once is lost as well
        await front.drop(while_=False)
        seen = await trio.play(collaboration)
    finally:
        await trio.stop()
    assert len({(one["size"], one["root"], one["status"]) for one in seen.values()}) == 1
    assert seen[BUYER]["status"] == "completed"
