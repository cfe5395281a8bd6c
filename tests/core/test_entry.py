"""Entries: form, version, and the bytes of their leaf."""

from typing import Any

import msgspec
import pytest

from tallystick.core import canonical, entry
from tallystick.core.errors import Invalid, UnknownVersion

DOCUMENT: dict[str, Any] = {
    "v": 1,
    "execution": "e" * 64,
    "term": 0,
    "seq": 4,
    "at": 1_790_000_000_000,
    "statement_id": "5" * 64,
    "outcome": "applied",
    "events": [{"type": "task_completed", "task": "order.1"}],
}


def test_the_leaf_is_the_canonical_document() -> None:
    read = entry.read(DOCUMENT)
    assert read.leaf() == canonical.encode(DOCUMENT)
    assert entry.read(canonical.parse_canonical(read.leaf())) == read
    assert read.applied
    assert not msgspec.structs.replace(read, outcome="void:closed").applied


@pytest.mark.parametrize("value", [None, [], 1, "x", {}, {**DOCUMENT, "v": 2}])
def test_unknown_versions_never_pass(value: Any) -> None:
    with pytest.raises(UnknownVersion):
        entry.read(value)


@pytest.mark.parametrize("change", [{"surplus": 1}, {"seq": "4"}, {"events": {}}, {"events": [1]}, {"at": None}])
def test_other_forms_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        entry.read({**DOCUMENT, **change})
    assert caught.value.code == "bad_entry"


@pytest.mark.parametrize("missing", sorted(DOCUMENT))
def test_every_member_is_needed(missing: str) -> None:
    with pytest.raises(Invalid):
        entry.read({name: value for name, value in DOCUMENT.items() if name != missing})
