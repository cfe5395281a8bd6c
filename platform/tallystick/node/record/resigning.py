"""A statement of ours that came too late for the key that had signed it: the same words, signed by the key that speaks.

Commitments and envelopes are bound to the execution, the author and the task, not to a signature, so both stay; the
statement has another id, because its key and its time stand in its bytes.
"""

from typing import Any

import msgspec
from sqlmodel import select

from tallystick.core import canonical, jws
from tallystick.core import statement as statements
from tallystick.core.statement import STATEMENT, Basis, Payload
from tallystick.node.record import outgoing, submitting
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.messages import StatementMessage
from tallystick.node.record.unit import Unit
from tallystick.tenants.models.record import EnvelopeRow, OpeningRow, StatementRow


def again(unit: Unit, context: Context, loaded: Loaded, row: Any) -> None:
    """Say what ``row`` says once more, if another key of ours speaks by now."""
    _, said = statements.read(row.token)
    key = context.key_in(loaded)
    if key.kid == said.kid or loaded.agreement.coordinator == context.org_id or row.answer_key is None:
        return
    size = loaded.state.size
    payload = msgspec.structs.replace(
        msgspec.convert(jws.read(row.token, STATEMENT).payload, Payload),
        basis=Basis(term=loaded.state.term, size=size, root=loaded.replay.root),
        iat=context.now(),
    )
    token, fresh = statements.say(key, payload, said.body)
    number = loaded.row.number
    due_at = submitting.next_at(context, loaded, fresh.iat, fresh.iat)
    unit.change(StatementRow, (number, said.id), answer_key=None)
    unit.flush()  # two statements never hold one answer key, not even within a transaction
    unit.insert(
        StatementRow,
        number=number,
        id=fresh.id,
        iss=context.org_id,
        kind=fresh.kind,
        token=token,
        at=fresh.iat,
        answer_key=row.answer_key,
        due_at=due_at,
    )
    unit.note("due", due_at)
    for one in unit.exec(select(OpeningRow).where(OpeningRow.number == number, OpeningRow.statement_id == said.id)):
        unit.put(OpeningRow, **{**_values(OpeningRow, one), "statement_id": fresh.id})
        unit.delete(OpeningRow, (number, said.id, one.property))
    envelopes = []
    for name in said.sealed:
        envelope = unit.get(EnvelopeRow, (number, name))
        if envelope is not None:
            unit.change(EnvelopeRow, (number, name), statement_id=fresh.id)
            envelopes.append(canonical.parse(envelope.document))
    message = StatementMessage(token=token, sealed=envelopes)
    outgoing.post(unit, context, loaded.agreement.coordinator, message, loaded.row.id)


def _values(model: Any, row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in model.model_fields}
