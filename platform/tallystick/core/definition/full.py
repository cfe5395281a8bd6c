"""The full form (names.md, Workflow): steps of every kind, nested where a kind holds others."""

from tallystick.core.definition.blocks import read_handlers, read_list
from tallystick.core.definition.context import Context
from tallystick.core.definition.model import MAX_STEPS, Begin, End, Route
from tallystick.core.definition.reading import Members
from tallystick.core.definition.sound import targets
from tallystick.core.definition.words import FINALIZE, INITIALIZE, REJECTED


def compile_steps(source: Members, context: Context) -> None:
    """Put the steps of a full definition into the draft, between the system's own."""
    draft = context.draft
    draft.put(Begin(id=INITIALIZE, name=INITIALIZE))
    start = read_list(source, "steps", "", context, [Route(step=FINALIZE)])
    draft.is_whole = draft.is_whole and bool(start)
    draft.change(INITIALIZE, next_steps=[Route(step=start)] if start else [])
    read_handlers(source, context)
    draft.put(End(id=FINALIZE, name=FINALIZE))
    if any(REJECTED in targets(step) for step in draft.steps.values()):
        draft.put(End(id=REJECTED, name=REJECTED, result="rejected"))
    if len(draft.steps) > 2 * MAX_STEPS:
        source.fault("steps", "too_many", f"a workflow has at most {MAX_STEPS} steps", "use sub_workflows")
