"""A chain account: an address, and what its private key signs."""

from collections.abc import Iterable
from typing import Any

from eth_account import Account as EthAccount
from eth_account.signers.local import LocalAccount
from eth_typing import Hash32
from eth_utils.address import to_checksum_address

from .hashing import ADDRESS, to_hex, unhex


class Account:
    """Signs transactions and EIP-712 digests; the key shows in no ``repr``."""

    def __init__(self, private: bytes) -> None:
        self._key: LocalAccount = EthAccount.from_key(private)

    @property
    def address(self) -> str:
        """The address, spelt with EIP-55's checksum."""
        return to_checksum_address(self._key.address)

    def sign(self, digest: bytes) -> bytes:
        """65 bytes r ‖ s ‖ v over a digest, s in the lower half and v 27 or 28 (EIP-2)."""
        return bytes(self._key.unsafe_sign_hash(Hash32(digest)).signature)

    def sign_transaction(self, transaction: dict[str, Any]) -> tuple[bytes, str]:
        """An EIP-1559 transaction's signed bytes and its hash (``0x…``)."""
        # The library takes an address as text only in EIP-55's spelling; as bytes there is but one.
        to = {"to": unhex(transaction["to"], ADDRESS)} if "to" in transaction else {}
        signed = self._key.sign_transaction({**transaction, **to})
        return bytes(signed.raw_transaction), to_hex(bytes(signed.hash))

    def __repr__(self) -> str:
        return f"Account({self.address})"


def sign_all(accounts: Iterable[Account], digest: bytes) -> bytes:
    """The accounts' signatures behind each other, in the order that the contracts ask for: ascending by address."""
    ordered = sorted(accounts, key=lambda one: unhex(one.address, ADDRESS))
    return b"".join(one.sign(digest) for one in ordered)
