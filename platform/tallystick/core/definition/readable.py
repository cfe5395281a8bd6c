"""What decisions read: names that exist, and data that the deciding organisation gets to see."""

from tallystick.core.definition.draft import Draft
from tallystick.core.definition.faults import Faults, at, suggestion
from tallystick.core.definition.steps import SHARED, Step
from tallystick.core.expression.lexer import ExpressionError
from tallystick.core.expression.parser import parse
from tallystick.core.expression.paths import Path, paths

NAMES = ("input", "steps")
_TO_STEP, _TO_PROPERTY = 2, 3  # members of a path that name a step, and one of its properties


def check_expressions(draft: Draft, faults: Faults) -> None:
    """Note every decision that cannot be read, or that reads what is not there or not for it."""
    for name, step in draft.steps.items():
        if step["step_type"] != "decision" or not step["expression"]:
            continue
        pointer = at(draft.place(name), "decision", "expression")
        try:
            read = sorted(set(paths(parse(step["expression"]))))
        except ExpressionError as error:
            faults.add(pointer, "bad_expression", error.detail)
            continue
        for path in read:
            _check_path(step, path, draft, faults, pointer)


def _check_path(step: Step, path: Path, draft: Draft, faults: Faults, pointer: str) -> None:
    if path[0] not in NAMES:
        near = suggestion(path[0], NAMES) or "expressions read input and steps"
        faults.add(pointer, "unknown_name", f"there is no variable {path[0]}", near)
    elif path[0] == "steps" and len(path) >= _TO_STEP:
        source = draft.steps.get(path[1])
        if source is None:
            faults.unknown(pointer, "unknown_step", "step", path[1], draft.steps)
        else:
            _check_property(step, source, path, faults, pointer)


def _check_property(step: Step, source: Step, path: Path, faults: Faults, pointer: str) -> None:
    fields = [field["id"] for field in source["form"]]
    if fields and len(path) >= _TO_PROPERTY and path[2] not in fields:
        faults.unknown(pointer, "unknown_field", "field", path[2], fields)
    if source["visible_to"] != SHARED and step["assigned_org"] not in source["visible_to"]:
        detail = f"{step['assigned_org']} decides on the data of {source['id']}, which it does not see"
        faults.add(pointer, "not_visible", detail)
