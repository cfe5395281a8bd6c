"""An agreement names our own keys for us: its proposer must not speak in our name, nor replace our keys."""

from collections.abc import Callable
from typing import Any

import pytest

from node.record.test_pinned import desk, naming_us, offered
from node.work.test_inbox import Desk
from tallystick.core.keys import SigningKey

__all__ = ["desk"]
MALLORY = SigningKey.generate()
Change = Callable[[dict[str, Any]], None]


def _another_key_beside_ours(me: dict[str, Any]) -> None:
    me["signing_keys"].append({"kid": MALLORY.kid, "key": MALLORY.public_hex})


def _another_key_under_our_name(me: dict[str, Any]) -> None:
    me["signing_keys"][0]["key"] = MALLORY.public_hex


def _another_sealing_key_under_our_name(me: dict[str, Any]) -> None:
    me["sealing_key"]["key"] = "ab" * 32


@pytest.mark.parametrize(
    "change", [_another_key_beside_ours, _another_key_under_our_name, _another_sealing_key_under_our_name]
)
async def test_a_key_that_is_not_ours_is_refused(desk: Desk, change: Change) -> None:
    document = naming_us(desk)
    change(document["participants"][0])
    assert await offered(desk, document) == "reject wrong_key"


async def test_another_root_key_for_us_is_refused(desk: Desk) -> None:
    """It would let the proposer rotate our keys in the execution to one of its own."""
    document = naming_us(desk)
    document["participants"][0]["root_key"] = MALLORY.public_hex
    assert await offered(desk, document) == "reject wrong_root_key"
