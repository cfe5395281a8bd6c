"""Sub-workflows: an attempt's child execution is proposed, accepted, started and ended by the nodes themselves.

Whoever agreed to the parent agreed to its sub-workflows with it. So a participant accepts a child without asking its
people when, and only when, the child is exactly what the parent says (:func:`is_agreed`).
"""

import os
from typing import Any, cast

import msgspec
from msgspec.structs import replace
from sqlmodel import col, select

from tallystick.core import b64, canonical
from tallystick.core import entry as entries
from tallystick.core.agreement import Agreement, Anchoring, Parent, Participant
from tallystick.core.deciding import mapped
from tallystick.core.definition.compile import audiences
from tallystick.core.definition.model import SubWorkflow
from tallystick.core.engine import keyring, names
from tallystick.core.engine.state import OPEN
from tallystick.core.errors import Invalid, NotYet
from tallystick.core.scope import variables
from tallystick.core.statement import Child, Consent, Terminate
from tallystick.node.record import audience, beginning, store, terms
from tallystick.node.record.answering import say_result
from tallystick.node.record.authoring import Saying, say
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.scopes import input_of, scope_of, values
from tallystick.node.record.unit import Unit
from tallystick.node.schemas import check_value
from tallystick.tenants.models.listing import ExecutionTermRow
from tallystick.tenants.models.record import EntryRow, StatementRow, TaskRow

_CONSENT = "consent"  # the key of our answer to a proposal
WITHDRAWN = "the step that this is the work of has ended otherwise"
# What a child may have otherwise than its parent: salts, the time, who coordinates it, and the parent itself.
_ITS_OWN = ("salt", "created_at", "initiator", "coordinator", "parent", "replaces")


def work(unit: Unit, context: Context, loaded: Loaded, row: TaskRow) -> None:
    """Do what an attempt of ours needs next: propose its child, tell how the child ended, or end it."""
    child = _find(unit, _parent(loaded, row))
    task = loaded.state.tasks.get(row.task)
    if task is None or (task.attempt, task.status) != (row.attempt, "open"):
        unit.change(TaskRow, row.key, status="cancelled", retry_at=None)
        if child is not None and child.state.status in OPEN:
            _terminate(unit, context, child)
    elif child is None:
        _begin(unit, context, loaded, row)
    elif child.state.status not in OPEN:
        _tell(unit, context, loaded, child, row)


def accept(unit: Unit, context: Context, loaded: Loaded) -> None:
    """Accept a child's proposal that the parent's agreement covers; what it does not cover waits for people."""
    parent = loaded.agreement.parent
    if parent is None or loaded.state.consents.get(context.org_id) != "pending" or loaded.state.status != "created":
        return
    if is_agreed(loaded.agreement, parent, store.find(unit, parent.execution)):
        said = select(StatementRow.id).where(
            StatementRow.number == loaded.row.number, StatementRow.answer_key == _CONSENT
        )
        if not unit.exec(said):
            accepted = Consent(decision="accepted")
            say(unit, context, loaded, Saying(kind="consent", make=lambda _d, _s: accepted, answer_key=_CONSENT))


def follow(unit: Unit, context: Context, loaded: Loaded) -> None:
    """Start a child of ours as soon as all have accepted it."""
    agreement = loaded.agreement
    if agreement.parent is not None and agreement.initiator == context.org_id and loaded.state.status == "ready":
        beginning.start(unit, context, loaded, canonical.parse(loaded.row.proposed_input or b"{}"))


def is_agreed(child: Agreement, parent: Parent, around: Loaded | None) -> bool:
    """Whether the parent says exactly this; :class:`NotYet` while our copy of the parent may be behind."""
    if around is None or (around.state.status in OPEN and not _is_known(around, parent.task)):
        raise NotYet("the step that this is the work of is not known here yet", code="no_parent")
    task = around.state.tasks.get(parent.task)
    if around.row.agreement_hash != parent.agreement or task is None:
        return False
    step = around.agreement.compiled.steps[task.step]
    if not isinstance(step, SubWorkflow) or (task.attempt, task.org) != (parent.attempt, child.initiator):
        return False
    covered = _covered(around.agreement, step, child.initiator)
    return child.coordinator == child.initiator and _terms(child) == _terms(covered) and _keys_fit(child, around)


def _keys_fit(child: Agreement, around: Loaded) -> bool:
    """A child's keys are those of its parent's log; one that is not known there yet may be on its way."""
    for one in child.participants:
        for key in one.signing_keys:
            if keyring.public(around.agreement, around.state, one.org_id, key.kid) != key.key:
                raise NotYet(f"a key of {one.org_id} is not known in the parent yet", code="unknown_key")
            held = around.state.keys.get(key.kid)
            if held is not None and held.revoked is not None:
                return False
        known = around.agreement.participant(one.org_id)
        if one.sealing_key not in {around.state.sealing.get(one.org_id), known.sealing_key if known else None}:
            raise NotYet(f"the sealing key of {one.org_id} is not known in the parent yet", code="unknown_key")
    return True


def _is_known(around: Loaded, task: str) -> bool:
    """Whether the task is open or has been, as far as the frame that it stands in tells."""
    visits = around.state.frames.get(names.frame_of(task), {})
    return task in around.state.tasks or visits.get(names.step_of(task), 0) >= names.visit_of(task) > 0


