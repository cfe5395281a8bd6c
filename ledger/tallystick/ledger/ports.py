"""What this package needs of a node's database. Every method returns only when what it did is durable."""

from collections.abc import Sequence
from typing import Literal, Protocol, get_args

import msgspec

State = Literal["queued", "held", "sent", "mined", "confirmed", "reorged", "failed"]
STATES: tuple[State, ...] = get_args(State)
UNMINED: tuple[State, ...] = ("queued", "held", "sent", "reorged")  # on its way into a block
UNSETTLED: tuple[State, ...] = (*UNMINED, "mined")
SETTLED: tuple[State, ...] = ("confirmed", "failed")  # with a block: compared with the chain from then on


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One signed transaction for a submission's nonce; fees in wei a unit of gas, ``at`` in milliseconds."""

    raw: bytes
    transaction_hash: str
    gas: int
    max_fee: int
    priority_fee: int
    at: int


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction that is given up: it failed when mined (``cost`` in wei), or its nonce was lost (``reason``).

    It is looked for all the same: what a node once took may still be mined.
    """

    transaction_hash: str
    relayer: str
    nonce: int
    at: int
    reason: str
    cost: int = 0


class Passed(msgspec.Struct, frozen=True):
    """A state that was entered, and when (milliseconds)."""

    state: State
    since: int


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """A call that must reach the chain once, and how far it has come.

    ``key`` names its purpose (``org``, ``log-key:0x…``, ``workflow:0x…``, ``anchor:<epoch>:<size>``) and is unique.
    ``by`` is the only account whose call counts; None where anybody's does. The states:

    - ``queued``: nothing is signed yet; ``held``: nothing can be, for the reason in ``error``, and it is tried again
    - ``sent``: signed bytes with ``nonce`` of ``relayer`` are kept and may be out
    - ``mined``, ``confirmed``: in the block named, with fewer confirmations than asked for, or enough
    - ``reorged``: it was mined or confirmed; that block has left the chain, and the kept bytes are sent again
    - ``failed``: the contract would refuse it, or did so in the block named; ``failures`` counts

    ``since`` is when the state was entered (milliseconds), ``passed`` the states before it, oldest first.
    ``gas_used`` times ``price`` (wei a unit) is what it cost; ``block_time`` is the chain's clock (seconds).
    For anchors ``log_epoch``, ``log_size`` and ``log_root`` name the head.
    """

    key: str
    to: str
    data: bytes
    by: str | None = None
    state: State = "queued"
    since: int
    passed: tuple[Passed, ...] = ()
    relayer: str | None = None
    nonce: int | None = None
    attempts: tuple[Attempt, ...] = ()
    tried: tuple[Tried, ...] = ()
    transaction_hash: str | None = None
    block_number: int | None = None
    block_hash: str | None = None
    block_time: int | None = None
    gas_used: int | None = None
    price: int | None = None
    error: str | None = None
    failures: int = 0
    log_epoch: int | None = None
    log_size: int | None = None
    log_root: str | None = None

    @property
    def cost(self) -> int | None:
        """What its transaction in the block named cost, in wei; None while it is in none."""
        return None if self.gas_used is None or self.price is None else self.gas_used * self.price

    @property
    def spent(self) -> int:
        """All that it cost so far, those transactions that failed included, in wei."""
        return (self.cost or 0) + sum(one.cost for one in self.tried)

    @property
    def transactions(self) -> tuple[str, ...]:
        """The hashes of every transaction signed for it, oldest first."""
        return (*(one.transaction_hash for one in self.tried), *(one.transaction_hash for one in self.attempts))


class SubmissionStore(Protocol):
    """Submissions to one chain, unique by ``key``."""

    async def get(self, key: str) -> Submission | None:
        """The submission of that key."""
        ...

    async def save(self, submission: Submission) -> None:
        """Insert it, or replace the one of the same key."""
        ...

    async def unsettled(self) -> Sequence[Submission]:
        """All in the states :data:`UNSETTLED`: lowest nonce first, those without a nonce last, then by ``since``."""
        ...

    async def settled(self, limit: int) -> Sequence[Submission]:
        """Those in the states :data:`SETTLED` that name a block, highest block first, at most ``limit``."""
        ...

    async def since(self, at: int) -> Sequence[Submission]:
        """Those that entered their state at ``at`` (milliseconds) or later, and all that are :data:`UNSETTLED`."""
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
