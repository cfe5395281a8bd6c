"""What the record owes the chain: leaves of our log, and the registration of what we propose.

Rows are written in the transaction that makes them true; the chain side takes them from the tables.
"""

import hashlib
import hmac
import secrets
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import func
from sqlmodel import col, select

from tallystick.core import agreement as agreements
from tallystick.core import b64, canonical, policy
from tallystick.core.agreement import Agreement, Anchoring, Ledger
from tallystick.core.errors import Invalid
from tallystick.ledger.leaf import ZERO, Leaf, padding
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.unit import Reader, Unit
from tallystick.tenants.models.anchor import BEAT, LeafRow, WorkflowRow

START, COMPLETION, SUBMISSION, PADDING = 1, 2, 3, 5
KINDS = {START: "start", COMPLETION: "completion", SUBMISSION: "submission"}
STATUS = {"running": 0, "completed": 1, "failed": 2, "cancelled": 3, "terminated": 4}


class Heartbeat(NamedTuple):
    """An anchor in every interval, with so many leaves at least."""

    max_age_seconds: int
    padding: policy.Padding


class OnChain(msgspec.Struct, frozen=True, kw_only=True):
    """Who we are on the chain, and where: ``org`` in ``OrgRegistry``, the address that signs our log's heads.

    ``contracts`` has the fields of an agreement's ``anchoring``; ``secret`` salts what we register.
    """

    org: str
    log_key: str
    chain_id: int
    contracts: dict[str, str]
    secret: bytes
    policy: dict[str, Any] = {}  # what we propose, where nobody asks for something else
    also: list[Ledger] = []  # further chains that get our log's heads
    former_log_keys: list[str] = []  # an agreement that was drafted with an older card of ours names one of them

    def anchoring(self, definition: dict[str, object]) -> Anchoring:
        """What an agreement that we draft says; one definition always gets one salt, so it is registered once."""
        said = b"tallystick/workflow-salt/v1" + canonical.encode(definition)
        salt = b64.encode(hmac.digest(self.secret, said, hashlib.sha256)[:16])
        terms = policy.terms(self.policy)
        said_of_us = {"chain_id": self.chain_id, "workflow_salt": salt, **self.contracts}
        return msgspec.convert({**said_of_us, **terms, "also": msgspec.to_builtins(self.also)}, Anchoring)

    def agrees(self, anchoring: Anchoring) -> bool:
        """Whether that is the chain and these are the contracts that we anchor on; so with each further one."""
        first = msgspec.convert({"chain_id": self.chain_id, **self.contracts}, Ledger)
        ours = {one.chain_id: _places(one) for one in (first, *self.also)}
        same = all(ours.get(one.chain_id) == _places(one) for one in anchoring.chains.values())
        return same and anchoring.chain_id == self.chain_id


def _places(ledger: Ledger) -> tuple[str, ...]:
    return tuple(one.lower() for one in (ledger.org_registry, ledger.workflow_registry, ledger.execution_ledger))


def check(agreement: Agreement, org_id: str, us: OnChain | None) -> None:
    """Refuse an agreement that would have us anchor where we do not, or under another name or key than ours."""
    me = agreement.participant(org_id)
    if agreement.anchoring is None or me is None:
        return
    if us is None or not us.agrees(agreement.anchoring):
        raise Invalid("agreement is anchored on another chain than ours", code="other_chain")
    ours = {one.lower() for one in (us.log_key, *us.former_log_keys)}
    if me.chain_org != us.org or me.log_key.lower() not in ours:
        raise Invalid("agreement names another organisation or log key on the chain for us", code="wrong_key")


def note_workflow(unit: Unit, agreement: Agreement, org_id: str, now: int) -> None:
    """Remember that the agreement's definition is to be on the chain; registering is for its initiator."""
    name, initiator = agreements.workflow_hash(agreement), agreement.participant(agreement.initiator)
    if name is None or initiator is None or unit.get(WorkflowRow, (initiator.chain_org, name)) is not None:
        return
    mine = initiator.org_id == org_id
    unit.insert(WorkflowRow, org=initiator.chain_org, workflow_hash=name, mine=mine, since=now, check_at=now)


def workflow(reader: Reader, agreement: Agreement) -> WorkflowRow | None:
    """How far that registration is; None where nothing is anchored."""
    name, initiator = agreements.workflow_hash(agreement), agreement.participant(agreement.initiator)
    return reader.get(WorkflowRow, (initiator.chain_org, name)) if name and initiator else None


