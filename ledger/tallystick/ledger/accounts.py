"""A chain account: an address, and what its private key signs."""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from eth_account import Account as EthAccount
from eth_account.signers.local import LocalAccount
from eth_typing import Hash32
from eth_utils.address import to_checksum_address

from . import eip1559
from .hashing import ADDRESS, WORD, keccak, to_hex, unhex

_coincurve: Any
try:
    _coincurve = import_module("coincurve")  # five times as fast, where it has a wheel
except ImportError:
    _coincurve = None


class Account:
    """Signs transactions and EIP-712 digests; the key shows in no ``repr``."""

    def __init__(self, private: bytes) -> None:
        self._key: LocalAccount = EthAccount.from_key(private)
        self._fast = None if _coincurve is None else _coincurve.PrivateKey(private)

    @property
    def address(self) -> str:
        """The address, spelt with EIP-55's checksum."""
        return to_checksum_address(self._key.address)

    def sign(self, digest: bytes) -> bytes:
        """65 bytes r ‖ s ‖ v over a digest, s in the lower half and v 27 or 28 (EIP-2)."""
        if self._fast is None:
            return bytes(self._key.unsafe_sign_hash(Hash32(digest)).signature)
        signature: bytes = self._fast.sign_recoverable(digest, hasher=None)
        return signature[: 2 * WORD] + bytes([signature[2 * WORD] + 27])

    def sign_transaction(self, transaction: dict[str, Any]) -> tuple[bytes, str]:
        """An EIP-1559 transaction's signed bytes and its hash (``0x…``)."""
        unsigned = eip1559.fields(transaction)
        raw = eip1559.signed(unsigned, self.sign(eip1559.digest(unsigned)))
        return raw, to_hex(keccak(raw))

    def __repr__(self) -> str:
        return f"Account({self.address})"


def sign_all(accounts: Iterable[Account], digest: bytes) -> bytes:
    """The accounts' signatures behind each other, in the order that the contracts ask for: ascending by address."""
    ordered = sorted(accounts, key=lambda one: unhex(one.address, ADDRESS))
    return b"".join(one.sign(digest) for one in ordered)
