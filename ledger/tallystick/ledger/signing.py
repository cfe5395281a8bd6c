"""Who signs the transactions of a relayer account: its key in this process, or another service."""

from typing import Any, Protocol

from .accounts import Account


class Signer(Protocol):
    """Signs for one account."""

    @property
    def address(self) -> str:
        """The account, spelt with EIP-55's checksum."""
        ...

    async def sign_transaction(self, transaction: dict[str, Any]) -> tuple[bytes, str]:
        """An EIP-1559 transaction's signed bytes and its hash (``0x…``); SignerUnavailable when it does not answer."""
        ...


class LocalSigner:
    """Signs with a key that this process holds."""

    def __init__(self, account: Account) -> None:
        self._account = account

    @property
    def address(self) -> str:
        """See the port."""
        return self._account.address

    async def sign_transaction(self, transaction: dict[str, Any]) -> tuple[bytes, str]:
        """See the port."""
        return self._account.sign_transaction(transaction)
