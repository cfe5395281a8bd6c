"""Soundness: every route leads somewhere in its block, every step can be reached, and every step can reach an end."""

from tallystick.core.definition.draft import Draft
from tallystick.core.definition.faults import suggestion
from tallystick.core.definition.model import AnyStep, Begin, Decision, End, Table, Task
from tallystick.core.definition.rules import COLLECT
from tallystick.core.definition.structure import entrances, is_handler
from tallystick.core.expression.evaluate import outcome_of
from tallystick.core.expression.lexer import ExpressionError


def check_soundness(draft: Draft, start: str) -> None:
    """Note every route to nowhere, unreachable step and step without an end in sight."""
    is_known = draft.is_whole
    for name, step in draft.steps.items():
        for index, route in enumerate(step.next_steps):
            is_known = _check_target(draft, step, route.step, draft.where(name, "next_steps", index)) and is_known
        for index, catch in enumerate(step.catches):
            is_known = _check_target(draft, step, catch.step, draft.where(name, "catches", index)) and is_known
        _check_routes(draft, step)
        _check_catches(draft, step)
    _check_handlers(draft)
    if is_known:  # else half the steps would seem unreachable
        _check_paths(draft, start)


def targets(step: AnyStep) -> list[str]:
    """The steps that a step leads to, by success or failure."""
    return [route.step for route in step.next_steps] + [catch.step for catch in step.catches]


def _check_target(draft: Draft, step: AnyStep, target: str, pointer: str) -> bool:
    found, faults = draft.steps.get(target), draft.faults
    if found is None:
        faults.unknown(pointer, "unknown_step", "step", target, draft.steps)
        return False
    if is_handler(found):
        faults.add(pointer, "route_to_handler", f"{target} undoes another step, no route leads to it")
    elif found.block != step.block:
        faults.add(pointer, "leaves_block", f"{target} stands in another block than {step.id}", _stay(step))
    elif isinstance(found, Begin):
        faults.add(pointer, "route_to_start", f"{target} is how an execution begins")
    else:
        return True
    return False


def _stay(step: AnyStep) -> str:
    return "a branch ends after its last step, without a route" if step.block else "lead to the step around it"


def _check_routes(draft: Draft, step: AnyStep) -> None:
    outcomes = [route.outcome for route in step.next_steps]
    for index, outcome in enumerate(outcomes):
        pointer = draft.where(step.id, "next_steps", index)
        if not isinstance(step, Decision) and outcome is not None:
            draft.faults.add(f"{pointer}/outcome", "outcome_not_allowed", "only decisions have outcomes")
        elif outcome in outcomes[:index]:
            which = "without an outcome" if outcome is None else f"for the outcome {outcome}"
            draft.faults.add(pointer, "repeated_route", f"there is a route {which} already")
    if isinstance(step, Decision) and step.table is not None and step.table.hit_policy != COLLECT:
        _check_outcomes(draft, step, step.table)


def _check_outcomes(draft: Draft, step: Decision, table: Table) -> None:
    """A table tells its outcomes: each has its route, and each route its outcome."""
    given: dict[str, tuple[object, ...]] = {}
    for index, values in enumerate([*(row.output_values for row in table.rows), table.default]):
        parts: tuple[object, ...] = ("rows", index) if index < len(table.rows) else ("default",)
        try:
            given.setdefault(outcome_of(values[0]), parts)
        except (ExpressionError, IndexError):
            return  # which has been noted
    routed = {route.outcome: index for index, route in enumerate(step.next_steps)}
    for outcome, parts in given.items():
        if outcome not in routed and None not in routed:
            pointer = draft.where(step.id, "table", *parts)
            draft.faults.add(
                pointer, "no_route", f"no route is there for the outcome {outcome}", suggestion(outcome, _texts(routed))
            )
    for name, index in routed.items():
        if name is not None and name not in given:
            pointer = draft.where(step.id, "next_steps", index)
            draft.faults.add(pointer, "unknown_outcome", f"no row gives the outcome {name}", suggestion(name, given))


def _texts(routed: dict[str | None, int]) -> list[str]:
    return [name for name in routed if name is not None]


def _check_catches(draft: Draft, step: AnyStep) -> None:
    codes = [catch.code for catch in step.catches]
    for index, code in enumerate(codes):
        if None in codes[:index] or code in codes[:index]:
            detail = "an earlier route takes this failure already"
            draft.faults.add(draft.where(step.id, "catches", index), "unreachable_catch", detail)


def _check_handlers(draft: Draft) -> None:
    """Every handler undoes a step, and nothing else."""
    used = set()
    for name, step in draft.steps.items():
        handler = step.compensate_with if isinstance(step, Task) else None
        if handler is None:
            continue
        used.add(handler)
        found = draft.steps.get(handler)
        if found is None or not is_handler(found):
            known = [one for one, other in draft.steps.items() if is_handler(other)]
            pointer = draft.where(name, "compensate_with")
            draft.faults.unknown(pointer, "unknown_handler", "step of compensations", handler, known)
    for name, step in draft.steps.items():
        if not is_handler(step):
            continue
        if name not in used:
            draft.faults.add(
                draft.where(name), "unused_handler", f"{name} undoes no step", "name it in compensate_with"
            )
        if step.next_steps or step.catches or step.block:
            draft.faults.add(draft.where(name), "bad_handler", f"{name} undoes a step and leads nowhere")


def _check_paths(draft: Draft, start: str) -> None:
    steps = {name: step for name, step in draft.steps.items() if not is_handler(step)}
    forward = {name: targets(step) for name, step in steps.items()}
    backward: dict[str, list[str]] = {name: [] for name in steps}
    for name, following in forward.items():
        for other in following:
            backward[other].append(name)
    reached = _closure(list(entrances(steps, start).values()), forward)
    ending = _closure([name for name, step in steps.items() if not step.next_steps and _may_end(step)], backward)
    for name, step in steps.items():
        if name not in reached and not isinstance(step, End):
            draft.faults.add(draft.where(name), "unreachable_step", f"no path leads to {name}")
        if name not in ending:
            draft.faults.add(draft.where(name), "no_end", f"no path leads from {name} to an end")


def _may_end(step: AnyStep) -> bool:
    """At the top only the system's ends end; in a block any step does that leads nowhere."""
    return isinstance(step, End) or bool(step.block)


def _closure(begin: list[str], edges: dict[str, list[str]]) -> set[str]:
    todo = [name for name in begin if name in edges]
    seen = set(todo)
    while todo:
        for other in edges[todo.pop()]:
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return seen
