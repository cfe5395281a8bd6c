"""What triggers did, one row an occasion: what stands there is not done again.

The row is written in the unit of work that proposes the execution, so a crash leaves both or neither.
"""

import logging
from collections.abc import Callable
from typing import Any

from sqlalchemy import bindparam, literal_column
from sqlalchemy import delete as delete_from
from sqlalchemy import select as select_from
from sqlmodel import col

from tallystick.core.errors import TallystickError, Unavailable
from tallystick.node.record.context import Context
from tallystick.node.record.triggering import check_no_documents
from tallystick.node.record.unit import Unit
from tallystick.tenants.models.definition import DefinitionRow, TriggerRunRow

logger = logging.getLogger(__name__)
KEPT = 10_000  # runs of one definition: how far back an event is known to have come before
_TIDY_EVERY = 100  # runs
Launch = Callable[[Unit, DefinitionRow, dict[str, Any]], str]

_definition, _at = col(TriggerRunRow.definition_id), col(TriggerRunRow.at)
_newest = select_from(_at).where(_definition == bindparam("b_definition")).order_by(_at.desc())
_MANY = delete_from(TriggerRunRow).where(
    _definition == bindparam("b_definition"),
    _at <= _newest.limit(literal_column("1")).offset(bindparam("b_kept")).scalar_subquery(),
)


class Runs:
    """A tenant's; all of it happens inside units of work. ``launch`` proposes an execution of a version."""

    def __init__(self, context: Context, launch: Launch) -> None:
        self._context = context
        self._launch = launch
        self._noted = 0

    def once(
        self, unit: Unit, row: DefinitionRow, place: int, occasion: str, make: Callable[[], dict[str, Any] | None]
    ) -> dict[str, Any] | None:
        """Start with the input that ``make`` makes, unless that was done; None where it makes none."""
        held = unit.get(TriggerRunRow, (row.id, place, occasion))
        if held is not None:
            return view(held)
        facts: dict[str, Any] = {}
        try:
            values = make()
            if values is None:
                return None
            check_no_documents(values)
            facts["execution"] = self._launch(unit, row, values)
        except Unavailable:
            raise  # which passes: the occasion is not over
        except TallystickError as error:
            unit.discard()
            facts = {"code": error.code, "detail": str(error)[:500]}
            logger.warning("trigger %d of %s started nothing: %s", place, row.id, error.code)
        return self.note(row.id, place, occasion, row.version, facts, unit)

    def note(
        self, definition: str, place: int, occasion: str, version: str, facts: dict[str, Any], unit: Unit
    ) -> dict[str, Any]:
        """Write down what came of an occasion; the oldest of very many are forgotten."""
        key = {"definition_id": definition, "trigger": place, "occasion": occasion}
        unit.insert(TriggerRunRow, **key, version=version, at=self._context.now(), **facts)
        self._noted += 1
        if self._noted % _TIDY_EVERY == 0:
            unit.later(TriggerRunRow, _MANY, {"b_definition": definition, "b_kept": KEPT})
        return view(unit.get_one(TriggerRunRow, (definition, place, occasion)))


def view(row: Any) -> dict[str, Any]:
    """What a trigger did on one occasion."""
    return {
        "definition_id": row.definition_id,
        "version": row.version,
        "trigger": row.trigger,
        "occasion": row.occasion,
        "at": row.at,
        "execution_id": row.execution,
        "code": row.code,
        "detail": row.detail,
    }
