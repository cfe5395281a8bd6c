"""Nodes inside the test's own process, with functions, clocks and services within reach; their links are real."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

from support.parties import NAMES
from support.trio import until
from tallystick.core.errors import TallystickError
from tallystick.node.bootstrap import Node
from tallystick.node.clock import SteadyClock, wall_ms
from tallystick.node.record.context import DEFAULT_PACE
from tallystick.node.record.pace import Pace
from tallystick.node.settings import Settings
from tallystick.node.work.activities import Activities
from tallystick.tenants.access_tokens import AccessTokens, Worker
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.permissions import Role
from tallystick.tenants.users import User, Users


class Wall:
    """A machine's clock that somebody turns."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return wall_ms() + self.ahead_ms


class Hosted:
    """One organisation's node; ``wall`` is its machine's clock, ``activities`` what its functions do."""

    def __init__(self, org: str, folder: Path, pace: Pace = DEFAULT_PACE) -> None:
        data = folder / org
        data.mkdir(mode=0o700)
        self.org = org
        self.wall = Wall()
        self.activities = Activities()
        domain = f"{org}.example"
        self.settings = Settings(
            org_id=org, name=NAMES[org], domain=domain, url=f"https://{domain}", data_dir=data, pace=pace
        )
        self._keystore = Keystore.create(self.settings.keystore_path, f"correct horse battery staple of {org}")
        self.node = self._made()
        users = Users(self.node.parts.database, org_id=org, session_secret=self._keystore.session_secret)
        self.admin: User = users.create("admin", roles=(Role.ADMINISTRATOR,))

    def _made(self) -> Node:
        clock = SteadyClock(wall=self.wall)
        return Node(self.settings, self._keystore, self.activities, clock=clock)

    @asynccontextmanager
    async def stopped(self) -> AsyncIterator[sqlite3.Connection]:
        """Stop the node, hand its database out, and run another node over what then stands there."""
        await self.node.stop()
        with closing(sqlite3.connect(self.settings.database_path)) as database, database:
            yield database
        self.node = self._made()
        await self.node.start()

    def worker(self, queue: str) -> Worker:
        """Somebody who may take tasks from that queue."""
        tokens = AccessTokens(self.node.parts.database)
        return tokens.holder_of(tokens.create(queue, created_by="admin", queues=[queue])[0])

    async def claim(self, worker: Worker, queue: str) -> list[dict[str, Any]]:
        """One task of the queue, if there is one or one comes."""
        facts: dict[str, Any] = {"worker_id": "x", "max_tasks": 1, "wait_seconds": 10, "lease_seconds": 60}
        items: list[dict[str, Any]] = (await self.node.services.claim_tasks(worker, queue, **facts))["items"]
        return items

    async def begin(self, definition: dict[str, Any], given: dict[str, Any] | None = None, *others: "Hosted") -> str:
        """Propose, have the others accept, and start; the execution's id."""
        services = self.node.services
        proposed = await services.propose(self.admin, definition)
        execution = str(proposed["execution_id"])
        for one in others:
            await until(partial(one.seen, execution, "created"))
            await one.node.services.consent(one.admin, execution, "accepted")
        await until(partial(self.seen, execution, "ready"))
        await services.start(self.admin, execution, given or {})
        return execution

    async def seen(self, execution: str, *statuses: str) -> dict[str, Any] | None:
        """The execution as this node has it, if it is in one of these states."""
        try:
            found = await self.node.services.execution(self.admin, execution)
        except TallystickError:
            return None
        return found if found["status"] in statuses else None

    async def ends(self, execution: str, status: str = "completed") -> None:
        """Wait until the execution has that status."""
        await until(partial(self.seen, execution, status))

    async def events(self, execution: str, *kinds: str) -> list[dict[str, Any]]:
        """The events of these types that stand in the record."""
        items = (await self.node.services.timeline(self.admin, execution))["items"]
        return [event for item in items for event in item["events"] if event["type"] in kinds]

    async def task(self, step: str, execution: str | None = None) -> dict[str, Any]:
        """An open task of that step, once there is one."""

        async def look() -> dict[str, Any] | None:
            items = (await self.node.services.tasks(self.admin))["items"]
            found = [one for one in items if one["step"] == step and execution in {None, one["execution_id"]}]
            return found[0] if found else None

        return await until(look)

    async def complete(self, step: str, data: dict[str, Any], execution: str | None = None) -> None:
        """Answer an open task."""
        await self.node.services.complete(self.admin, (await self.task(step, execution))["task_id"], data)

    async def waiting(self, execution: str) -> list[str]:
        """Why the things that the execution waits for have not come."""
        found = (await self.node.services.waiting(self.admin, execution))["items"]
        return [str(one["tried"]) for one in found]


@asynccontextmanager
async def hosting(
    folder: Path, *orgs: str, pace: Pace = DEFAULT_PACE, kind: type[Hosted] = Hosted
) -> AsyncIterator[list[Hosted]]:
    """Nodes of these organisations, introduced to each other; ``pace`` says how often they compare what they hold."""
    hosted = [kind(org, folder, pace) for org in orgs]
    try:
        await asyncio.gather(*(one.node.start() for one in hosted))
        for one in hosted:
            for other in hosted:
                if other is not one:
                    await one.node.services.put_partner(one.admin, await other.node.services.card())
        yield hosted
    finally:
        await asyncio.gather(*(one.node.stop() for one in hosted))
