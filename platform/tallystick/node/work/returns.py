"""What a called function returned, said in the record; and where it says that it is."""

import logging
from typing import Any

from tallystick.core.engine.names import MISMATCH
from tallystick.core.engine.state import GOING
from tallystick.core.errors import TallystickError, WrongState
from tallystick.node.record import store
from tallystick.node.record.answering import say_result
from tallystick.node.record.context import Context
from tallystick.node.record.forms import check_form
from tallystick.node.record.scopes import output_of
from tallystick.node.record.unit import Unit
from tallystick.node.schemas import SchemaMismatch
from tallystick.node.work.activities import ActivityCall, ActivityFailed
from tallystick.node.work.committer import Committer
from tallystick.node.work.doing import ANSWERED
from tallystick.tenants.models.record import TaskRow

logger = logging.getLogger(__name__)


class Returns:
    """States results; one that cannot be stated now is put off, for the lease ends and the function is called again."""

    def __init__(self, context: Context, committer: Committer) -> None:
        self._context = context
        self._committer = committer

    async def keep_details(self, token: str, details: str) -> None:
        """Where a call says that it is; losing that costs work, not correctness."""
        try:
            await self._committer.run(lambda unit: unit.change(TaskRow, token, details=details))
        except TallystickError as error:
            logger.warning("the details of %s are not kept: %s", token, error)

    async def answer(self, call: ActivityCall, result: dict[str, object], failure: ActivityFailed | None) -> None:
        """State what the call returned, or how it failed."""
        try:
            await self._committer.run(lambda unit: self._say(unit, call, result, failure))
        except WrongState:
            return  # answered before: by a replica, or by this node before it was stopped
        except TallystickError as error:
            logger.warning("the result of %s is put off: %s", call.task, error)
        except Exception:
            logger.exception("the result of %s is put off", call.task)

    def _say(self, unit: Unit, call: ActivityCall, result: dict[str, object], failure: ActivityFailed | None) -> None:
        loaded = store.load(unit, call.execution)
        task = loaded.state.tasks.get(call.task)
        if loaded.state.status not in GOING or task is None or (task.status, task.attempt) != ("open", call.attempt):
            return  # its time is over
        outcome: dict[str, Any] = {"status": "completed", "values": dict(result)}
        if failure is not None:
            outcome = {"status": "failed", "values": {}, "code": failure.code, "message": failure.detail}
        try:
            if failure is None:
                outcome["values"] = output_of(unit, loaded, call.task, dict(result))
                check_form(store.step_of(loaded.agreement, call.step), outcome["values"])
            say_result(unit, self._context, loaded, call, **outcome)
        except WrongState:
            raise
        except TallystickError as error:  # what it returned cannot be said: that is its failure
            if failure is not None:
                raise
            unit.discard()
            code = MISMATCH if isinstance(error, SchemaMismatch) else error.code
            self._say(unit, call, {}, ActivityFailed(error.detail, code=code))
            return
        if loaded.agreement.coordinator != self._context.org_id:
            unit.change(TaskRow, call.token, **ANSWERED)
