"""An execution's state: the fold of its entries, holding what is open and nothing that grows with history.

Three things outlast what made them: ``done`` (at most one for each step, for those who look on), ``undo``, one for
each completed step that has a compensation, and ``keys``, by which signatures are judged after the end as well.
"""

from typing import Any, Literal

import msgspec

from tallystick.core.agreement import SealingKey

Status = Literal["created", "ready", "running", "completed", "failed", "cancelled", "suspended", "terminated"]
OPEN: frozenset[str] = frozenset({"created", "ready", "running", "suspended"})
GOING: frozenset[str] = frozenset({"running", "suspended"})


class Task(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One visit to a step that is not over; ``waiting`` names who must still receive or acknowledge.

    Steps that no organisation does stand here too, with ``org`` "": timers (``timing``) and waits (``waiting``).
    ``seq`` is the entry that assigned it, ``timers`` the names of its timers, set or wanted; ``undoes`` the task that a
    compensation undoes.
    """

    step: str
    attempt: int
    org: str
    status: (
        str  # open, delivering, retrying, held, timing, waiting; completed or failed until what follows has followed
    )
    assigned_at: int
    seq: int = 0
    due_at: int | None = None
    waiting: tuple[str, ...] = ()
    sealed: tuple[str, ...] = ()
    outcome: str | None = None
    code: str | None = None
    undoes: str | None = None
    timers: tuple[str, ...] = ()


class Timer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something the coordinator must state at ``due_at`` (milliseconds)."""

    due_at: int
    purpose: str  # timeout, reminder, retry, delay, instant, due, continue
    task: str


class Wanted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A timer whose due time the organisation ``by`` has still to state; not before ``since``."""

    by: str
    purpose: str  # instant, due
    task: str
    since: int


class Block(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A parallel or for-each that is running; ``begun`` of ``total`` frames have been entered."""

    step: str
    total: int
    begun: int = 0
    done: int = 0
    failed: int = 0

    @property
    def running(self) -> int:
        """Frames that have not ended."""
        return self.begun - self.done - self.failed


class Done(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The latest completion of a step."""

    task: str
    org: str
    outcome: str | None
    at: int


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """How the execution will close when its compensations are over."""

    status: Status
    outcome: str


class Key(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a rotation or a revocation says of a key; ``key`` (hex) is "" for one of the agreement's.

    ``until`` and ``revoked`` are the last places that it speaks at (:mod:`.keyring`), ``since`` the first.
    """

    org: str
    key: str = ""
    serial: int = 0
    since: int = 0
    until: int | None = None
    revoked: int | None = None


class State(msgspec.Struct, kw_only=True):
    """All that ``decide`` may depend on beside the agreement; ``size`` is the next sequence number.

    Nobody changes a state but the draft that made it, before it gives it away (:mod:`.draft`).
    """

    execution: str
    status: Status = "created"
    term: int = 0
    size: int = 0
    at: int = 0
    consents: dict[str, str] = {}
    tasks: dict[str, Task] = {}
    timers: dict[str, Timer] = {}
    wanted: dict[str, Wanted] = {}
    frames: dict[str, dict[str, int]] = {}  # visits by step, by frame
    blocks: dict[str, Block] = {}
    waits: dict[str, tuple[str, ...]] = {}  # tasks by the signal that they wait for, the oldest first
    signals: dict[str, tuple[str, ...]] = {}  # who sent the signals that nobody waited for, the oldest first
    done: dict[str, Done] = {}
    undo: tuple[tuple[str, str], ...] = ()  # (task, handler), the latest last
    deferred: tuple[tuple[Any, ...], ...] = ()  # what is still to follow: at resume, or in the coordinator's next entry
    closing: Closing | None = None
    suspended_at: int | None = None
    suspended_by: str | None = None  # None while only held tasks suspend it
    outcome: str | None = None
    keys: dict[str, Key] = {}  # by id; of the agreement's keys only those that leave
    unanchored: int | None = None  # the record's size at a start whose anchor is required and not cited yet
    sealing: dict[str, SealingKey] = {}  # by organisation, where it is another one than the agreement's


def initial(execution: str) -> State:
    """The state before the first entry."""
    return State(execution=execution)
