"""The staff of a running stack, signed in, for as long as a block lasts."""

import contextlib
from collections.abc import AsyncIterator

from .stack import Stack
from .story import Staff


@contextlib.asynccontextmanager
async def staff(stack: Stack) -> AsyncIterator[list[Staff]]:
    """One person an organisation, each at their own node."""
    async with contextlib.AsyncExitStack() as open_clients:
        yield [Staff(org_id, await open_clients.enter_async_context(stack.signed_in(org_id))) for org_id in stack.nodes]
