"""The coordinator's part: give statements their sequence numbers, sign heads, tell every participant.

Entries of one execution that are written together share one head, their newest's, and travel in one message. The
entry that starts the work has a head of its own, because its size is what the start leaf anchors. A log that nobody
else follows gets heads where it is anchored, at its start, and at its end only; whoever asks for evidence before the
end has one signed then.
"""

from typing import Any

from tallystick.core.entry import Entry
from tallystick.core.statement import Start, Statement
from tallystick.node.record import openings, store
from tallystick.node.record.context import Context
from tallystick.node.record.effects import Effects
from tallystick.node.record.loaded import Fresh, Loaded
from tallystick.node.record.outgoing import post_batch
from tallystick.node.record.signing import sign_newest
from tallystick.node.record.unit import Unit

CLOSED = frozenset({"completed", "failed", "cancelled", "terminated"})


def sequence(
    unit: Unit,
    context: Context,
    loaded: Loaded,
    said: Statement,
    token: str,
    envelopes: dict[str, dict[str, Any]],
    *,
    is_new: bool = False,
) -> Entry:
    """Take ``said`` into the log, void or applied; :func:`seal` signs for it and sends it on.

    ``is_new`` as :func:`store.add_entry` has it.

    Unavailable while the node does not know what time it is: deadlines would be counted from it.
    """
    context.check_clock()
    entry = loaded.replay.sequence(said, context.now())
    store.add_entry(unit, loaded, entry, said, token, is_new=is_new)
    if envelopes:
        openings.keep_envelopes(unit, loaded, said, envelopes)
    Effects(unit, context, loaded, entry, said).run()
    store.save(loaded, context.org_id, context.now())
    if loaded.row.next_due is not None:
        unit.note("due", loaded.row.next_due)
    loaded.fresh.append(Fresh(entry, token, [envelopes[name] for name in said.sealed if name in envelopes]))
    if entry.applied and isinstance(said.body, Start) and _anchors_or_tells(loaded):
        _seal(unit, context, loaded)
    return entry


def seal(unit: Unit, context: Context) -> None:
    """Put what this transaction has sequenced under heads, and queue it for the other participants."""
    for loaded in unit.executions():
        if loaded.fresh and (_is_told(loaded) or loaded.state.status in CLOSED):
            _seal(unit, context, loaded)
        loaded.fresh = []


def _is_told(loaded: Loaded) -> bool:
    return len(loaded.agreement.participants) > 1


def _anchors_or_tells(loaded: Loaded) -> bool:
    return loaded.agreement.anchoring is not None or _is_told(loaded)


def _seal(unit: Unit, context: Context, loaded: Loaded) -> None:
    token = sign_newest(unit, context, loaded)
    fresh, loaded.fresh = loaded.fresh, []
    others = [one.org_id for one in loaded.agreement.participants if one.org_id != context.org_id]
    if others:
        post_batch(unit, context, loaded, others, fresh, token)
