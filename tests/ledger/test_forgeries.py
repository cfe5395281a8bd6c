"""Each forged copy fails at the check that names it, and first of all there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger.audit.world import World, build, bundle_of, checks
from support.parties import BUYER, CARRIER, SUPPLIER, Parties
from tallystick.core import canonical
from tallystick.core.errors import Invalid
from tallystick.core.keys import SigningKey
from tallystick.ledger.forgeries import Forgery, forgeries, resigned


def _all(world: World) -> Iterator[Forgery]:
    yield from forgeries(world.bundle, world.keys[BUYER])
    yield from (resigned(world.bundle, world.keys[org]) for org in (SUPPLIER, CARRIER))


async def test_each_forgery_fails_at_the_check_that_names_it() -> None:
    world = await build()
    honest = canonical.encode(world.bundle)
    for forged in _all(world):
        found = checks(forged.bundle, world.trust)
        first = next(check.name for check in found.values() if check.status == "FAIL")
        assert first == forged.check, forged.name
    assert canonical.encode(world.bundle) == honest


async def test_a_resigned_history_holds_in_itself() -> None:
    world = await build()
    found = checks(resigned(world.bundle, world.keys[BUYER]).bundle, world.trust)
    assert {number for number, check in found.items() if check.status == "FAIL"} == {8, 14, 19}


@pytest.mark.parametrize(
    ("value", "other"),
    [(True, False), (7, 8), ("12.50", "912.50"), ([1], "something else"), ({"$file": {"name": "a"}}, None)],
)
def test_any_answer_can_be_changed(value: object, other: object) -> None:
    parties = Parties()
    parties.begin()
    parties.answer(BUYER, "order.1", {"answer": value}, sealed=["ab" * 32])
    forged = resigned(bundle_of(parties, [], documents=()), parties.keys[BUYER]).bundle
    expected = other if other is not None else {"$file": {"name": "other-a"}}
    assert [one["value"] for one in forged["openings"]] == [expected]


def test_there_must_be_something_to_forge() -> None:
    parties = Parties()
    parties.begin()
    bundle = bundle_of(parties, [], documents=())
    with pytest.raises(Invalid, match="no document"):
        forgeries(bundle, parties.keys[BUYER])
    for key in (parties.keys[BUYER], SigningKey.generate()):
        with pytest.raises(Invalid, match="no answer"):
            resigned(bundle, key)