def add_leaf(
    unit: Unit,
    agreement: Agreement,
    org_id: str,
    *,
    kind: int,
    execution: str,
    agreement_hash: str,
    term: int,
    size: int,
    root: str,
    inputs: str,
    results: str,
    status: str,
    now: int,
    subject: str = "",
) -> None:
    """Append the leaf of (execution, kind, subject) unless it stands already, or the agreement anchors nowhere."""
    me, terms = agreement.participant(org_id), agreement.anchoring
    if terms is None or me is None or _index(unit, execution, kind, subject) is not None:
        return
    index = log_size(unit)
    start = _index(unit, execution, START)
    leaf = Leaf(
        version=1,
        kind=kind,
        org=_word(me.chain_org),
        execution=_word(execution),
        agreement=_word(agreement_hash),
        term=term,
        size=size,
        root=_word(root),
        input=_word(inputs),
        result=_word(results),
        status=STATUS[status],
        start_index=index if kind == START or start is None else start,
        salt=secrets.token_bytes(32),
    )
    unit.insert(
        LeafRow,
        index=index,
        execution=execution,
        kind=kind,
        data=leaf.encode(),
        since=now,
        subject=subject,
        due_at=policy.due_at(now, terms.max_age_seconds),
        max_leaves=terms.max_leaves,
        padding=_json(terms.padding),
        finality=_json(terms.finality),
    )


def add_submission(unit: Unit, loaded: Loaded, org_id: str, statement_id: str, now: int) -> None:
    """Append the leaf of a statement that goes to everyone: it shows by when it was said, and on which history."""
    add_leaf(
        unit,
        loaded.agreement,
        org_id,
        kind=SUBMISSION,
        execution=loaded.row.id,
        agreement_hash=loaded.row.agreement_hash,
        term=loaded.state.term,
        size=loaded.state.size,
        root=loaded.replay.root,
        inputs=statement_id,
        results=ZERO.hex(),
        status="running",
        now=now,
        subject=statement_id,
    )


def pad(unit: Unit, org: str, count: int, now: int) -> None:
    """Append leaves that mean nothing: they make a batch larger than what is in it."""
    first = log_size(unit)
    for index in range(first, first + count):
        data = padding(_word(org), secrets.token_bytes(32)).encode()
        unit.insert(LeafRow, index=index, execution="", kind=PADDING, data=data, since=now, subject=str(index))


def last_beat(reader: Reader) -> tuple[int, int] | None:
    """The index of the newest leaf that :func:`beat` appended, and when it was due."""
    query = select(LeafRow.index, LeafRow.due_at).where(BEAT).order_by(col(LeafRow.index).desc()).limit(1)
    return next(((index, due_at) for index, due_at in reader.exec(query)), None)


def beat(unit: Unit, org: str, anchored: int, terms: Heartbeat, now: int) -> None:
    """Append padding that asks for an anchor at the next time of the cadence, unless one from ``anchored`` on does.

    An anchor that took longer than its interval makes up for one interval, however many it missed: so a log in which
    something happened and one in which nothing did are anchored at the same times.
    """
    last, age = last_beat(unit), terms.max_age_seconds * 1000
    if last is not None and last[0] >= anchored:
        return
    due_at = policy.due_at(now, terms.max_age_seconds)
    if last is not None:
        due_at = min(due_at, max(last[1] + age, now // age * age))
    index = log_size(unit)
    asked = {"due_at": due_at, "max_leaves": policy.MAX_LEAVES, "padding": _json(terms.padding)}
    data = padding(_word(org), secrets.token_bytes(32)).encode()
    unit.insert(LeafRow, index=index, execution="", kind=PADDING, data=data, since=now, subject=str(index), **asked)


def _json(value: Any) -> str:
    return msgspec.json.encode(value, order="sorted").decode()


def log_size(reader: Reader) -> int:
    """How many leaves our log has: they stand without a gap, so the last one tells."""
    last = next(iter(reader.exec(select(func.max(LeafRow.index)))))
    return 0 if last is None else int(last) + 1


def _index(unit: Unit, execution: str, kind: int, subject: str = "") -> int | None:
    here = (LeafRow.execution == execution, LeafRow.kind == kind, LeafRow.subject == subject)
    found = unit.exec(select(LeafRow.index).where(*here))
    return found[0] if found else None


def _word(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
