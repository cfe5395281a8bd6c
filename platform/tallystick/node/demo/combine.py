"""One bundle out of several: what an auditor does who was given the same execution's evidence by each participant.

The record itself is the same in all of them, or they do not belong together. What differs is what each may disclose:
its openings, its documents, its attestations and its own anchors. Nothing here is trusted: the result is verified like
any other bundle.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import chain
from typing import Any

from tallystick.core import canonical
from tallystick.core.errors import Invalid

SHARED = ("v", "kind", "execution", "agreement", "statements", "entries")
LISTS = ("heads", "attestations", "openings", "submissions", "receipts")

Bundle = dict[str, Any]


def combine(bundles: Sequence[Bundle]) -> Bundle:
    """The union of what they disclose; raises `Invalid` when their records differ."""
    first, *others = bundles
    for other in others:
        for name in SHARED:
            if other[name] != first[name]:
                raise Invalid(f"the bundles' {name} differ", code="other_record", pointer=f"/{name}")
    merged = {name: _union((bundle[name] for bundle in bundles), canonical.encode) for name in LISTS}
    # One leaf may have been proved as of several blocks; one proof of it is enough.
    merged["anchors"] = _union((bundle["anchors"] for bundle in bundles), lambda anchor: anchor["leaf"])
    documents = {name: data for bundle in bundles for name, data in bundle["documents"].items()}
    return {**first, **merged, "documents": documents}


def _union(lists: Iterable[list[Any]], key: Callable[[Any], Hashable]) -> list[Any]:
    """Every item once, in the order of its first appearance."""
    found: dict[Hashable, Any] = {}
    for item in chain.from_iterable(lists):
        found.setdefault(key(item), item)
    return list(found.values())
