"""The coordinator's part: give a statement its sequence number, sign the head, tell every participant."""

from typing import Any

from sqlmodel import Session

from tallystick.core.entry import Entry
from tallystick.core.head import Head, sign_head
from tallystick.core.statement import Statement
from tallystick.node.record import openings, store
from tallystick.node.record.context import Context
from tallystick.node.record.effects import Effects
from tallystick.node.record.outgoing import post_entries
from tallystick.node.record.store import Loaded


def sequence(
    session: Session,
    context: Context,
    loaded: Loaded,
    said: Statement,
    token: str,
    envelopes: dict[str, dict[str, Any]],
) -> Entry:
    """Take ``said`` into the log, void or applied, and queue it for every other participant."""
    entry = loaded.replay.sequence(said, context.now())
    store.add_entry(session, entry, said, token)
    openings.keep_envelopes(session, said, envelopes)
    session.flush()
    _sign(session, context, loaded, entry)
    Effects(session, context, loaded, entry, said).run()
    store.save(session, loaded, context.now())
    for one in loaded.agreement.participants:
        if one.org_id != context.org_id:
            post_entries(session, context, loaded, one.org_id, entry.seq)
    return entry


def _sign(session: Session, context: Context, loaded: Loaded, entry: Entry) -> None:
    head = Head(
        v=1,
        iss=context.org_id,
        aud=loaded.row.agreement_hash,
        execution=entry.execution,
        term=entry.term,
        size=entry.seq + 1,
        root=loaded.replay.root,
        iat=context.now(),
    )
    store.add_head(session, head, sign_head(context.signing_key, head))
