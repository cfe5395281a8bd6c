"""Workers that wait and leases that run out, over a real database."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest

from support.trio import until
from tallystick.core.errors import Unavailable
from tallystick.node.record import queues as table
from tallystick.node.record.chunks import Chunks
from tallystick.node.record.claiming import Claim, Claimed, Limits
from tallystick.node.record.context import Context
from tallystick.node.record.group import Note
from tallystick.node.record.unit import Unit
from tallystick.node.work import queues as work
from tallystick.node.work.committer import Committer
from tallystick.node.work.queues import Queues
from tallystick.tenants.database import Database
from tallystick.tenants.models.queue import QueueTaskRow

NOON = 1_795_485_600_000
QUEUE = "冲压"
PATIENCE_S = 20.0


class Plant:
    """Queues, their keeper, and hands to put tasks in with; ``looks`` counts the claims that reach the table."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.database = Database(folder / "tenant.db")
        self.database.create_schema()
        self._monotonic = asyncio.get_running_loop().time
        self._begun = self._monotonic()
        self.looks = 0
        self.committer = Committer(self.database)
        self._context = Context(
            org_id="huaxia", keystore=cast("Any", None), chunks=Chunks(folder / "chunks"), clock=self.now
        )
        self._keeper: asyncio.Task[None] | None = None
        self.limits = limits
        self.start()

    def now(self) -> int:
        """Noon, plus what has passed since."""
        return NOON + int((self._monotonic() - self._begun) * 1000)

    def start(self) -> None:
        """As a node does that finds this database."""
        self.queues = Queues(self._context, self.committer, self.limits)
        self._keeper = asyncio.create_task(self.queues.run())

    async def stop(self) -> None:
        """As a node ends."""
        assert self._keeper is not None
        self._keeper.cancel()
        with suppress(asyncio.CancelledError):
            await self._keeper
        await self.committer.idle()

    async def put(self, *keys: str, queue: str = QUEUE, activity_type: str = "press", **more: Any) -> None:
        """Tasks that have just been assigned, in one commit."""

        def job(unit: Unit) -> None:
            for key in keys:
                facts = {"execution": "e", "queue": queue, "activity_type": activity_type, "priority": "normal"}
                unit.put(QueueTaskRow, key=key, since=self.now(), rank=self.now(), **{**facts, **more})
                unit.note("queued", queue)

        await self.committer.run(job)

    async def take(
        self, wait_s: float = PATIENCE_S, *, queue: str = QUEUE, count: int = 1, lease_ms: int = 60_000
    ) -> list[str]:
        """What a worker gets."""
        asked = Claim(queue=queue, claimed_by="w", worker_id="w", at_most=count, lease_ms=lease_ms)
        return [one["key"] for one in await self.queues.claim(asked, wait_s, self._view)]

    async def looked(self, times: int) -> None:
        """Wait until so many claims are in line for the table: whatever is put there comes behind them."""

        async def look() -> bool | None:
            return self.looks >= times or None

        await until(look)
        assert self.looks == times

    def _view(self, unit: Unit, claimed: Claimed) -> dict[str, Any]:
        return {"key": claimed.key}

    async def answer(self, key: str) -> None:
        """As a worker does that is ready."""

        def job(unit: Unit) -> None:
            table.answer(unit.connection, key, "completed")
            unit.note("freed", None)

        await self.committer.run(job)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


@pytest.fixture
async def make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Plant]]:
    made: list[Plant] = []
    original = Queues._look

    async def counted(self: Queues, *words: Any) -> Any:
        made[0].looks += 1
        return await original(self, *words)

    monkeypatch.setattr(Queues, "_look", counted)

    def plant(limits: Limits = Limits(in_all=100)) -> Plant:  # noqa: B008
        made.append(Plant(folder, limits))
        return made[0]

    yield plant
    for one in made:
        await one.stop()
        one.database.close()


async def settled(*tasks: "asyncio.Future[Any]") -> None:
    """Let everything run that can."""
    await asyncio.wait(tasks, timeout=0.4)


