"""Keccak-256, whichever package computes it."""

import pytest
from eth_hash.auto import keccak as reference

from tallystick.ledger import hashing


@pytest.mark.parametrize("length", [0, 1, 64, 65, 135, 136, 137, 416, 1000])  # a block is 136 bytes
def test_both_packages_agree(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes(number % 251 for number in range(length))
    first = hashing.keccak(data)
    monkeypatch.setattr(hashing, "_fast", None)
    assert first == hashing.keccak(data) == reference(data)


def test_of_nothing() -> None:
    assert hashing.keccak(b"") == hashing.EMPTY_ROOT
