"""Finding tasks for people, in keyset pages by since when they wait or by when they are due."""

from collections.abc import Callable, Iterable, Sequence

import msgspec
from sqlmodel import Session, col, select, tuple_

from tallystick.core.errors import Invalid
from tallystick.node.record.tables import word
from tallystick.node.services.searching import WINDOW, Found, Key, Wanted, has_term, page_of
from tallystick.tenants.groups import may_take
from tallystick.tenants.models.record import ExecutionRow, TaskRow

UNDATED = 2**53 - 1  # where tasks without a due date stand in the order of due dates


def tasks(session: Session, wanted: Wanted, limit: int, after: Key | None) -> Found:
    """Tasks for people, oldest or first due first; definition, participant and text are those of their executions."""
    required = wanted.terms()
    if wanted.order not in _TASK_KEYS:
        raise Invalid("tasks are listed by since or by due", code="bad_order", pointer="/order")
    keys_of, key_of = _TASK_KEYS[wanted.order]

    def keys(last: Key | None) -> list[Key]:
        return keys_of(session, wanted, last)

    def matching(window: Sequence[Key]) -> Iterable[TaskRow]:
        query = (
            select(TaskRow)
            .join(ExecutionRow, col(ExecutionRow.id) == col(TaskRow.execution))
            .where(col(TaskRow.key).in_([one for _, one in window]))
        )
        for term in required:
            query = query.where(has_term(term))
        return (row for row in session.exec(query) if _is_for(row, wanted))

    return page_of(keys, matching, key_of, limit, after)


def groups_of(row: TaskRow) -> list[str]:
    """A task's candidate groups; none where everybody may take it."""
    return msgspec.json.decode(row.candidate_groups, type=list[str]) if row.candidate_groups else []


def _is_for(row: TaskRow, wanted: Wanted) -> bool:
    if wanted.group is not None and wanted.group not in groups_of(row):
        return False
    who = wanted.for_whom
    if who is None or row.claimed_by == who.username:
        return True
    return row.claimed_by is None and may_take(who, groups_of(row))


def _task_keys(session: Session, wanted: Wanted, last: Key | None) -> list[Key]:
    """Of several statuses each has its own range of the index; their beginnings are merged."""
    found: list[Key] = []
    for status in wanted.statuses or (None,):
        at, name = col(TaskRow.since), col(TaskRow.key)
        query = select(at, name).where(col(TaskRow.kind) == word("user"))  # as the indexes have it
        if status is not None:
            query = query.where(TaskRow.status == status)
        if wanted.since is not None:
            query = query.where(at >= wanted.since)
        if wanted.before is not None:
            query = query.where(at < wanted.before)
        if last is not None:
            query = query.where(tuple_(at, name) > last)
        found += [(one[0], one[1]) for one in session.exec(query.order_by(at, name).limit(WINDOW))]
    return sorted(found)[:WINDOW]


def _due_keys(session: Session, wanted: Wanted, last: Key | None) -> list[Key]:
    """Of each status the dated range of the index, then the undated one; both in order, and merged."""
    found: list[Key] = []
    for status in wanted.statuses or (None,):
        for dated in (True, False):
            if last is None or not dated or last[0] < UNDATED:
                found += _due_range(session, wanted, status, last, dated=dated)
    return sorted(found)[:WINDOW]


def _due_range(session: Session, wanted: Wanted, status: str | None, last: Key | None, *, dated: bool) -> list[Key]:
    at, name = col(TaskRow.due_at), col(TaskRow.key)
    query = select(at, name).where(col(TaskRow.kind) == word("user"))
    query = query.where(at.is_not(None) if dated else at.is_(None))
    if status is not None:
        query = query.where(TaskRow.status == status)
    if wanted.since is not None:
        query = query.where(col(TaskRow.since) >= wanted.since)
    if wanted.before is not None:
        query = query.where(col(TaskRow.since) < wanted.before)
    if last is not None and dated:
        query = query.where(tuple_(at, name) > last)
    elif last is not None and last[0] == UNDATED:
        query = query.where(name > last[1])
    rows = session.exec(query.order_by(at, name).limit(WINDOW))
    return [(UNDATED if one[0] is None else one[0], one[1]) for one in rows]


_KeysOf = Callable[[Session, Wanted, Key | None], list[Key]]
_TASK_KEYS: dict[str, tuple[_KeysOf, Callable[[TaskRow], Key]]] = {
    "since": (_task_keys, lambda row: (row.since, row.key)),
    "due": (_due_keys, lambda row: (UNDATED if row.due_at is None else row.due_at, row.key)),
}
