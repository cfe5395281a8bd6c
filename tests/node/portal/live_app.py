"""The portal over its stand-ins as an application for a real server; changes come twice a second."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from node.api.standins.accounts import FakeAccountsForApiTests
from node.api.standins.services import FakeServicesForApiTests
from tallystick.node.api.app import create_app


class RestlessServicesForBrowserTests(FakeServicesForApiTests):
    """Something always changes."""

    async def subscribe(self) -> AsyncIterator[dict[str, Any]]:
        """Without end."""
        while True:
            await asyncio.sleep(0.5)
            yield {"topic": "task", "id": "t1"}


app = create_app(RestlessServicesForBrowserTests(), FakeAccountsForApiTests())
