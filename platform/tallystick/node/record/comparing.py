"""Comparing with partners what both hold: what one lacks although its broker acknowledged it, the other sends again.

An acknowledgement only ends the resending of a message; the receiver's broker, or a proxy before it, may lose it later.
A gap shows when the next entry comes. Where none comes, a participant tells the coordinator now and then how many
entries it holds (``held``), and gets what follows. A coordinator tells those whose consent it waits for what it
``offered``: who does not know it asks. Whoever lacks an attestation of a closed execution says so (``unattested``).
Every such message says which ``card`` of its receiver the sender has, and which it has itself, so that a newer one that
was lost comes again.

Whoever takes no part in an execution gets the same answer as for one that is not known here: none, or for an offer the
question of one who does not have it.
"""

from collections.abc import Iterable
from typing import Any

from sqlmodel import col, select

from tallystick.core import canonical
from tallystick.core.engine.state import OPEN
from tallystick.node.record import messages as m
from tallystick.node.record import outgoing, store
from tallystick.node.record.admission import participating
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.quota import QuotaExceeded
from tallystick.node.record.repeats import EACH_SECOND
from tallystick.node.record.unit import Unit
from tallystick.tenants.models.partner import Partner
from tallystick.tenants.models.record import ExecutionRow, HeadRow, OpeningRow

_COLUMNS: tuple[Any, ...] = (ExecutionRow.id, ExecutionRow.size, ExecutionRow.coordinator, ExecutionRow.status)


def need(unit: Unit, context: Context, partner: str, message: m.NeedMessage) -> None:
    """Send what follows the entries that a participant holds; to one that has none, the agreement before them."""
    loaded = participating(unit, partner, message.execution)
    if message.size >= loaded.state.size:
        return
    outgoing.check_unread(unit, partner)
    if not outgoing.with_entries(unit, partner, [loaded.row.id]):
        _share(context, partner)
        _send(unit, context, loaded, partner, message.size)


def holding(unit: Unit, context: Context, partner: str, message: m.HoldingMessage) -> None:
    """Answer what the partner holds less of than we do, and ask for what we hold less of.

    One that leaves too much unread is not answered: it compares again. What goes beyond its share of entries
    (:mod:`.repeats`) is not sent either.
    """
    if not _reads(unit, partner):
        return
    _send_card(unit, context, partner, message.card)
    _ask_card(unit, context, partner, message.own_card)
    named = [one.execution for one in (*message.held, *message.offered)] + message.unattested
    here = {row.id: row for row in unit.exec(select(*_COLUMNS).where(col(ExecutionRow.id).in_(set(named))))}
    once = {one.execution: one for one in message.held if one.execution in here}
    held = [one for one in once.values() if _is_behind(one, here[one.execution], context)]
    queued = outgoing.with_entries(unit, partner, [one.execution for one in held])
    left = _share(context, partner) if held else 0
    for one in held:
        loaded = store.find(unit, one.execution)
        if left > 0 and loaded and one.execution not in queued and loaded.agreement.participant(partner):
            left -= _send(unit, context, loaded, partner, one.size)
    for one in message.offered:
        row = here.get(one.execution)
        size = row.size if row and row.coordinator == partner else 0
        if size < one.size:
            outgoing.post_need(unit, context, partner, one.execution, size)
    for name in dict.fromkeys(message.unattested):
        if name in here:
            _attest(unit, context, partner, here[name])


def need_chunks(unit: Unit, context: Context, partner: str, message: m.NeedChunksMessage) -> None:
    """Send chunks again. Who can name them has an opening that does: hashes of ciphertexts stand nowhere else."""
    loaded = participating(unit, partner, message.execution)
    if not _reads(unit, partner):
        return
    query = select(OpeningRow.value).where(
        OpeningRow.number == loaded.row.number, col(OpeningRow.file_sha256).is_not(None)
    )
    known = {name for value in unit.exec(query) for name in outgoing.chunk_names(canonical.parse(value))}
    for name in dict.fromkeys(message.chunks):
        chunk = m.ChunkMessage(execution=loaded.row.id, sha256=name)
        if name in known and context.chunks.has(name):
            outgoing.post_once(unit, context, partner, chunk, loaded.row.id)


def _reads(unit: Unit, partner: str) -> bool:
    try:
        outgoing.check_unread(unit, partner)
    except QuotaExceeded:
        return False
    return True


def _send_card(unit: Unit, context: Context, partner: str, iat: int) -> None:
    """Send our card again to who says that it has an older one."""
    own = context.own_card
    if own.token is not None and own.card is not None and 0 < iat < own.card.iat:
        outgoing.post_once(unit, context, partner, m.CardMessage(token=own.token), None)


def _ask_card(unit: Unit, context: Context, partner: str, iat: int) -> None:
    """Tell a partner with a newer card which one is here: that is answered by the card alone."""
    known = unit.get(Partner, partner)
    if known is not None and known.issued_at < iat:
        outgoing.post_once(unit, context, partner, m.HoldingMessage(card=known.issued_at), None)


def _is_behind(held: m.Held, row: Any, context: Context) -> bool:
    return bool(row.coordinator == context.org_id and held.size < row.size)


def _share(context: Context, partner: str) -> int:
    """How many entries the partner may be sent now; until there are some, its message waits in its stream."""
    left = context.repeats.left(partner, context.now())
    if left < 1:
        raise QuotaExceeded(partner, f"{partner} has asked for more than {EACH_SECOND} entries a second")
    return left


def _send(unit: Unit, context: Context, loaded: Loaded, partner: str, size: int) -> int:
    """How many entries were sent."""
    if not 0 <= size < loaded.state.size:
        return 0
    if size == 0:
        outgoing.post_agreement(unit, context, partner, loaded.row.agreement_hash, loaded.row.id)
    number = outgoing.post_entries(unit, context, loaded, partner, size)
    context.repeats.sent(partner, number)
    return number


def _attest(unit: Unit, context: Context, partner: str, row: Any) -> None:
    """Send our attestation again; who has not heard of the end asks the coordinator for it, if that is who asks."""
    if row.status in OPEN:
        if row.coordinator == partner:
            outgoing.post_need(unit, context, partner, row.id, row.size)
        return
    loaded = store.load(unit, row.id)
    if loaded.agreement.participant(partner) is None:
        return
    for token in _ours(unit, context, loaded):
        outgoing.post_once(unit, context, partner, m.AttestationMessage(token=token), row.id)


def _ours(unit: Unit, context: Context, loaded: Loaded) -> Iterable[str]:
    if loaded.agreement.coordinator == context.org_id:
        return ()  # what it signed are heads, which travel with the entries
    return unit.exec(select(HeadRow.token).where(HeadRow.number == loaded.row.number, HeadRow.iss == context.org_id))
