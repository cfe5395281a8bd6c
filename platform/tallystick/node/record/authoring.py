"""Saying something: commit the values, seal them, sign, and hand the statement to the coordinator.

The signature is stored in the same transaction as its place in the outbox or the log, and ``answer_key`` allows one
statement for one question, so a crash or a second click cannot make this organisation answer twice.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from sqlmodel import select

from tallystick.core import statement as statements
from tallystick.core.agreement import Participant, SealingKey
from tallystick.core.commitment import Opening, Place
from tallystick.core.errors import WrongState
from tallystick.core.statement import Basis, Body, Payload, Statement
from tallystick.node.record import coordinator, openings, outgoing, submitting
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.messages import StatementMessage
from tallystick.node.record.unit import Unit
from tallystick.tenants.models.record import StatementRow

MakeBody = Callable[[dict[str, str], list[str]], Body]


class Saying(msgspec.Struct, kw_only=True):
    """What is to be said: values to commit and who may read them, and the body made of the commitments."""

    kind: str
    make: MakeBody
    answer_key: str
    values: dict[str, Any] = {}
    readers: list[Participant] = []
    field_readers: dict[str, list[Participant]] = {}  # of single values, where they differ
    task: str = ""
    attempt: int = 0


def say(unit: Unit, context: Context, loaded: Loaded, saying: Saying) -> Statement:
    """Sign and hand over; WrongState when this question has been answered already, Unavailable at no time to sign."""
    context.check_clock()
    _once(unit, loaded.row.number, saying.answer_key)
    place = Place(execution=loaded.row.id, issuer=context.org_id, task=saying.task, attempt=saying.attempt)
    committed = openings.commit_values(place, saying.values)
    envelopes = _sealed(loaded, committed, place, saying) if len(loaded.agreement.participants) > 1 else {}
    token, said = _signed(unit, context, loaded, saying, saying.make(committed.commitments, sorted(envelopes)))
    _keep(unit, context, loaded, said, token, saying.answer_key)
    openings.keep(unit, context, loaded, said, committed.openings, committed.encoded)
    if envelopes:
        openings.keep_envelopes(unit, loaded, said, envelopes)
    _hand_over(unit, context, loaded, said, token, envelopes)
    for name, value in saying.values.items() if len(loaded.agreement.participants) > 1 else ():
        readers = saying.field_readers.get(name, saying.readers)
        others = [one.org_id for one in readers if one.org_id != context.org_id]
        outgoing.post_chunks(unit, context, loaded, others, [value])
    return said


def say_signed(unit: Unit, context: Context, loaded: Loaded, token: str, answer_key: str) -> Statement:
    """The same for a statement of ours without values that was signed elsewhere, and verified by the caller."""
    context.check_clock()
    _once(unit, loaded.row.number, answer_key)
    said = statements.read(token)[1]
    _keep(unit, context, loaded, said, token, answer_key)
    _hand_over(unit, context, loaded, said, token, {})
    return said


def unsigned(context: Context, loaded: Loaded, kind: str, body: Body) -> Payload:
    """What a statement of ours says, before it is signed."""
    size = loaded.state.size
    # What the root key signs rests on no head: it must not wait behind entries that the coordinator lacks.
    has_basis = size and kind not in statements.ROOT_SIGNED
    return Payload(
        v=statements.VERSION,
        iss=context.org_id,
        aud=loaded.row.agreement_hash,
        kind=kind,
        execution=loaded.row.id,
        basis=Basis(term=loaded.state.term, size=size, root=loaded.replay.root) if has_basis else None,
        iat=context.now(),
        body=statements.body_of(body),
    )


def _keep(unit: Unit, context: Context, loaded: Loaded, said: Statement, token: str, answer_key: str) -> None:
    ours = loaded.agreement.coordinator == context.org_id
    due_at = None if ours else submitting.next_at(context, loaded, said.iat, said.iat)
    if due_at is not None:
        unit.note("due", due_at)
    unit.insert(
        StatementRow,
        number=loaded.row.number,
        id=said.id,
        iss=context.org_id,
        kind=said.kind,
        token=token,
        at=said.iat,
        answer_key=answer_key,
        due_at=due_at,
    )


def _once(unit: Unit, number: int, answer_key: str) -> None:
    """Two answers to one question collide in the database. That is rare, so it is looked for when it has happened."""
    if not unit.careful:
        return
    query = select(StatementRow.id).where(StatementRow.number == number, StatementRow.answer_key == answer_key)
    if unit.exec(query):
        raise WrongState("this has been answered already", state="answered", code="already_answered")


def _sealed(loaded: Loaded, committed: openings.Committed, place: Place, saying: Saying) -> dict[str, dict[str, Any]]:
    """One envelope for each group of readers, under the keys that they have now."""
    newer = loaded.state.sealing
    groups: dict[tuple[str, ...], tuple[list[Participant], list[Opening]]] = {}
    for one in committed.openings:
        readers = saying.field_readers.get(one.property, saying.readers)
        if readers:
            groups.setdefault(tuple(each.org_id for each in readers), (readers, []))[1].append(one)
    sealed = [
        openings.seal(group, place, saying.kind, [_now(one, newer) for one in readers])
        for readers, group in groups.values()
    ]
    return {name: envelope for envelope, name in sealed}


def _now(reader: Participant, newer: dict[str, SealingKey]) -> Participant:
    key = newer.get(reader.org_id)
    return msgspec.structs.replace(reader, sealing_key=key) if key else reader


def _signed(unit: Unit, context: Context, loaded: Loaded, saying: Saying, body: Body) -> tuple[str, Statement]:
    payload = unsigned(context, loaded, saying.kind, body)
    by_root = saying.kind in statements.ROOT_SIGNED
    key = context.keystore.need_root_key() if by_root else context.key_in(loaded)
    if len(loaded.agreement.participants) > 1:
        return statements.say(key, payload, body)
    signing_input, said = statements.draft(key, payload, body)
    return unit.token(key, signing_input), said


def _hand_over(
    unit: Unit,
    context: Context,
    loaded: Loaded,
    said: Statement,
    token: str,
    envelopes: dict[str, dict[str, Any]],
) -> None:
    if loaded.agreement.coordinator == context.org_id:
        coordinator.sequence(unit, context, loaded, said, token, envelopes)
        return
    message = StatementMessage(token=token, sealed=list(envelopes.values()))
    outgoing.post(unit, context, loaded.agreement.coordinator, message, loaded.row.id)
