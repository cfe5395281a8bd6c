"""Tasks for candidate groups, and their due dates, over a real database."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.alone import Alone, Somebody
from support.parties import BUYER, NOON
from tallystick.core.errors import WrongState
from tallystick.tenants.groups import NotInGroup

HOUR = 3_600_000


def definition(**user_task: Any) -> dict[str, Any]:
    """One step of staff that has two hours."""
    return {
        "id": "unload",
        "name": "Unload 卸货",
        "participants": [{"org_id": BUYER, "role": "plant", "can_terminate": True}],
        "steps": [
            {
                "id": "unload",
                "name": "Unload",
                "step_type": "user_task",
                "assigned_org": BUYER,
                "user_task": {"form_properties": [{"id": "note"}], "timeout_seconds": 7200, **user_task},
            }
        ],
    }


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Alone]:
    made = Alone(tmp_path)
    yield made
    await made.close()


def person(name: str, *groups: str) -> Any:
    """A user in these groups, with every permission."""
    made = Somebody()
    made.id = made.username = name
    made.groups = groups
    return made


async def begin(ours: Alone, **user_task: Any) -> str:
    """Start an execution; its open task's id."""
    proposed = await ours.services.propose(ours.who, definition(**user_task))
    execution = str(proposed["execution_id"])
    await ours.services.start(ours.who, execution, {})
    items = (await ours.services.tasks(ours.who))["items"]
    return str(next(one["task_id"] for one in items if one["execution_id"] == execution))


async def test_only_members_of_a_candidate_group_claim_and_answer(ours: Alone) -> None:
    task = await begin(ours, candidate_groups=["goods-in", "质检"])
    outsider, other, member = person("bob"), person("eve", "paint", "Goods-in"), person("ada", "质检")
    services = ours.services
    for who in (outsider, other):
        for refused in (
            services.claim(who, task),
            services.complete(who, task, {"note": "x"}),
            services.fail(who, task, "x", ""),
            services.cancel(who, task, "x"),
            services.approve(who, task),
            services.reject(who, task),
        ):
            with pytest.raises(NotInGroup):
                await refused
    assert (await services.task(outsider, task))["status"] == "open", "all may see it"
    taken = await services.claim(member, task)
    assert (taken["claimed_by"], taken["candidate_groups"]) == ("ada", ["goods-in", "质检"])
    with pytest.raises(WrongState):
        await services.claim(person("li", "goods-in"), task)
    left = person("ada")  # the group was left after the claim
    with pytest.raises(NotInGroup):
        await services.complete(left, task, {"note": "x"})
    assert (await services.release(left, task))["status"] == "open"
    await services.complete(person("li", "goods-in"), task, {"note": "x"})
    assert await ours.statuses() == ["completed"]


async def test_the_inbox_holds_what_one_may_take_or_has_taken(ours: Alone) -> None:
    goods, paint, anybodys = [
        await begin(ours, **more) for more in ({"candidate_groups": ["goods-in"]}, {"candidate_groups": ["paint"]}, {})
    ]
    ada = person("ada", "goods-in")

    async def listed(who: Any, **more: Any) -> set[str]:
        return {one["task_id"] for one in (await ours.services.tasks(who, **more))["items"]}

    assert await listed(ada) == {goods, paint, anybodys}
    assert await listed(ada, mine=True) == {goods, anybodys}
    assert await listed(person("bob"), mine=True) == {anybodys}
    assert await listed(ada, group="paint") == {paint}
    await ours.services.claim(ada, goods)
    assert await listed(ada, mine=True) == {goods, anybodys}
    assert await listed(person("li", "goods-in"), mine=True) == {anybodys}, "a colleague has it"


async def test_a_stated_due_date_is_shown_and_overdue_is_marked(ours: Alone) -> None:
    stated = await begin(ours, due_date_expression="3600")
    timed = await begin(ours)
    await ours.runner.once()  # states the due date
    found = {one["task_id"]: one for one in (await ours.services.tasks(ours.who, order="due"))["items"]}
    assert list(found) == [stated, timed]
    assert (found[stated]["due_at"], found[timed]["due_at"]) == (NOON + HOUR, NOON + 2 * HOUR)
    assert not any(one["overdue"] for one in found.values())
    ours.now = NOON + HOUR + 1
    found = {one["task_id"]: one for one in (await ours.services.tasks(ours.who))["items"]}
    assert (found[stated]["overdue"], found[timed]["overdue"]) == (True, False)
    await ours.services.complete(ours.who, stated, {"note": "x"})
    done = (await ours.services.tasks(ours.who, status="completed"))["items"]
    assert [one["overdue"] for one in done] == [False]
