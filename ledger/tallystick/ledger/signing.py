"""Who signs the transactions of an account, and the heads of a log: a key in this process, or another service."""

from collections.abc import Sequence
from typing import Any, Protocol

from .accounts import Account
from .contracts import Head
from .orglog import head_digest


class Signer(Protocol):
    """Signs for one account."""

    @property
    def address(self) -> str:
        """The account, spelt with EIP-55's checksum."""
        ...

    async def sign_transaction(self, transaction: dict[str, Any]) -> tuple[bytes, str]:
        """An EIP-1559 transaction's signed bytes and its hash (``0x…``); SignerUnavailable when it does not answer."""
        ...


class HeadSigner(Protocol):
    """Signs the heads of an organisation's log with its log key."""

    @property
    def address(self) -> str:
        """The address that the log key signs for."""
        ...

    async def sign_head(self, head: Head, chain_id: int, ledger: str) -> bytes:
        """65 bytes over the head (EIP-712), for this chain and contract; SignerUnavailable when it does not answer."""
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


class LocalHeadSigner:
    """Signs with a log key that this process holds."""

    def __init__(self, log_key: Account) -> None:
        self._log_key = log_key

    @property
    def address(self) -> str:
        """See the port."""
        return self._log_key.address

    async def sign_head(self, head: Head, chain_id: int, ledger: str) -> bytes:
        """See the port."""
        return self._log_key.sign(head_digest(head, chain_id, ledger))


class HeadKeys:
    """The log keys of an organisation, newest first: that one signs which :meth:`use` named last."""

    def __init__(self, newest: HeadSigner, former: Sequence[HeadSigner] = ()) -> None:
        self.all = (newest, *former)
        self._used = newest

    @property
    def address(self) -> str:
        """The newest's."""
        return self.all[0].address

    @property
    def former(self) -> tuple[HeadSigner, ...]:
        """Those before it."""
        return self.all[1:]

    def use(self, signer: HeadSigner) -> None:
        """Have one of them sign from now on."""
        self._used = signer

    async def sign_head(self, head: Head, chain_id: int, ledger: str) -> bytes:
        """See the port."""
        return await self._used.sign_head(head, chain_id, ledger)