def _parent(loaded: Loaded, row: TaskRow) -> Parent:
    """The attempt, as its child names it."""
    agreement = loaded.row.agreement_hash
    return Parent(execution=loaded.row.id, agreement=agreement, task=row.task, attempt=row.attempt)


def _find(unit: Unit, parent: Parent) -> Loaded | None:
    """The execution that is the work of an attempt, if it has been proposed."""
    found = unit.exec(select(ExecutionTermRow.execution).where(ExecutionTermRow.term == terms.child_of(parent)))
    return store.find(unit, found[0]) if found else None


def _covered(around: Agreement, step: SubWorkflow, initiator: str) -> Agreement:
    """A child's agreement as the parent's has it; who initiates it may terminate it."""
    definition = around.definition["definitions"][step.definition]
    members = [cast("Participant", around.participant(org)) for org in definition["participants"]]
    members = [replace(one, can_terminate=one.can_terminate or one.org_id == initiator) for one in members]
    return replace(around, definition=definition, participants=members, visibility=audiences(definition))


def _terms(agreement: Agreement) -> dict[str, Any]:
    """What must be the same in both."""
    found: dict[str, Any] = msgspec.to_builtins(agreement)
    for name in _ITS_OWN:
        del found[name]
    if found["anchoring"]:
        del found["anchoring"]["workflow_salt"]
    for one in found["participants"]:
        del one["signing_keys"], one["sealing_key"]  # the parent's log says which
    return found


def _begin(unit: Unit, context: Context, loaded: Loaded, row: TaskRow) -> None:
    step = cast("SubWorkflow", store.step_of(loaded.agreement, row.step))
    try:
        given = input_of(unit, loaded, row.task)
        check_value(loaded.agreement.compiled.definitions[step.definition].input_schema, given, "/input")
    except Invalid as error:
        say_result(unit, context, loaded, row, status="failed", values={}, code=error.code)
        return
    covered = _covered(loaded.agreement, step, context.org_id)
    covered = replace(
        covered,
        participants=[_as_now(loaded, one) for one in covered.participants],
        salt=_salt(),
        created_at=context.now(),
        initiator=context.org_id,
        coordinator=context.org_id,
        anchoring=_anchoring(loaded.agreement.anchoring),
        parent=_parent(loaded, row),
        replaces=None,
    )
    child = beginning.offer(unit, context, msgspec.to_builtins(covered), given)
    follow(unit, context, child)  # where nobody else takes part, nobody is waited for


def _as_now(around: Loaded, one: Participant) -> Participant:
    """With the keys that speak and open for it in the parent now."""
    key = keyring.speaking(around.agreement, around.state, one.org_id)[-1]
    sealing = keyring.sealing(around.agreement, around.state, one.org_id) or one.sealing_key
    return replace(one, signing_keys=[key], sealing_key=sealing)


def _anchoring(around: Anchoring | None) -> Anchoring | None:
    return replace(around, workflow_salt=_salt()) if around else None


def _salt() -> str:
    return b64.encode(os.urandom(16))


def _tell(unit: Unit, context: Context, loaded: Loaded, child: Loaded, row: TaskRow) -> None:
    """The child has closed: that is the attempt's result."""
    size, root = _closing_head(unit, child)
    status: Any = child.state.status
    head = Child(execution=child.row.id, term=child.state.term, size=size, root=root, status=status)
    data: dict[str, Any] = {}
    code = None if status == "completed" else f"child_{status}"
    if code is None:
        try:
            data = _output(unit, loaded, child, row)
        except Invalid as error:
            code = error.code
    outcome = "failed" if code else "completed"
    say_result(unit, context, loaded, row, status=outcome, values=data, code=code, child=head)


def _output(unit: Unit, loaded: Loaded, child: Loaded, row: TaskRow) -> dict[str, Any]:
    """What becomes of the child's values; without a mapping they stay where they are."""
    step = store.step_of(loaded.agreement, row.step)
    result = {"outcome": child.state.outcome, "steps": variables(values(unit, child))["steps"]}
    data = mapped(step.output_mapping, {**scope_of(unit, loaded, row.task), "result": result})
    check_value(step.result_schema, data, "/data")
    return data


def _closing_head(unit: Unit, child: Loaded) -> tuple[int, str]:
    """(size, root) as of the entry that closed it; void ones may have followed."""
    query = select(EntryRow.leaf).where(EntryRow.number == child.row.number)
    for leaf in unit.exec(query.order_by(col(EntryRow.seq).desc()).limit(100)):
        entry = entries.read(canonical.parse(leaf))
        if any(event["type"] == "closed" for event in entry.events):
            size = entry.seq + 1
            return size, store.root_at(unit, child, size) or child.replay.root
    return child.state.size, child.replay.root


def _terminate(unit: Unit, context: Context, child: Loaded) -> None:
    saying = Saying(
        kind="terminate",
        make=lambda data, sealed: Terminate(reason=data["$reason"], sealed=sealed),
        answer_key="terminate",
        values={"$reason": WITHDRAWN},
        readers=audience.of_everyone(child.agreement),
    )
    say(unit, context, child, saying)
