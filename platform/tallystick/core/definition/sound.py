"""Soundness: every route leads somewhere, every step can be reached, and every step can reach an end."""

from tallystick.core.definition.faults import Faults, at
from tallystick.core.definition.steps import Step


def check_soundness(steps: dict[str, Step], start: str, faults: Faults) -> None:
    """Note every route to nowhere, unreachable step and step without an end in sight."""
    before = len(faults.found)
    for name, step in steps.items():
        for index, route in enumerate(step["next_steps"]):
            if route["step"] not in steps:
                pointer = at("/steps", name, "next_steps", index)
                faults.unknown(pointer, "unknown_step", "step", route["step"], steps)
        _check_routes(name, step, faults)
    if len(faults.found) > before:
        return
    forward = {name: [route["step"] for route in step["next_steps"]] for name, step in steps.items()}
    backward: dict[str, list[str]] = {name: [] for name in steps}
    for name, following in forward.items():
        for other in following:
            backward[other].append(name)
    reached = _closure([start], forward)
    ending = _closure([name for name, following in forward.items() if not following], backward)
    for name, step in steps.items():
        if name not in reached and step["step_type"] != "system":
            faults.add(at("/steps", name), "unreachable_step", f"no path leads to {name}")
        if name not in ending:
            faults.add(at("/steps", name), "no_end", f"no path leads from {name} to an end")


def _check_routes(name: str, step: Step, faults: Faults) -> None:
    outcomes = [route.get("outcome") for route in step["next_steps"]]
    if len(set(outcomes)) != len(outcomes):
        faults.add(at("/steps", name, "next_steps"), "repeated_route", f"two routes of {name} have the same outcome")
    if step["step_type"] != "decision" and any(outcome is not None for outcome in outcomes):
        faults.add(at("/steps", name, "next_steps"), "outcome_not_allowed", "only decisions have outcomes")


def _closure(begin: list[str], edges: dict[str, list[str]]) -> set[str]:
    seen, todo = set(begin), list(begin)
    while todo:
        for other in edges[todo.pop()]:
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return seen
