"""One bundle out of several: what an auditor does who was given the same execution's evidence by each participant.

The record itself is the same in all of them, or they do not belong together. What differs is what each may disclose:
its openings, its documents, its attestations and its own anchors. Nothing here is trusted: the result is verified like
any other bundle.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from tallystick.core import canonical
from tallystick.core.errors import Invalid

SHARED = ("v", "kind", "execution", "agreement", "statements", "entries")
LISTS = ("heads", "attestations", "openings", "anchors")

Bundle = dict[str, Any]


def combine(bundles: Sequence[Bundle]) -> Bundle:
    """The union of what they disclose; raises `Invalid` when their records differ."""
    first, *others = bundles
    for other in others:
        for name in SHARED:
            if other[name] != first[name]:
                raise Invalid(f"the bundles' {name} differ", code="other_record", pointer=f"/{name}")
    merged = {name: _union(bundle[name] for bundle in bundles) for name in LISTS}
    documents = {name: data for bundle in bundles for name, data in bundle["documents"].items()}
    return {**first, **merged, "documents": documents}


def _union(lists: Iterable[list[Any]]) -> list[Any]:
    """Every item once, in the order of its first appearance."""
    return list({canonical.encode(item): item for items in lists for item in items}.values())
