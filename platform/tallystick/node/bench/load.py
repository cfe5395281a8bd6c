"""The work of `tally bench exchange`: orders whose lines a supplier picks and a carrier moves, begun by the buyer."""

import asyncio
import logging
import time
from typing import Any

from tallystick.core.errors import TallystickError
from tallystick.node.bootstrap import Node
from tallystick.node.record.group import Note
from tallystick.tenants.users import User

logger = logging.getLogger(__name__)
BUYER, SUPPLIER, CARRIER = "buyer", "supplier", "carrier"
LINES = 20  # of an order
AT_ONCE = 4  # lines of one order
TASKS = 2 * LINES  # that partners complete for one order
_STEP_S = 0.02


def definition() -> dict[str, Any]:
    """Every line of an order is picked by one partner and then moved by another."""
    steps = [
        {
            "id": name,
            "name": name.title(),
            "step_type": "activity",
            "assigned_org": org,
            "activity": {"activity_type": "measured", "input": {}},
            **more,
        }
        for name, org, more in (("pick", SUPPLIER, {"next_steps": ["move"]}), ("move", CARRIER, {}))
    ]
    return {
        "id": "order_lines",
        "name": "Order lines",
        "version": "1",
        "participants": [
            {"org_id": BUYER, "role": "buyer", "can_terminate": True},
            {"org_id": SUPPLIER, "role": "supplier"},
            {"org_id": CARRIER, "role": "carrier"},
        ],
        "steps": [
            {
                "id": "lines",
                "name": "Lines",
                "step_type": "for_each",
                "assigned_org": BUYER,
                "for_each": {"items": "input.lines", "max_concurrency": AT_ONCE, "steps": steps},
            }
        ],
    }


class Load:
    """Begins executions, and knows which have ended."""

    def __init__(self, node: Node, admin: User) -> None:
        self._node = node
        self._admin = admin
        self._definition = definition()
        self._input: dict[str, Any] = {"lines": [f"line {number}" for number in range(LINES)]}
        self._open: set[str] = set()
        self._in_flight = 0
        self._per_s = 0.0
        self._begun = 0
        self._since = 0.0
        self._proposing = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        node.parts.committer.listen(self._heard)

    @property
    def open(self) -> int:
        """Executions that have begun and not ended."""
        return len(self._open) + self._proposing

    def set(self, in_flight: int = 0, per_s: float = 0.0) -> None:
        """Keep so many in flight, or begin so many a second; or neither."""
        self._in_flight, self._per_s = in_flight, per_s
        self._begun, self._since = 0, time.monotonic()
        if not any(one.get_name() == "load" for one in self._tasks):
            self._spawn(self._keep_on(), "load")
        self._wake.set()

    async def stop(self) -> None:
        """Begin nothing more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_on(self) -> None:
        while True:
            for _ in range(self._wanted()):
                self._proposing += 1
                self._begun += 1
                self._spawn(self._propose(), "propose")
            self._wake.clear()
            try:
                async with asyncio.timeout(_STEP_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _wanted(self) -> int:
        if self._per_s:
            return max(int((time.monotonic() - self._since) * self._per_s) - self._begun, 0)
        return max(self._in_flight - self.open, 0)

    def _spawn(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def begin(self, definition: dict[str, Any], given: dict[str, Any]) -> str:
        """Propose an execution, which starts when everyone has accepted it; its id."""
        proposed = await self._node.services.propose(self._admin, definition, given)
        execution = str(proposed["execution_id"])
        self._open.add(execution)
        return execution

    async def _propose(self) -> None:
        try:
            await self.begin(self._definition, self._input)
        except TallystickError as error:
            logger.warning("not proposed: %s", error)
        finally:
            self._proposing -= 1

    async def resume(self) -> None:
        """Take up what an earlier life of this process began: start what is ready, wait for the end of the rest."""
        for status in ("created", "ready", "running"):
            cursor = None
            while True:
                page = await self._node.services.executions(self._admin, status=status, limit=200, cursor=cursor)
                for one in page["items"]:
                    self._open.add(one["execution_id"])
                    if one["status"] == "ready":
                        self._spawn(self._start(one["execution_id"]), "start")
                cursor = page["next_cursor"]
                if cursor is None:
                    break

    async def _start(self, execution: str) -> None:
        try:
            await self._node.services.start(self._admin, execution)
        except TallystickError as error:
            logger.warning("not started: %s", error)

    def _heard(self, notes: list[Note]) -> None:
        for note in notes:
            if note.kind == "ready" and note.facts in self._open:
                self._spawn(self._start(note.facts), "start")
            elif note.kind == "closed":
                self._open.discard(note.facts)
                self._wake.set()
