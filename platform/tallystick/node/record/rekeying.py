"""Bringing an open execution up to our keystore: our newest key speaks there, and none that was revoked.

What is to be done follows from the keystore and the execution's log alone, so that it can be asked as often as one
likes, after any crash: a rotation that is in neither log nor outbox is said, one that is under way is waited for, and
a revocation is said once the rotation stands in the log.

While the root key is away, each statement waits for its signature (:mod:`tallystick.node.record.root_signing`) and is
then said in its turn.
"""

from typing import Any

import msgspec
from sqlmodel import select

from tallystick.core import statement as statements
from tallystick.core.agreement import Agreement, PublicKey, SealingKey
from tallystick.core.engine import keyring
from tallystick.core.engine.state import OPEN
from tallystick.core.errors import Invalid
from tallystick.core.statement import Body, RevokeKey, RotateKey
from tallystick.node.record import store
from tallystick.node.record.authoring import Saying, say, say_signed
from tallystick.node.record.context import Context
from tallystick.node.record.effects import KEYS as NOTE
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.unit import Reader, Unit
from tallystick.tenants.models.record import RootSignedRow, StatementRow

__all__ = ["NOTE", "Todo", "check", "follow_up", "is_said", "todo", "todos"]


class Todo(msgspec.Struct, frozen=True):
    """A statement that the root key has to sign, and the question that it answers (once)."""

    kind: str
    answer_key: str
    body: Body


def todo(context: Context, loaded: Loaded) -> Todo | None:
    """What is to be said next, if anything."""
    return next(iter(todos(context, loaded)), None)


def todos(context: Context, loaded: Loaded) -> list[Todo]:
    """All that is to be said, in its order: the rotation first, each revocation when that stands in the log."""
    if loaded.state.status not in OPEN or not loaded.state.size:
        return []
    speaking = keyring.speaking(loaded.agreement, loaded.state, context.org_id)
    if not speaking:
        return []
    facts = context.keystore.signing_facts
    is_behind = speaking[-1].kid != facts[-1].kid
    rotation = [_rotation(context, loaded, [one.kid for one in speaking])] if is_behind else []
    return rotation + [
        Todo(
            "revoke_key",
            f"revoke_key/{one.kid}",
            RevokeKey(kid=one.kid, reason=one.reason, since=one.since),  # type: ignore[arg-type]
        )
        for one in facts
        if one.revoked_at is not None and _speaks(context, loaded, one.kid)
    ]


def is_said(reader: Reader, number: int, answer_key: str) -> bool | None:
    """Whether a statement that answers this stands in the log; None when none was made."""
    query = select(StatementRow.seq).where(StatementRow.number == number, StatementRow.answer_key == answer_key)
    said = list(reader.exec(query))
    return said[0] is not None if said else None


def follow_up(unit: Unit, context: Context, execution: str) -> str | None:
    """Say it, unless it has been said.

    ``waiting`` while it is under way, ``void`` when the log has no place for it, ``unsigned`` while the root key is
    away and nobody has brought its signature.
    """
    loaded = store.load(unit, execution)
    wanted = todo(context, loaded)
    if wanted is None:
        return None
    said = is_said(unit, loaded.row.number, wanted.answer_key)
    if said is not None:
        return "void" if said else "waiting"
    if context.keystore.root_key is not None:
        saying = Saying(kind=wanted.kind, make=lambda _data, _sealed: wanted.body, answer_key=wanted.answer_key)
        say(unit, context, loaded, saying)
    else:
        key = (loaded.row.number, wanted.answer_key)
        kept = unit.get(RootSignedRow, key)
        if kept is None:
            return "unsigned"
        unit.delete(RootSignedRow, key)
        if statements.read(kept.token)[1].body != wanted.body:
            return "unsigned"  # what is wanted has changed since, such as who else still speaks
        say_signed(unit, context, loaded, kept.token, wanted.answer_key)
    return None if todo(context, loaded) is None else "waiting"  # what we coordinate stands in the log already


def check(context: Context, agreement: Agreement) -> None:
    """See that an agreement names keys that we hold, and no other: any key that it names could speak in our name.

    One that was replaced is replaced in the execution as well.
    """
    me = agreement.participant(context.org_id)
    if me is None:
        return
    if me.root_key != context.keystore.root_public.key:
        raise Invalid("agreement names another root key for us than ours", code="wrong_root_key")
    revoked = {one.kid for one in context.keystore.signing_facts if one.revoked_at is not None}
    held = {(one.kid, one.public_hex) for one in context.keystore.signing_keys}
    can_open = {(one.kid, one.suite, one.public_hex) for one in context.keystore.sealing_keys}
    if not me.signing_keys or not held.issuperset((one.kid, one.key) for one in me.signing_keys):
        raise Invalid(
            "agreement names other keys for us than ours; propose it anew with our newest card", code="wrong_key"
        )
    if any(one.kid in revoked for one in me.signing_keys):
        raise Invalid(
            "agreement names a revoked key of ours; propose it anew once our newest card has another", code="wrong_key"
        )
    if (me.sealing_key.kid, me.sealing_key.suite, me.sealing_key.key) not in can_open:
        raise Invalid(
            "agreement seals to a key that we do not hold; propose it anew with our newest card", code="wrong_key"
        )


def _rotation(context: Context, loaded: Loaded, speaking: list[str]) -> Todo:
    facts = context.keystore.signing_facts
    current = facts[-1]
    revoked = {one.kid for one in facts if one.revoked_at is not None}
    body = RotateKey(
        key=PublicKey(kid=current.kid, key=current.key),
        serial=current.serial,
        overlap=0 if revoked & set(speaking) else current.overlap,
        sealing_key=_sealing(context, loaded),
    )
    return Todo("rotate_key", f"rotate_key/{current.kid}", body)


def _sealing(context: Context, loaded: Loaded) -> SealingKey | None:
    """Our newest sealing key, where others still seal to an older one."""
    held: Any = context.keystore.sealing_key
    now = keyring.sealing(loaded.agreement, loaded.state, context.org_id)
    if now is None or now.kid == held.kid or held.suite != loaded.agreement.sealing_suite:
        return None
    return SealingKey(kid=held.kid, suite=held.suite, key=held.public_hex)


def _speaks(context: Context, loaded: Loaded, kid: str) -> bool:
    """Whether it is known there and has not been revoked; one whose overlap is over is revoked all the same."""
    if keyring.public(loaded.agreement, loaded.state, context.org_id, kid) is None:
        return False
    held = loaded.state.keys.get(kid)
    return held is None or held.revoked is None
