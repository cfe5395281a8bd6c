"""The coordinator's signature under a log: one head for each (execution, term, size), whatever crashes."""

from tallystick.core.head import Head, draft_head, sign_head
from tallystick.node.record import store
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.unit import Unit


def sign_newest(unit: Unit, context: Context, loaded: Loaded) -> str:
    """Sign and keep the head of all entries so far, which nobody can have signed before: they are new."""
    return _sign(unit, context, loaded, loaded.state.size, loaded.replay.root)


def head_of(unit: Unit, context: Context, loaded: Loaded, size: int) -> str | None:
    """The head of ``size`` entries; signed now if the entries went under a later one. None beyond the log."""
    held = store.head_at(unit, loaded, size)
    if held is not None:
        return held.token
    root = store.root_at(unit, loaded, size)
    if root is None or loaded.agreement.coordinator != context.org_id:
        return None
    return _sign(unit, context, loaded, size, root)


def sign_if_unheaded(unit: Unit, context: Context, execution: str) -> None:
    """See that our own log has a head over all of its entries."""
    loaded = store.load(unit, execution)
    if loaded.state.size:
        head_of(unit, context, loaded, loaded.state.size)


def _sign(unit: Unit, context: Context, loaded: Loaded, size: int, root: str) -> str:
    head = Head(
        v=1,
        iss=context.org_id,
        aud=loaded.row.agreement_hash,
        execution=loaded.row.id,
        term=loaded.state.term,
        size=size,
        root=root,
        iat=context.now(),
    )
    key = context.key_in(loaded)
    token = unit.token(key, draft_head(key, head)) if len(loaded.agreement.participants) == 1 else sign_head(key, head)
    store.put_head(unit, loaded, head, token)
    return token
