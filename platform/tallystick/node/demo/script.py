"""What the seed decides: amounts, answers, optional steps and who moves first.

Every choice is drawn from SHA-256 over the seed and the choice's name, so that a seed tells the same story on any
interpreter, and a new choice never shifts the others. Seed 0 is the whole story: everything is accepted, in full.
"""

import hashlib
from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from .cast import ORGANISATIONS

WHOLE = 0
ENDINGS = ("paid", "paid", "paid", "invoice refused", "order refused")
OPTIONAL_STEPS = ("order_response", "goods_inspection")
DOCUMENT_OF = {
    "order": "Order",
    "order_response": "OrderResponse",
    "despatch_advice": "DespatchAdvice",
    "waybill": "Waybill",
    "receipt_advice": "ReceiptAdvice",
    "invoice": "Invoice",
    "freight_invoice": "FreightInvoice",
    "remittance_advice": "RemittanceAdvice",
}


@dataclass(frozen=True, kw_only=True)
class Script:
    """One seed's choices. `percent` scales quantities and totals, `turns` is the order in which staff look at tasks."""

    seed: int
    percent: int
    approvals: Mapping[str, bool]
    left_out: frozenset[str]
    invoice_first: bool
    turns: tuple[str, ...]

    @property
    def outcome(self) -> str:
        """How the execution is to close: a refusal is an ending like any other, and on record like any other."""
        return "completed" if all(self.approvals.values()) else "rejected"


def draw(seed: int, label: str, sides: int) -> int:
    """A die of `sides` sides (0 …) for one named choice."""
    digest = hashlib.sha256(f"tallystick/demo/{seed}/{label}".encode()).digest()
    return int.from_bytes(digest[:8]) % sides


def write(seed: int) -> Script:
    """The script of `seed`."""
    everyone = tuple(each.org_id for each in ORGANISATIONS)
    if seed == WHOLE:
        return Script(
            seed=seed,
            percent=100,
            approvals={"order_approval": True, "invoice_approval": True},
            left_out=frozenset(),
            invoice_first=False,
            turns=everyone,
        )
    ending = ENDINGS[draw(seed, "ending", len(ENDINGS))]
    return Script(
        seed=seed,
        percent=25 + draw(seed, "percent", 276),
        approvals={"order_approval": ending != "order refused", "invoice_approval": ending != "invoice refused"},
        left_out=frozenset(step for step in OPTIONAL_STEPS if draw(seed, step, 2)),
        invoice_first=bool(draw(seed, "invoice_first", 2)),
        turns=tuple(
            sorted((each.org_id for each in ORGANISATIONS), key=lambda org: draw(seed, f"turn/{org}", 1 << 32))
        ),
    )


def stage(definition: Mapping[str, Any], script: Script, kinds: Collection[str]) -> dict[str, Any]:
    """`definition` (short form) as `script` plays it with documents of `kinds`: steps left out, two perhaps swapped."""
    staged = deepcopy(dict(definition))
    tasks = [task for task in staged["tasks"] if _plays(task["id"], script, kinds)]
    if script.invoice_first:
        tasks = _before(tasks, "invoice", "receipt_advice")
    return {**staged, "id": f"{staged['id']}-{script.seed}", "tasks": tasks}


def _plays(task: str, script: Script, kinds: Collection[str]) -> bool:
    return task not in script.left_out and (task not in DOCUMENT_OF or DOCUMENT_OF[task] in kinds)


def _before(tasks: list[dict[str, Any]], mover: str, anchor: str) -> list[dict[str, Any]]:
    """Suppliers may invoice on despatch: the two steps do not depend on each other."""
    moved = next(task for task in tasks if task["id"] == mover)
    rest = [task for task in tasks if task["id"] != mover]
    place = next(index for index, task in enumerate(rest) if task["id"] == anchor)
    return [*rest[:place], moved, *rest[place:]]
