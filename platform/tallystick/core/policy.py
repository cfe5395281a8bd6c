"""When and how executions are anchored: the terms that all participants agree on, and what is wrong with such terms.

``direct`` anchors every leaf at once. ``batched`` waits until ``max_leaves`` wait, or for the next time that is a
multiple of ``max_age_seconds``: times that do not depend on when work was done. ``padding`` fills a batch with leaves
that mean nothing, so that who watches the chain cannot count executions. ``finality`` says when an anchor counts: so
many blocks, its own included, or the chain's own ``safe`` or ``finalized`` mark.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tallystick.core.definition.faults import Faults, at

MAX_LEAVES = 65_536  # of one batch; a tree over more is built no faster, and who waits for them has waited for long
MAX_AGE_SECONDS = 604_800  # a week: later, an anchor says little of when something was done
MAX_MULTIPLE = 4_096  # leaves that a batch is filled up to, 1.7 MB of them
MAX_FURTHER = 3  # chains beside the first: each costs every participant its fees
MAX_CONFIRMATIONS = 1_000  # deeper than any reorganisation that was ever seen


class _Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Wire types name every field and tolerate no other."""


class Confirmations(_Wire, frozen=True):
    """So many blocks, the anchor's own included."""

    confirmations: Annotated[int, Meta(ge=1, le=MAX_CONFIRMATIONS)]


class Multiple(_Wire, frozen=True):
    """A batch has a multiple of so many leaves."""

    multiple_of: Annotated[int, Meta(ge=2, le=MAX_MULTIPLE)]


Finality = Confirmations | Literal["safe", "finalized"]
Padding = Multiple | Literal["none", "power_of_two"]
Mode = Literal["direct", "batched"]
StartAnchor = Literal["best_effort", "required"]
Leaves = Annotated[int, Meta(ge=1, le=MAX_LEAVES)]
Age = Annotated[int, Meta(ge=0, le=MAX_AGE_SECONDS)]

DIRECT: dict[str, Any] = {
    "mode": "direct",
    "max_leaves": 1,
    "max_age_seconds": 0,
    "padding": "none",
    "start_anchor": "best_effort",
    "finality": {"confirmations": 1},
}
BATCHED = {"mode": "batched", "max_leaves": 256, "max_age_seconds": 60}


def contradiction(mode: str, max_leaves: int, max_age_seconds: int) -> tuple[str, str] | None:
    """Which member does not go with the mode, and why."""
    if mode == "direct":
        if max_leaves != 1:
            return "max_leaves", "a leaf that is anchored at once waits for no other: max_leaves is 1"
        return ("max_age_seconds", "a leaf that is anchored at once has no age") if max_age_seconds else None
    if max_leaves < 2:
        return "max_leaves", "a batch has two leaves at least"
    return None if max_age_seconds else ("max_age_seconds", "a batch needs an age at which it is anchored")


def terms(given: Any, before: dict[str, Any] | None = None) -> dict[str, Any]:
    """The policy that somebody asks for over ``before``; :class:`DefinitionErrors` names all that is wrong with it.

    Who chooses another mode and no numbers gets that mode's.
    """
    faults = Faults()
    if not isinstance(given, dict):
        faults.add("", "ill_typed", "the anchoring policy is an object")
        faults.raise_any()
    for name in given:
        if name not in DIRECT:
            faults.unknown(at("", str(name)), "unknown_member", "member", name, DIRECT)
    kept = dict(before or DIRECT)
    mode = given.get("mode", kept["mode"])
    if mode != kept["mode"]:
        kept |= BATCHED if mode == "batched" else {name: DIRECT[name] for name in BATCHED}
    asked = {**kept, **{name: value for name, value in given.items() if name in DIRECT}}
    for name, form in _FORMS.items():
        _check(faults, name, asked[name], form)
    if not faults.found:
        wrong = contradiction(asked["mode"], asked["max_leaves"], asked["max_age_seconds"])
        if wrong:
            faults.add(at("", wrong[0]), "contradictory", wrong[1])
    faults.raise_any()
    return asked


_FORMS: dict[str, Any] = {
    "mode": Mode,
    "max_leaves": Leaves,
    "max_age_seconds": Age,
    "padding": Padding,
    "start_anchor": StartAnchor,
    "finality": Finality,
}


def _check(faults: Faults, name: str, value: Any, form: Any) -> None:
    try:
        msgspec.convert(value, form)
    except msgspec.ValidationError as error:
        detail, _, path = str(error).partition(" - at `$")
        pointer = at("", name) + path.rstrip("`").replace(".", "/")
        code = "out_of_range" if ">=" in detail or "<=" in detail else "ill_typed"
        faults.add(pointer, code, f"{name}: {detail}")


def due_at(since: int, max_age_seconds: int) -> int:
    """When a leaf that waits since ``since`` (ms) is anchored at the latest: at the next time of the cadence."""
    age = max_age_seconds * 1000
    return (since // age + 1) * age if age else since
