"""Activities: the async functions that this node runs for its organisation's steps, by activity type.

A function takes an :class:`ActivityCall` and returns the result's properties. It may run more than once for one
attempt — after a crash, or at two replicas of a node — and ``call.token`` is the same each time, so that whatever it
asks of others can be done once. The first answer counts.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from tallystick.core.errors import TallystickError

MAX_AT_ONCE = 64  # calls of one activity type in one tenant, unless its registration says otherwise
MAX_IN_ALL = 256  # calls in one tenant


class ActivityFailed(TallystickError):
    """The attempt failed; ``code`` is what the step's retry policy looks at, ``detail`` is for the participants."""

    default_code = "activity_failed"


class ActivityCall(msgspec.Struct, kw_only=True, eq=False):
    """One attempt at one task.

    ``token`` is the idempotency token, ``due_at`` when the attempt times out (milliseconds, None for never), ``input``
    the step's parameters. Long work calls ``heartbeat``; when the attempt has ended meanwhile, the call is cancelled.
    """

    token: str
    execution: str
    task: str
    step: str
    attempt: int
    activity_type: str
    input: dict[str, Any]
    due_at: int | None = None
    heartbeat: Callable[[], None] = lambda: None


Activity = Callable[[ActivityCall], Awaitable[dict[str, Any]]]
F = TypeVar("F", bound=Activity)


class Registered(msgspec.Struct, frozen=True):
    """A function, and how many of its calls may run at once."""

    run: Activity
    at_once: int


class Activities:
    """The registry of one node; ``"log_data" in activities`` says whether that type is run here."""

    def __init__(self, *, in_all: int = MAX_IN_ALL) -> None:
        self.in_all = in_all
        self._registered: dict[str, Registered] = {}

    def register(self, activity_type: str, run: Activity, *, at_once: int = MAX_AT_ONCE) -> None:
        """Run ``run`` for steps of that type; a second registration replaces the first."""
        self._registered[activity_type] = Registered(run, at_once)

    def activity(self, activity_type: str, *, at_once: int = MAX_AT_ONCE) -> Callable[[F], F]:
        """The same, as a decorator."""

        def keep(run: F) -> F:
            self.register(activity_type, run, at_once=at_once)
            return run

        return keep

    def find(self, activity_type: str) -> Registered | None:
        """What runs that type."""
        return self._registered.get(activity_type)

    def __contains__(self, activity_type: object) -> bool:
        return activity_type in self._registered


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
