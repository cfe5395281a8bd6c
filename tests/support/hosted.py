"""Nodes inside the test's own process, with functions, clocks and services within reach; their links are real."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from support.parties import NAMES
from support.trio import until
from tallystick.core.errors import TallystickError
from tallystick.node.bootstrap import Node
from tallystick.node.clock import SteadyClock, wall_ms
from tallystick.node.settings import Settings
from tallystick.node.work.activities import Activities
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

    def __init__(self, org: str, folder: Path) -> None:
        data = folder / org
        data.mkdir(mode=0o700)
        self.org = org
        self.wall = Wall()
        self.activities = Activities()
        domain = f"{org}.example"
        self.settings = Settings(org_id=org, name=NAMES[org], domain=domain, url=f"https://{domain}", data_dir=data)
        self._keystore = Keystore.create(self.settings.keystore_path, f"correct horse battery staple of {org}")
        self.node = self._made()
        users = Users(self.node.parts.database, org_id=org, session_secret=self._keystore.session_secret)
        self.admin: User = users.create("admin", roles=(Role.ADMINISTRATOR,))

    def _made(self) -> Node:
        clock = SteadyClock(wall=self.wall)
        return Node(self.settings, self._keystore, self.activities, clock=clock)

    async def restart(self) -> None:
        """Stop the node and run another one over its data."""
        await self.node.stop()
        self.node = self._made()
        await self.node.start()

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

    async def task(self, step: str) -> dict[str, Any]:
        """An open task of that step, once there is one."""

        async def look() -> dict[str, Any] | None:
            items = (await self.node.services.tasks(self.admin))["items"]
            return next((one for one in items if one["step"] == step), None)

        return await until(look)

    async def complete(self, step: str, data: dict[str, Any]) -> None:
        """Answer an open task."""
        await self.node.services.complete(self.admin, (await self.task(step))["task_id"], data)

    async def waiting(self, execution: str) -> list[str]:
        """Why the things that the execution waits for have not come."""
        found = (await self.node.services.waiting(self.admin, execution))["items"]
        return [str(one["tried"]) for one in found]


@asynccontextmanager
async def hosting(folder: Path, *orgs: str) -> AsyncIterator[list[Hosted]]:
    """Nodes of these organisations, introduced to each other."""
    hosted = [Hosted(org, folder) for org in orgs]
    try:
        await asyncio.gather(*(one.node.start() for one in hosted))
        for one in hosted:
            for other in hosted:
                if other is not one:
                    await one.node.services.put_partner(one.admin, await other.node.services.card())
        yield hosted
    finally:
        await asyncio.gather(*(one.node.stop() for one in hosted))
