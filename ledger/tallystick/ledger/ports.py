"""What this package needs of a node's database. Every method returns only when what it did is durable."""

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

State = Literal["queued", "sent", "mined", "confirmed", "failed"]


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One signed transaction for a submission's nonce; fees in wei a unit of gas, ``at`` in milliseconds."""

    raw: bytes
    transaction_hash: str
    gas: int
    max_fee: int
    priority_fee: int
    at: int


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """A call that must reach the chain once, and how far it has come.

    ``key`` names its purpose (``org``, ``log-key:0x…``, ``workflow:0x…``, ``anchor:<epoch>:<size>``) and is unique.
    ``sent`` means that signed bytes are kept and may be out. ``since`` is when the state was entered (milliseconds).
    For anchors ``log_epoch``, ``log_size`` and ``log_root`` name the head. ``failures`` counts refused tries.
    """

    key: str
    to: str
    data: bytes
    state: State = "queued"
    since: int
    nonce: int | None = None
    attempts: tuple[Attempt, ...] = ()
    transaction_hash: str | None = None
    block_number: int | None = None
    block_hash: str | None = None
    gas_used: int | None = None
    error: str | None = None
    failures: int = 0
    log_epoch: int | None = None
    log_size: int | None = None
    log_root: str | None = None


class SubmissionStore(Protocol):
    """Submissions of one chain account, unique by ``key``."""

    async def get(self, key: str) -> Submission | None:
        """The submission of that key."""
        ...

    async def save(self, submission: Submission) -> None:
        """Insert it, or replace the one of the same key."""
        ...

    async def unsettled(self) -> Sequence[Submission]:
        """All that are queued, sent or mined: lowest nonce first, those without a nonce last, then by ``since``."""
        ...

    async def settled(self, limit: int) -> Sequence[Submission]:
        """Confirmed ones, highest nonce first, at most ``limit``."""
        ...

    async def covering(self, epoch: int, index: int) -> Submission | None:
        """Of the anchors in ``epoch`` that have not failed, the one with the smallest ``log_size`` above ``index``."""
        ...


class LeafStore(Protocol):
    """The organisation's leaves in order of their index; the node appends in the transaction that makes them true."""

    async def size(self) -> int:
        """How many leaves there are."""
        ...

    async def leaves(self, start: int, stop: int) -> Sequence[bytes]:
        """The 416 bytes of each leaf with ``start`` ≤ index < ``stop``."""
        ...
