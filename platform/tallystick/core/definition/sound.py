"""Soundness: every route leads somewhere, every step can be reached, and every step can reach an end."""

from tallystick.core.definition.draft import Draft
from tallystick.core.definition.faults import Faults, at
from tallystick.core.definition.steps import INITIALIZE, Step


def check_soundness(draft: Draft, faults: Faults) -> None:
    """Note every route to nowhere, unreachable step and step without an end in sight."""
    unknown = False
    for name, step in draft.steps.items():
        for index, route in enumerate(step["next_steps"]):
            if route["step"] not in draft.steps:
                unknown = True
                pointer = at(draft.place(name), "next_steps", index)
                faults.unknown(pointer, "unknown_step", "step", route["step"], draft.steps)
        _check_routes(draft.place(name), step, faults)
    if not unknown:  # else half the steps would seem unreachable
        _check_paths(draft, faults)


def _check_paths(draft: Draft, faults: Faults) -> None:
    forward = {name: [route["step"] for route in step["next_steps"]] for name, step in draft.steps.items()}
    backward: dict[str, list[str]] = {name: [] for name in draft.steps}
    for name, following in forward.items():
        for other in following:
            backward[other].append(name)
    reached = _closure([INITIALIZE], forward)
    ending = _closure([name for name, following in forward.items() if not following], backward)
    for name, step in draft.steps.items():
        if name not in reached and step["step_type"] != "system":
            faults.add(draft.place(name), "unreachable_step", f"no path leads to {name}")
        if name not in ending:
            faults.add(draft.place(name), "no_end", f"no path leads from {name} to an end")


def _check_routes(pointer: str, step: Step, faults: Faults) -> None:
    outcomes = [route.get("outcome") for route in step["next_steps"]]
    for index, outcome in enumerate(outcomes):
        where = at(pointer, "next_steps", index)
        if step["step_type"] != "decision" and outcome is not None:
            faults.add(at(where, "outcome"), "outcome_not_allowed", "only decisions have outcomes")
        elif outcome in outcomes[:index]:
            which = "without an outcome" if outcome is None else f"for the outcome {outcome}"
            faults.add(where, "repeated_route", f"there is a route {which} already")


def _closure(begin: list[str], edges: dict[str, list[str]]) -> set[str]:
    seen, todo = set(begin), list(begin)
    while todo:
        for other in edges[todo.pop()]:
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return seen
