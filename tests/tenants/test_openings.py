"""The document of openings."""

from typing import Any

import pytest

from tallystick.core import canonical
from tallystick.core.commitment import Opening, new_salt
from tallystick.core.errors import Invalid
from tallystick.tenants.openings import MAX_OPENINGS, MAX_PROPERTIES, read_openings, write_openings

OPENING = {
    "property": "数量 a!b@c$d()e*_,/:;=?@ff[]22",
    "salt": "AAAAAAAAAAAAAAAAAAAAAA",
    "value": {"n": [1, None, "件"]},
}


def test_what_is_written_is_read() -> None:
    openings = [
        Opening(property="订单", salt=new_salt(), value={"n": 1}),
        Opening(property="b", salt=new_salt(), value=None),
    ]
    assert read_openings(write_openings(openings)) == openings
    assert read_openings(write_openings([])) == []


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"v": 2, "openings": []},
        {"v": 1},
        {"v": 1, "openings": {}},
        {"v": 1, "openings": [], "more": 1},
        {"v": 1, "openings": [{**OPENING, "more": 1}]},
        {"v": 1, "openings": [{"property": "a", "value": 1}]},
        {"v": 1, "openings": [{**OPENING, "salt": 1}]},
    ],
)
def test_other_forms_are_refused(document: Any) -> None:
    with pytest.raises(Invalid):
        read_openings(canonical.encode(document))


def test_other_spellings_and_sizes_are_refused() -> None:
    with pytest.raises(Invalid, match="canonical"):
        read_openings(b'{ "v":1,"openings":[]}')
    with pytest.raises(Invalid, match="bytes"):
        read_openings(b" " * (MAX_OPENINGS + 1))
    with pytest.raises(Invalid, match="too many"):
        read_openings(
            canonical.encode({"v": 1, "openings": [{"property": "", "salt": "", "value": 0}] * (MAX_PROPERTIES + 1)})
        )