async def test_each_task_wakes_one_worker_the_first_in_line(make: Callable[..., Plant]) -> None:
    plant = make()
    waiting = []
    for number in range(10):
        waiting.append(asyncio.create_task(plant.take()))
        await plant.looked(number + 1)
    await plant.put("a", "b")
    assert await asyncio.gather(*waiting[:2]) == [["a"], ["b"]]
    await settled(*waiting[2:])
    assert plant.looks == 12  # nobody else looked
    assert not any(one.done() for one in waiting[2:])
    await plant.put(*"cdefghij")
    assert sorted(await asyncio.gather(*waiting[2:])) == [[one] for one in "cdefghij"]


async def test_nothing_in_time_is_an_empty_answer(make: Callable[..., Plant]) -> None:
    plant = make()
    assert await plant.take(0) == []
    assert await plant.take(0.2) == []
    assert plant.queues._waiting == {}


async def test_a_worker_that_goes_hands_its_turn_on(make: Callable[..., Plant]) -> None:
    plant = make()
    first, second = asyncio.create_task(plant.take()), asyncio.create_task(plant.take())
    await plant.looked(2)

    def hang_up(_notes: list[Note]) -> None:
        first.cancel()  # it was woken, and has gone before it could look

    plant.committer.listen(hang_up)
    await plant.put("a")
    assert await asyncio.wait_for(second, PATIENCE_S) == ["a"]
    assert first.cancelled()


async def test_other_queues_are_left_alone(make: Callable[..., Plant]) -> None:
    plant = make()
    waiting = asyncio.create_task(plant.take())
    await plant.looked(1)
    await plant.put("x", queue="paint")
    await settled(waiting)
    assert (waiting.done(), plant.looks) == (False, 1)
    waiting.cancel()
    assert await plant.take(queue="paint") == ["x"]


async def test_whom_limits_hold_up_is_woken_when_there_is_room(make: Callable[..., Plant]) -> None:
    plant = make(Limits(in_all=100, types={"press": 1}))
    await plant.put("a", "b")
    await plant.put("p", activity_type="paint")
    assert await plant.take(count=5) == ["a", "p"]
    waiting = asyncio.create_task(plant.take())
    await settled(waiting)
    await plant.answer("p")
    await settled(waiting)
    assert not waiting.done()
    await plant.answer("a")
    assert await asyncio.wait_for(waiting, PATIENCE_S) == ["b"]


async def test_a_lease_that_runs_out_wakes_who_waits_also_after_a_restart(make: Callable[..., Plant]) -> None:
    plant = make()
    await plant.put("a")
    await asyncio.sleep(0.2)  # the keeper sleeps for long
    assert await plant.take(lease_ms=1_500) == ["a"]
    waiting = asyncio.create_task(plant.take(lease_ms=1_500))
    assert await asyncio.wait_for(waiting, PATIENCE_S) == ["a"]
    assert plant.looks == 3
    await plant.stop()
    plant.start()
    assert await asyncio.wait_for(plant.take(), PATIENCE_S) == ["a"]


async def test_only_so_many_wait(make: Callable[..., Plant], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "MAX_WAITING", 1)
    plant = make()
    waiting = asyncio.create_task(plant.take())
    await plant.looked(1)
    with pytest.raises(Unavailable) as caught:
        await plant.take()
    assert caught.value.code == "too_many_workers"
    waiting.cancel()


async def test_a_hundred_workers_share_a_thousand_tasks_each_once(make: Callable[..., Plant]) -> None:
    plant = make(Limits(in_all=10_000))
    keys = [f"k{number:04}" for number in range(1_000)]

    async def worker() -> list[str]:
        mine: list[str] = []
        while got := await plant.take(3, count=3):
            mine += got
        return mine

    working = [asyncio.create_task(worker()) for _ in range(100)]
    for start in range(0, 1_000, 50):
        await plant.put(*keys[start : start + 50])
    taken = [key for mine in await asyncio.gather(*working) for key in mine]
    assert sorted(taken) == keys
