"""Which block each step stands in, and what those around it are."""

from collections.abc import Mapping

from tallystick.core.definition.draft import Draft
from tallystick.core.definition.faults import at
from tallystick.core.definition.model import MAX_NESTING, AnyStep, ForEach, Parallel, Task

Steps = Mapping[str, AnyStep]


def owner(block: str) -> str:
    """The step whose block it is; "" for the top."""
    return block.partition("/")[0]


def around(steps: Steps, name: str) -> list[str]:
    """The blocks that a step stands in, the outermost first; more than :data:`MAX_NESTING` are not followed."""
    blocks: list[str] = []
    block = steps[name].block
    while block and len(blocks) <= MAX_NESTING:
        blocks.insert(0, block)
        block = steps[owner(block)].block if owner(block) in steps else ""
    return blocks


def entrances(steps: Steps, start: str) -> dict[str, str]:
    """The first step of every block, "" among them."""
    found = {"": start}
    for name, step in steps.items():
        if isinstance(step, Parallel):
            found |= {f"{name}/{branch.id}": branch.start for branch in step.branches}
        elif isinstance(step, ForEach):
            found[name] = step.body
    return found


def is_handler(step: AnyStep) -> bool:
    """Whether it undoes others."""
    return isinstance(step, Task) and step.compensates


def check_blocks(draft: Draft, start: str) -> bool:
    """Note every step whose block there is not, or lies too deep, and every block that begins elsewhere."""
    before, blocks = len(draft.faults.found), entrances(draft.steps, start)
    for name, step in draft.steps.items():
        if step.block not in blocks:
            draft.faults.add(
                draft.where(name, "block"), "unknown_block", f"step {name} stands in no block that there is"
            )
        elif len(around(draft.steps, name)) > MAX_NESTING:
            detail = f"step {name} stands in more than {MAX_NESTING} blocks"
            draft.faults.add(draft.where(name, "block"), "too_deep", detail)
    for block, first in blocks.items():
        if first not in draft.steps or draft.steps[first].block != block or is_handler(draft.steps[first]):
            name = owner(block)
            pointer = draft.where(name) if name else at("", "start")
            draft.faults.add(pointer, "bad_start", f"the block {block or 'at the top'} begins with a step outside it")
    return len(draft.faults.found) == before
