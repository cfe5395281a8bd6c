"""An execution in memory: its row and its replay."""

from typing import Any, Self

import msgspec

from tallystick.core.agreement import Agreement
from tallystick.core.engine.state import State
from tallystick.core.entry import Entry
from tallystick.core.merkle import Frontier
from tallystick.core.replay import Replay

STATE = msgspec.msgpack.Decoder(State)
FRONTIER = msgspec.msgpack.Decoder(Frontier)
_encode = msgspec.msgpack.encode


class Standing(msgspec.Struct, kw_only=True):
    """The columns of an execution's row, without the fold."""

    number: int
    id: str
    agreement_hash: str
    name: str
    definition_id: str
    status: str
    coordinator: str
    created_at: int
    updated_at: int
    term: int = 0
    size: int = 0
    root: str = ""
    start_size: int | None = None
    next_due: int | None = None
    dispute: str | None = None
    proposed_input: bytes | None = None
    replaced_by: str | None = None
    revision: int = 0


_FIELDS = Standing.__struct_fields__


class Fresh(msgspec.Struct):
    """An entry that this transaction made, with what travels beside it."""

    entry: Entry
    token: str
    envelopes: list[dict[str, Any]]


class Loaded:
    """An execution as a transaction holds it.

    ``stored`` says whether its row is in the database, under ``row.revision``; ``fresh`` are the entries that we
    sequenced in this transaction and have put under no head yet.
    """

    def __init__(self, row: Standing, replay: Replay, *, stored: bool) -> None:
        self.row = row
        self.replay = replay
        self.stored = stored
        self.changed = False
        self.fresh: list[Fresh] = []

    @classmethod
    def of_row(cls, row: Any, agreement: Agreement) -> Self:
        """As the database has it."""
        standing = Standing(**{name: getattr(row, name) for name in _FIELDS})
        state, frontier = STATE.decode(row.state), FRONTIER.decode(row.frontier)
        replay = Replay(agreement, row.agreement_hash, row.id, state=state, frontier=frontier)
        return cls(standing, replay, stored=True)

    @property
    def agreement(self) -> Agreement:
        """The agreement that governs it."""
        return self.replay.agreement

    @property
    def state(self) -> State:
        """The fold so far."""
        return self.replay.state

    def copy(self) -> "Loaded":
        """One that can change without changing this one; state and tree are immutable and shared."""
        copied = Loaded(msgspec.structs.replace(self.row), self.replay.copy(), stored=self.stored)
        copied.changed, copied.fresh = self.changed, list(self.fresh)
        return copied

    def columns(self) -> dict[str, Any]:
        """What its row holds."""
        columns = msgspec.structs.asdict(self.row)
        columns["state"], columns["frontier"] = _encode(self.replay.state), _encode(self.replay.frontier)
        return columns
