"""Statements: what an organisation says in an execution, signed (RECORD.md, Tokens)."""

import hashlib
from typing import Annotated, Any, Literal

import msgspec

from tallystick.core import jws
from tallystick.core.agreement import PublicKey, SealingKey
from tallystick.core.errors import Invalid, UnknownVersion
from tallystick.core.keys import SigningKey

VERSION = 1
STATEMENT, HEAD, ATTESTATION, REFUSAL, RECEIPT = (
    "tally-statement+jwt",
    "tally-head+jwt",
    "tally-attestation+jwt",
    "tally-refusal+jwt",
    "tally-receipt+jwt",
)


Attempt = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class _Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Wire types name every field and tolerate no other."""


class Basis(_Wire, frozen=True):
    """The newest head that the author held."""

    term: int
    size: int
    root: str


class Propose(_Wire, frozen=True):
    nonce: str


class Consent(_Wire, frozen=True):
    decision: Literal["accepted", "rejected"]
    reason: str | None = None
    sealed: list[str] = []


class Change(_Wire, frozen=True):
    """Another agreement is proposed instead: its hash, and the nonce of the execution that it gets."""

    agreement: str
    nonce: str
    reason: str | None = None
    sealed: list[str] = []


class Start(_Wire, frozen=True):
    input: dict[str, str]
    sealed: list[str] = []


class ResultError(_Wire, frozen=True):
    code: str
    message: str | None = None


class Child(_Wire, frozen=True):
    """The closing head of a sub-workflow's execution, and how it closed."""

    execution: str
    term: int
    size: int
    root: str
    status: Literal["completed", "failed", "cancelled", "terminated"]


class Result(_Wire, frozen=True):
    task: str
    attempt: Attempt
    status: Literal["completed", "failed", "cancelled"]
    data: dict[str, str] = {}
    outcome: str | None = None
    error: ResultError | None = None
    child: Child | None = None
    sealed: list[str] = []


class Received(_Wire, frozen=True):
    task: str
    attempt: Attempt
    sealed: list[str]


class Acknowledge(_Wire, frozen=True):
    task: str
    attempt: Attempt


class Timer(_Wire, frozen=True):
    timer: str


class Terminate(_Wire, frozen=True):
    reason: str
    sealed: list[str] = []


class Signal(_Wire, frozen=True):
    name: str
    data: dict[str, str] = {}
    sealed: list[str] = []


class Cancel(_Wire, frozen=True):
    reason: str
    sealed: list[str] = []


class Suspend(_Wire, frozen=True):
    reason: str
    sealed: list[str] = []


class Resume(_Wire, frozen=True):
    pass


class Retry(_Wire, frozen=True):
    task: str


class Schedule(_Wire, frozen=True):
    timer: str
    due_at: int


class RotateKey(_Wire, frozen=True):
    """A key that speaks from now on; the others do for ``overlap`` more entries. ``serial`` only ever grows."""

    key: PublicKey
    serial: int
    overlap: int
    sealing_key: SealingKey | None = None


class RevokeKey(_Wire, frozen=True):
    """A key that speaks no more; ``since`` (milliseconds) is what its owner believes, and changes nothing."""

    kid: str
    reason: Literal["compromised", "lost", "superseded"]
    since: int | None = None


class CiteStart(_Wire, frozen=True):
    """The author's start leaf (416 bytes, ``0x…``) and where the chain has it (RECORD.md); hashes as ``0x…``."""

    leaf: str
    index: int
    chain_id: int
    log_epoch: int
    log_size: int
    log_root: str
    block_number: int
    path: list[str] = []


Body = (
    Propose
    | Consent
    | Change
    | Start
    | CiteStart
    | Result
    | Received
    | Acknowledge
    | Timer
    | Schedule
    | Signal
    | Suspend
    | Resume
    | Retry
    | Cancel
    | Terminate
    | RotateKey
    | RevokeKey
)

KINDS: dict[str, type[Body]] = {
    "propose": Propose,
    "consent": Consent,
    "change": Change,
    "start": Start,
    "cite_start": CiteStart,
    "result": Result,
    "received": Received,
    "acknowledge": Acknowledge,
    "timer": Timer,
    "schedule": Schedule,
    "signal": Signal,
    "suspend": Suspend,
    "resume": Resume,
    "retry": Retry,
    "cancel": Cancel,
    "terminate": Terminate,
    "rotate_key": RotateKey,
    "revoke_key": RevokeKey,
}
ROOT_SIGNED = frozenset({"rotate_key", "revoke_key"})  # the root key signs these, and they are all that it signs

