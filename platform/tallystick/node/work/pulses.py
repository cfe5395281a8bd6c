"""The pulse of a running call: what it last said of itself, and what follows when it says nothing.

A step with ``heartbeat_seconds`` wants to hear from whoever does it. A function that stays silent for longer has failed
(``heartbeat_timeout``), and another attempt may begin where the last one said that it was.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from tallystick.core import canonical
from tallystick.core.errors import Invalid
from tallystick.node.work.activities import ActivityCall, ActivityFailed, Registered, outcome_of

MAX_DETAILS = 4_096  # bytes of canonical JSON: a place to go on from, not the work's result
KEEP_EVERY_S = 5.0  # at most so old are the details that a crash of the node leaves
GIVE_UP_S = 1.0  # for a cancelled function to tidy up
Outcome = tuple[dict[str, Any], ActivityFailed | None]
Keep = Callable[[str, str], Awaitable[None]]  # (token, details as JSON)


class Abandoned(Exception):
    """The attempt has ended, so nobody wants the answer: what a function in a thread is told at its next heartbeat."""


class Pulse:
    """Of one call; ``beat`` may be called in any thread. A function that waits for one is not silent before it runs."""

    def __init__(self, call: ActivityCall, loop: asyncio.AbstractEventLoop, keep: Keep) -> None:
        self._call = call
        self._loop = loop
        self._keep = keep
        self.begun = asyncio.Event()
        self._last = time.monotonic()
        self._details: str | None = None  # not kept yet
        self._kept_at = 0.0
        self._keeping: asyncio.Task[None] | None = None
        self._over = False

    def beat(self, details: Any = None) -> None:
        """The work goes on; ``details`` (JSON) is what a further attempt is given."""
        if self._over:
            raise Abandoned
        if details is not None:
            self._details = _text(details)
        self._last = time.monotonic()
        if details is not None or not self.begun.is_set():
            self._loop.call_soon_threadsafe(self._note)

    def left(self, seconds: int) -> float:
        """Seconds until the next heartbeat is missed."""
        return self._last + seconds - time.monotonic()

    def end(self) -> None:
        """Nobody waits for the function any more."""
        self._over = True

    async def settle(self) -> None:
        """Keep what was said last, before the answer ends the attempt."""
        if self._keeping is not None:
            await asyncio.wait({self._keeping})
        await self._write()

    def _note(self) -> None:
        self.begun.set()
        now = self._loop.time()
        if (self._keeping is None or self._keeping.done()) and now - self._kept_at >= KEEP_EVERY_S and not self._over:
            self._kept_at = now
            self._keeping = self._loop.create_task(self._write())

    async def _write(self) -> None:
        details, self._details = self._details, None
        if details is not None:
            await self._keep(self._call.token, details)


async def outcome_with(registered: Registered, call: ActivityCall, keep: Keep) -> Outcome:
    """What the call returned, or how it failed, silence included."""
    pulse = Pulse(call, asyncio.get_running_loop(), keep)
    doing = outcome_of(registered.run, msgspec.structs.replace(call, heartbeat=pulse.beat))
    try:
        if call.heartbeat_seconds is None:
            outcome = await doing
        else:
            if not registered.blocking:
                pulse.begun.set()
            outcome = await _heard(asyncio.ensure_future(doing), pulse, call.heartbeat_seconds)
        if outcome[1] is not None:
            await pulse.settle()
    finally:
        pulse.end()
    return outcome


async def _heard(doing: "asyncio.Task[Outcome]", pulse: Pulse, seconds: int) -> Outcome:
    """The outcome of what is not silent for so long."""
    begun = asyncio.ensure_future(pulse.begun.wait())
    try:
        await asyncio.wait({doing, begun}, return_when=asyncio.FIRST_COMPLETED)
        while not doing.done():
            left = pulse.left(seconds)
            if left <= 0:
                return {}, ActivityFailed(f"no heartbeat came for {seconds} s", code="heartbeat_timeout")
            await asyncio.wait({doing}, timeout=left)
        return doing.result()
    finally:
        begun.cancel()
        if not doing.done():
            pulse.end()
            doing.cancel()
            await asyncio.wait({doing}, timeout=GIVE_UP_S)


def _text(details: Any) -> str:
    try:
        encoded = canonical.encode(details)
    except Invalid as error:
        raise ActivityFailed(f"a heartbeat's details are JSON: {error.detail}", code="bad_details") from error
    if len(encoded) > MAX_DETAILS:
        raise ActivityFailed(f"a heartbeat's details have more than {MAX_DETAILS} bytes", code="bad_details")
    return encoded.decode()
