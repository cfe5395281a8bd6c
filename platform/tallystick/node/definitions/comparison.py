"""What differs between two agreements, for those who are asked to accept one in place of the other.

Salts and the time of drafting differ always and say nothing. A step's audience stands in the definition; that the
agreement's ``visibility`` is the same is checked when an agreement is read.
"""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from tallystick.core.agreement import Agreement, Participant
from tallystick.core.definition.faults import at
from tallystick.node.definitions.difference import differences

Section = Literal["definition", "participants", "roles", "keys", "terms"]
_ROLES = ("role", "can_terminate", "need_activity_notifications")
_KEYS = ("root_key", "signing_keys", "sealing_key", "chain_org", "log_key")
_TERMS = ("initiator", "coordinator", "retention_days", "limits", "sealing_suite", "quorums", "versions", "anchoring")
_WHOLE = frozenset({"/anchoring/finality", "/anchoring/padding"})  # compared as one value, whatever form it has
_SALTS = frozenset({"/anchoring/workflow_salt"})


class Difference(msgspec.Struct, frozen=True):
    """One difference: its section, ``added``, ``removed`` or ``changed``, where in the agreement, and both values.

    In the pointer the elements of lists go by their ids: ``/participants/acme/role``.
    """

    section: Section
    kind: str
    pointer: str
    before: Any = None
    after: Any = None


def compare(before: Agreement, after: Agreement) -> list[Difference]:
    """All that differs, who takes part first."""
    return [
        *_participants(before, after),
        *_terms(before, after),
        *(
            Difference("definition", one.kind, "/definition" + one.pointer, one.before, one.after)
            for one in differences(before.compiled, after.compiled)
            if one.pointer not in {"/participants", "/v"}
        ),
    ]


def _participants(before: Agreement, after: Agreement) -> Iterator[Difference]:
    for one in before.participants:
        pointer = at("/participants", one.org_id)
        other = after.participant(one.org_id)
        if other is None:
            yield Difference("participants", "removed", pointer, before=_shown(one))
        else:
            yield from _participant(one, other, pointer)
    for one in after.participants:
        if before.participant(one.org_id) is None:
            yield Difference("participants", "added", at("/participants", one.org_id), after=_shown(one))


def _participant(before: Participant, after: Participant, pointer: str) -> Iterator[Difference]:
    sections: tuple[tuple[Section, tuple[str, ...]], ...] = (
        ("participants", ("name",)),
        ("roles", _ROLES),
        ("keys", _KEYS),
    )
    for section, names in sections:
        for name in names:
            was, is_now = getattr(before, name), getattr(after, name)
            if was != is_now:
                yield Difference(section, "changed", at(pointer, name), _plain(was), _plain(is_now))


def _shown(one: Participant) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ("org_id", "name", *_ROLES)}


def _terms(before: Agreement, after: Agreement) -> Iterator[Difference]:
    for name in _TERMS:
        yield from _values(_plain(getattr(before, name)), _plain(getattr(after, name)), at("", name))


def _values(before: Any, after: Any, pointer: str) -> Iterator[Difference]:
    if before == after or pointer in _SALTS:
        return
    if isinstance(before, dict) and isinstance(after, dict) and pointer not in _WHOLE:
        for name in sorted({*before, *after}):
            yield from _values(before.get(name), after.get(name), at(pointer, name))
        return
    kind = "added" if before is None else "removed" if after is None else "changed"
    yield Difference("terms", kind, pointer, before, after)


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