SEALING = (Consent, Change, Start, Result, Signal, Suspend, Cancel, Terminate)  # kinds that ciphertexts travel beside


class Payload(_Wire, frozen=True):
    """The signed content; ``iat`` in milliseconds, informative."""

    v: int
    iss: str
    aud: str
    kind: str
    execution: str
    basis: Basis | None
    iat: int
    body: dict[str, Any]


class Statement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A statement as read: its id, key and typed body beside what every kind has."""

    id: str
    kid: str
    iss: str
    aud: str
    kind: str
    execution: str
    basis: Basis | None
    iat: int
    body: Body

    @property
    def sealed(self) -> list[str]:
        """The hashes of the ciphertexts that travel beside it (a receipt only names its delivery's)."""
        return list(self.body.sealed) if isinstance(self.body, SEALING) else []

    @property
    def place(self) -> tuple[str, int]:
        """The (task, attempt) that its commitments are bound to."""
        body = self.body
        if isinstance(body, Signal):
            return (f"signal:{body.name}", 0)
        return (body.task, body.attempt) if isinstance(body, Result | Received | Acknowledge) else ("", 0)

    @property
    def commitments(self) -> dict[str, str]:
        """Commitments by property name; free text stands under ``$reason`` and ``$message``."""
        match self.body:
            case Start(input=members) | Signal(data=members):
                return dict(members)
            case Result(data=members, error=error):
                extra = {"$message": error.message} if error and error.message else {}
                return {**members, **extra}
            case (
                Consent(reason=reason)
                | Change(reason=reason)
                | Terminate(reason=reason)
                | Cancel(reason=reason)
                | Suspend(reason=reason)
            ):
                return {"$reason": reason} if reason else {}
        return {}


def sign(key: SigningKey, payload: Payload) -> str:
    """The token of a statement; absent optional fields of its body stay absent."""
    return jws.sign(key, STATEMENT, payload)


def say(key: SigningKey, payload: Payload, body: Body) -> tuple[str, Statement]:
    """Sign ``payload``, whose body is ``body``; the token, and what :func:`read` makes of it."""
    signing_input, statement = draft(key, payload, body)
    return jws.sign_input(key, signing_input), statement


def draft(key: jws.Named, payload: Payload, body: Body) -> tuple[str, Statement]:
    """What :func:`say` signs, and what :func:`read` will make of the token: nothing in it depends on the signature."""
    signing_input = jws.unsigned(key, STATEMENT, payload)
    name = hashlib.sha256(signing_input.encode("ascii")).hexdigest()
    return signing_input, _statement(name, key.kid, payload, body)


def _statement(name: str, kid: str, payload: Payload, body: Body) -> Statement:
    return Statement(
        id=name,
        kid=kid,
        iss=payload.iss,
        aud=payload.aud,
        kind=payload.kind,
        execution=payload.execution,
        basis=payload.basis,
        iat=payload.iat,
        body=body,
    )


def body_of(value: Body) -> dict[str, Any]:
    """The body as it stands in a payload: without the fields that say nothing."""
    members = {name: getattr(value, name) for name in value.__struct_fields__}
    return {name: member for name, member in members.items() if member is not None and member != []}


def read(token: str) -> tuple[jws.Token, Statement]:
    """Check a statement's form; who signed it is for the caller to verify on the returned token."""
    raw = jws.read(token, STATEMENT)
    if raw.payload.get("v") != VERSION:
        raise UnknownVersion("statement has a version that is not known here")
    try:
        payload = msgspec.convert(raw.payload, Payload)
        kind = KINDS.get(payload.kind)
        if kind is None:
            raise Invalid(f"statement kind {payload.kind[:40]} is not known", code="unknown_kind")
        body = msgspec.convert(payload.body, kind)
    except msgspec.ValidationError as error:
        raise Invalid(f"statement: {error}", code="bad_statement") from error
    return raw, _statement(raw.id, raw.kid, payload, body)
