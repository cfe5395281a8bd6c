"""A coordinator that lets a statement lie: it goes to everyone, they sign for it, and an auditor sees what happened."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from support.hosted import Hosted, hosting
from support.parties import BUYER, CARRIER, SUPPLIER
from support.trio import until
from tallystick.core import canonical
from tallystick.core import statement as statements
from tallystick.ledger.audit.trust import Trust
from tallystick.ledger.audit.verify import verify
from tallystick.node.record import incoming
from tallystick.node.record import messages as m

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]
LIMITS = {"limits": {"sequencing_ms": 1_000, "skew_ms": 1_000}}
THREE: list[dict[str, Any]] = [
    {"org_id": BUYER, "role": "buyer", "can_terminate": True},
    {"org_id": SUPPLIER, "role": "supplier"},
    {"org_id": CARRIER, "role": "carrier"},
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def three(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[Hosted]]:
    """Three nodes that know each other; the buyer's coordinates."""
    async with hosting(tmp_path_factory.mktemp("withholding"), BUYER, SUPPLIER, CARRIER) as hosted:
        yield hosted


def definition(timeout_seconds: int) -> dict[str, Any]:
    form = [{"id": "ok", "name": "OK", "property_type": "boolean", "required": True}]
    task: dict[str, Any] = {"id": "look", "name": "Look 查看", "task_type": "activity", "assigned_org": SUPPLIER}
    task |= {"parameters": {"form_properties": form}, "timeout_seconds": timeout_seconds}
    return {"id": "held", "name": "Held 扣留", "participants": THREE, "tasks": [task]}


async def begin(three: list[Hosted], timeout_seconds: int) -> str:
    """An execution under short limits, in which the supplier's task is open."""
    buyer, supplier, carrier = three
    services = buyer.node.services
    made = await services.propose(buyer.admin, definition(timeout_seconds), terms=LIMITS)
    execution = str(made["execution_id"])
    for one in (supplier, carrier):

        async def known(one: Hosted = one) -> Any:
            return await one.seen(execution, "created")

        await until(known)
        await one.node.services.consent(one.admin, execution, "accepted")

    async def ready() -> Any:
        return await buyer.seen(execution, "ready")

    await until(ready)
    await services.start(buyer.admin, execution)
    await supplier.task("look", execution)
    return execution


def deaf(monkeypatch: pytest.MonkeyPatch, *kinds: type[m.Message]) -> None:
    """The buyer's node lets results lie that come in messages of these kinds."""
    for kind in kinds:
        honest = incoming._HANDLERS[kind]

        def ignoring(unit: Any, context: Any, partner: str, message: Any, honest: Any = honest) -> None:
            if context.org_id == BUYER and statements.read(message.token)[1].kind == "result":
                return
            honest(unit, context, partner, message)

        monkeypatch.setitem(incoming._HANDLERS, kind, ignoring)


async def receipts(author: Hosted, execution: str, *orgs: str) -> dict[str, Any]:
    """What the author's node says of its statement, once those have signed for it."""

    async def look() -> dict[str, Any] | None:
        items = (await author.node.services.waiting(author.admin, execution))["items"]
        for one in items:
            if one["what"] == "sequencing of result" and f"receipts of {', '.join(sorted(orgs))}" in (
                one["tried"] or ""
            ):
                return dict(one)
        return None

    return await until(look)


async def judged(hosted: Hosted, execution: str) -> tuple[str, str, dict[str, Any]]:
    """Check 20 over the bundle that this node exports."""
    bundle = await hosted.node.services.evidence(hosted.admin, execution)
    names = ("org_id", "name", "root_key", "chain_org")
    organisations = [{name: one[name] for name in names} for one in bundle["agreement"]["participants"]]
    trust = msgspec.convert({"v": 1, "organisations": organisations}, Trust)
    found = verify(canonical.encode(bundle), trust).checks[19]
    assert found.number == 20
    return found.status, found.code, dict(found.facts)


async def test_a_time_out_that_receipts_contradict_is_flagged(
    three: list[Hosted], monkeypatch: pytest.MonkeyPatch
) -> None:
    buyer, supplier, carrier = three
    execution = await begin(three, timeout_seconds=12)
    other = await begin(three, timeout_seconds=600)
    with monkeypatch.context() as patched:
        deaf(patched, m.StatementMessage, m.SubmissionMessage)
        await supplier.complete("look", {"ok": True}, execution)
        waits = await receipts(supplier, execution, CARRIER)
        assert waits["for_whom"] == BUYER
        for one in three:
            await one.ends(execution, "failed")  # the time-out passes
    await supplier.complete("look", {"ok": True}, other)  # nothing of this holds up another execution
    for one in three:
        await one.ends(other)
    for one in (supplier, carrier):
        status, code, facts = await judged(one, execution)
        assert (status, code) == ("FAIL", "ignored_statement"), facts
        assert (facts["task"], facts["org"], facts["witnesses"]) == ("look.1", SUPPLIER, CARRIER)
    assert (await judged(buyer, execution))[:2] == ("PASS", "nothing_submitted")  # who withholds shows no receipts
    assert (await judged(supplier, other))[:2] == ("PASS", "nothing_submitted")


async def test_a_statement_whose_way_is_cut_reaches_the_coordinator_through_others(
    three: list[Hosted], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the supplier sends the buyer is lost; the carrier hands the statement on, and the work completes."""
    _, supplier, _ = three
    execution = await begin(three, timeout_seconds=600)
    with monkeypatch.context() as patched:
        for kind in (m.StatementMessage, m.SubmissionMessage):
            honest = incoming._HANDLERS[kind]

            def lossy(unit: Any, context: Any, partner: str, message: Any, honest: Any = honest) -> None:
                if (context.org_id, partner) != (BUYER, SUPPLIER):
                    honest(unit, context, partner, message)

            patched.setitem(incoming._HANDLERS, kind, lossy)
        await supplier.complete("look", {"ok": True}, execution)
        for one in three:
            await one.ends(execution)
    assert len(await supplier.events(execution, "answered")) == 1
    assert (await judged(supplier, execution))[:2] == ("PASS", "submitted_heard")


async def test_a_slow_coordinator_contradicts_nothing(three: list[Hosted], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is late with the entry, signs that it has the statement, and lets nothing pass."""
    buyer, supplier, _ = three
    execution = await begin(three, timeout_seconds=600)
    with monkeypatch.context() as patched:
        deaf(patched, m.StatementMessage)
        await supplier.complete("look", {"ok": True}, execution)
        for one in three:
            await one.ends(execution)

    async def both() -> bool | None:
        bundle = await supplier.node.services.evidence(supplier.admin, execution)
        return len(bundle["receipts"]) == 2 or None

    await until(both)
    await asyncio.sleep(0.2)
    for one in (buyer, supplier):
        assert (await judged(one, execution))[:2] == ("PASS", "submitted_heard")
