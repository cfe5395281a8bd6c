"""Putting several organisations' bundles of one execution together."""

from typing import Any

import pytest

from tallystick.core.errors import Invalid
from tallystick.node.demo.combine import combine


def _bundle(**disclosed: Any) -> dict[str, Any]:
    record = {"v": 1, "kind": "evidence", "execution": "e", "agreement": {}, "statements": {}, "entries": [{"seq": 0}]}
    lists: dict[str, list[Any]] = {
        name: [] for name in ("attestations", "submissions", "receipts", "openings", "anchors")
    }
    return {**record, **lists, "heads": ["h"], "documents": {}, **disclosed}


def test_what_each_discloses_is_there_once() -> None:
    common, extra = {"property": "total", "value": "1"}, {"property": "remarks", "value": "fine"}
    buyer = _bundle(openings=[common], documents={"a": "QQ"}, attestations=["x"])
    carrier = _bundle(openings=[common, extra], documents={"b": "Qg"}, attestations=["x", "y"])
    whole = combine([buyer, carrier])
    assert whole["openings"] == [common, extra]
    assert whole["documents"] == {"a": "QQ", "b": "Qg"}
    assert whole["attestations"] == ["x", "y"]
    assert whole["heads"] == ["h"]


def test_one_proof_a_leaf_is_kept() -> None:
    first, again = {"leaf": "0x01", "block_number": 3}, {"leaf": "0x01", "block_number": 4}
    other = {"leaf": "0x02", "block_number": 4}
    assert combine([_bundle(anchors=[first]), _bundle(anchors=[again, other])])["anchors"] == [first, other]


def test_another_record_is_refused() -> None:
    with pytest.raises(Invalid, match="entries differ"):
        combine([_bundle(), _bundle(entries=[{"seq": 1}])])
