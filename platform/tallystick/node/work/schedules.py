"""Due times that this organisation has to state: cron lines that it coordinates, due dates of its tasks."""

import logging
from functools import partial
from typing import cast

from tallystick.core import deciding
from tallystick.core.definition import cron
from tallystick.core.definition.model import Timer, UserTask
from tallystick.core.engine.names import step_of
from tallystick.core.engine.state import Wanted
from tallystick.core.errors import Invalid, WrongState
from tallystick.core.statement import Schedule
from tallystick.node.record.authoring import Saying, say
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.scopes import scope_of
from tallystick.node.record.unit import Unit

logger = logging.getLogger(__name__)
AGAIN_MS = 60_000  # until a statement that the coordinator has not sequenced is looked after again


def state_wanted(unit: Unit, context: Context, loaded: Loaded) -> int:
    """State each due time that the execution waits for; how many."""
    stated = 0
    for name, wanted in list(loaded.state.wanted.items()):
        if wanted.by == context.org_id and loaded.state.status != "suspended":
            stated += _state(unit, context, loaded, name, wanted)
    if loaded.row.next_due == 0:  # what we said is on its way, or cannot be told now
        loaded.row.next_due = context.now() + AGAIN_MS
        loaded.changed = True
    return stated


def _state(unit: Unit, context: Context, loaded: Loaded, name: str, wanted: Wanted) -> int:
    due_at = _due_at(unit, loaded, wanted)
    if due_at is None:
        return 0
    saying = Saying(kind="schedule", make=partial(_schedule, name, due_at), answer_key=f"schedule/{name}")
    try:
        say(unit, context, loaded, saying)
    except WrongState:
        return 0  # said before, and on its way
    return 1


def _schedule(name: str, due_at: int, _data: dict[str, str], _sealed: list[str]) -> Schedule:
    return Schedule(timer=name, due_at=due_at)


def _due_at(unit: Unit, loaded: Loaded, wanted: Wanted) -> int | None:
    step = loaded.agreement.compiled.steps[step_of(wanted.task)]
    try:
        if isinstance(step, Timer):
            return cron.next_due(step.cron or "", step.time_zone or cron.UTC, wanted.since)
        return deciding.due_at(cast("UserTask", step), scope_of(unit, loaded, wanted.task), wanted.since)
    except Invalid as error:
        logger.warning("no due date of %s can be told: %s", wanted.task, error)
        return wanted.since  # it passes at once, and reminds
    except (ValueError, LookupError, OSError) as error:  # a time zone that this machine does not know
        logger.warning("no due time of %s can be told: %s", wanted.task, error)
        return None
