"""What this organisation answers to a task: a result with committed values, or a failure with a code."""

from functools import partial
from typing import Any, Protocol

from tallystick.core.statement import Child, Result, ResultError
from tallystick.node.record import audience
from tallystick.node.record.authoring import Saying, say
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.unit import Unit


class Attempt(Protocol):
    """What is answered: a task's row, or the call of an activity."""

    @property
    def task(self) -> str: ...
    @property
    def step(self) -> str: ...
    @property
    def attempt(self) -> int: ...


def say_result(
    unit: Unit,
    context: Context,
    loaded: Loaded,
    attempt: Attempt,
    *,
    status: str,
    values: dict[str, Any],
    code: str | None = None,
    message: str = "",
    outcome: str | None = None,
    child: Child | None = None,
) -> None:
    """State the result of an attempt, once; ``message`` is for those who may read the step's values."""
    fields = audience.of_fields(loaded.agreement, attempt.step)
    saying = Saying(
        kind="result",
        make=partial(_result, attempt, status, code, outcome, child),
        answer_key=f"result/{attempt.task}/{attempt.attempt}",
        values={**values, "$message": message} if message else values,
        readers=audience.of_step(loaded.agreement, attempt.step),
        field_readers=fields,
        task=attempt.task,
        attempt=attempt.attempt,
    )
    say(unit, context, loaded, saying)


def _result(
    attempt: Attempt,
    status: str,
    code: str | None,
    outcome: str | None,
    child: Child | None,
    data: dict[str, str],
    sealed: list[str],
) -> Result:
    text = data.pop("$message", None)
    error = ResultError(code=code, message=text) if code else None
    return Result(
        task=attempt.task,
        attempt=attempt.attempt,
        status=status,  # type: ignore[arg-type]
        data=data,
        outcome=outcome,
        error=error,
        child=child,
        sealed=sealed,
    )
