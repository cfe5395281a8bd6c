"""How events about keys change the state (:mod:`.keyring` says what the state then means)."""

from collections.abc import Callable
from typing import Any

import msgspec

from tallystick.core.agreement import SealingKey
from tallystick.core.engine.draft import Draft
from tallystick.core.engine.state import Key

Event = dict[str, Any]


def _rotated(draft: Draft, event: Event) -> None:
    """The new key speaks, the others are on their way out."""
    keys = draft.own("keys")
    for kid in event["retires"]:
        held = keys.get(kid, Key(org=event["org"]))
        until = event["until"] if held.until is None else min(held.until, event["until"])
        keys[kid] = msgspec.structs.replace(held, until=until)
    keys[event["kid"]] = Key(org=event["org"], key=event["key"], serial=event["serial"], since=draft.seq)
    if event["sealing_key"] is not None:
        draft.own("sealing")[event["org"]] = SealingKey(**event["sealing_key"])


def _revoked(draft: Draft, event: Event) -> None:
    """The key's last place is this entry."""
    keys = draft.own("keys")
    held = keys.get(event["kid"], Key(org=event["org"]))
    keys[event["kid"]] = msgspec.structs.replace(held, revoked=draft.seq)


HANDLERS: dict[str, Callable[[Draft, Event], None]] = {"key_rotated": _rotated, "key_revoked": _revoked}
