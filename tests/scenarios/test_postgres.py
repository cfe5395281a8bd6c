"""A node whose database is Postgres: one organisation's five steps, from the first command to the evidence."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.parties import BUYER
from support.postgres import Postgres
from support.trio import Member, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
STEPS = 5


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> str:
    return postgres.new()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def maker(tmp_path_factory: pytest.TempPathFactory, database: str) -> AsyncIterator[Member]:
    folder = tmp_path_factory.mktemp("maker")
    folder.chmod(0o700)
    member = Member(BUYER, folder)
    try:
        await member.init("--database-url", database)
        await member.start()
        yield member
    finally:
        await member.stop()


async def run(maker: Member) -> str:
    tasks = [
        {
            "id": f"step{number}",
            "name": f"Step 步骤 {number}",
            "task_type": "activity",
            "assigned_org": BUYER,
            "parameters": {"activity_type": "log_data", "input": {"message": f"done {number}"}},
        }
        for number in range(STEPS)
    ]
    participants = [{"org_id": BUYER, "role": "maker", "can_terminate": True}]
    definition = {"id": "five", "name": "Five 五", "participants": participants, "tasks": tasks}
    proposed = await maker.post("/collaborations", {"definition": definition})
    await maker.post(f"/collaborations/{proposed['collaboration_id']}/start", {"input": {}})
    return str(proposed["collaboration_id"])


async def ended(maker: Member, execution: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        found = await maker.get(f"/executions/{execution}")
        return found if found["status"] in {"completed", "failed", "terminated"} else None

    return await until(look)


async def test_five_steps_and_their_evidence(maker: Member) -> None:
    executions = await asyncio.gather(*(run(maker) for _ in range(3)))
    for execution in executions:
        assert (await ended(maker, execution))["status"] == "completed"
        verified = await maker.post(f"/executions/{execution}/verify", {})
        assert verified["verdict"] in {"PASS", "INDETERMINATE"}
    assert not (maker.data / "tenant.db").exists()


async def test_it_goes_on_after_a_restart(maker: Member) -> None:
    execution = await run(maker)
    await ended(maker, execution)
    await maker.stop()
    await maker.start()
    assert (await ended(maker, execution))["status"] == "completed"
    assert (await ended(maker, await run(maker)))["status"] == "completed"


async def test_a_database_that_holds_something_is_refused(database: str, tmp_path: Path, maker: Member) -> None:
    await asyncio.to_thread(tmp_path.chmod, 0o700)
    with pytest.raises(AssertionError):
        await Member(BUYER, tmp_path).init("--database-url", database)
    assert json.loads((maker.data / "settings.json").read_text())["database_url"] == database
