"""Activities: the functions that this node runs for its organisation's steps, by activity type.

A function takes an :class:`ActivityCall` and returns the result's properties. It may run more than once for one
attempt — after a crash, or at two replicas of a node — and ``call.token`` is the same each time, so that whatever it
asks of others can be done once. The first answer counts.

An async function runs in the event loop that all organisations of the process share, and must not block it. Any other
runs in a thread of its organisation's own, of which there are a bounded number.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, TypeVar

import msgspec

from tallystick.core.errors import TallystickError

MAX_AT_ONCE = 64  # calls of one activity type in one tenant, unless its registration says otherwise
MAX_IN_ALL = 256  # calls in one tenant
MAX_THREADS = 16  # of one tenant; calls of functions that are not async wait for one


class ActivityFailed(TallystickError):
    """The attempt failed; ``code`` is what the step's retry policy looks at, ``detail`` is for the participants."""

    default_code = "activity_failed"


class ActivityCall(msgspec.Struct, kw_only=True, eq=False):
    """One attempt at one task.

    ``token`` is the idempotency token, ``due_at`` when the attempt times out (milliseconds, None for never), ``input``
    the step's parameters. Long work calls ``heartbeat(details)``, where the step has ``heartbeat_seconds`` at least as
    often; ``details`` here is what an earlier try of this task, or an earlier attempt, said last. When the attempt has
    ended meanwhile, the call is cancelled; in a thread, the next heartbeat raises.
    """

    token: str
    execution: str
    task: str
    step: str
    attempt: int
    activity_type: str
    input: dict[str, Any]
    due_at: int | None = None
    heartbeat_seconds: int | None = None
    details: Any = None
    heartbeat: Callable[..., None] = lambda details=None: None


Activity = Callable[[ActivityCall], Awaitable[dict[str, Any]]]
Blocking = Callable[[ActivityCall], dict[str, Any]]
F = TypeVar("F", bound=Activity | Blocking)


class Registered(msgspec.Struct, frozen=True):
    """A function, how many of its calls may run at once, and whether it runs in a thread."""

    run: Activity
    at_once: int
    blocking: bool = False


class Activities:
    """The registry of one node; ``"log_data" in activities`` says whether that type is run here."""

    def __init__(self, *, in_all: int = MAX_IN_ALL, threads: int = MAX_THREADS) -> None:
        self.in_all = in_all
        self._threads = threads
        self._registered: dict[str, Registered] = {}

    def register(self, activity_type: str, run: Activity | Blocking, *, at_once: int = MAX_AT_ONCE) -> None:
        """Run ``run`` for steps of that type; a second registration replaces the first."""
        is_async = _is_async(run)
        held: Any = run if is_async else self._in_a_thread(run)
        self._registered[activity_type] = Registered(held, at_once, not is_async)

    def activity(self, activity_type: str, *, at_once: int = MAX_AT_ONCE) -> Callable[[F], F]:
        """The same, as a decorator."""

        def keep(run: F) -> F:
            self.register(activity_type, run, at_once=at_once)
            return run

        return keep

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(max_workers=self._threads, thread_name_prefix="activity")

    def _in_a_thread(self, run: Callable[[ActivityCall], Any]) -> Activity:
        async def call_it(call: ActivityCall) -> Any:
            def work() -> Any:
                call.heartbeat()  # the time in line was not the function's silence
                return run(call)

            result = await asyncio.get_running_loop().run_in_executor(self._pool, work)
            return await result if inspect.isawaitable(result) else result

        return call_it

    def find(self, activity_type: str) -> Registered | None:
        """What runs that type."""
        return self._registered.get(activity_type)

    def __contains__(self, activity_type: object) -> bool:
        return activity_type in self._registered


def _is_async(run: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(run) or inspect.iscoroutinefunction(getattr(run, "__call__", None))  # noqa: B004


async def outcome_of(run: Activity, call: ActivityCall) -> tuple[dict[str, Any], ActivityFailed | None]:
    """What a call returned, or how it failed: any exception is a failure with a code, never the runner's trouble."""
    try:
        result = await run(call)
    except ActivityFailed as error:
        return {}, error
    except TallystickError as error:
        return {}, ActivityFailed(error.detail, code=error.code)
    except Exception as error:
        return {}, ActivityFailed(f"{type(error).__name__}: {error}"[:500], code="exception")
    if not isinstance(result, dict) or not all(isinstance(name, str) for name in result):
        return {}, ActivityFailed("the activity returned no object", code="bad_result")
    return result, None
