"""Finding executions and tasks, in keyset pages whose cost does not grow with what is stored.

One filter leads: its index gives keys in the order of the listing. The other filters are applied to those keys, a
window at a time, and only so many are looked at: a page may come back short, with a cursor that goes on from there.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Protocol

import msgspec
from sqlalchemy import exc
from sqlmodel import Session, col, select, tuple_

from tallystick.core.errors import TallystickError
from tallystick.node.record import terms
from tallystick.node.services.base import cursor_values, encode_cursor
from tallystick.tenants.models.listing import ExecutionTermRow
from tallystick.tenants.models.record import ExecutionRow

logger = logging.getLogger(__name__)
WINDOW = 250  # keys filtered by one query
BUDGET = 2_000  # keys looked at for one page
Key = tuple[int, str]


class Member(Protocol):
    """A user, as far as tasks are for one."""

    @property
    def username(self) -> str: ...
    @property
    def groups(self) -> Collection[str]: ...


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a listing is limited to; times in milliseconds since 1970 (UTC), ``before`` exclusive.

    Of tasks also the candidate ``group``, and ``for_whom``: what that user may take or has taken. Their ``order`` is by
    ``since`` or by ``due``, those without a due date last.
    """

    statuses: tuple[str, ...] = ()
    definition_id: str | None = None
    participant: str | None = None
    since: int | None = None
    before: int | None = None
    text: str | None = None
    group: str | None = None
    for_whom: Member | None = None
    order: str = "since"

    def terms(self) -> list[str]:
        """The terms that an execution must have, the most selective kind first."""
        found = sorted((terms.word(one) for one in terms.words(self.text or "")), key=len, reverse=True)
        if self.participant:
            found.append(terms.participant(self.participant))
        return [*found, terms.defined_by(self.definition_id)] if self.definition_id else found


class Found(msgspec.Struct, frozen=True):
    """A page's rows, and the key that the next one follows; None at the end."""

    rows: list[Any]
    following: Key | None

    def page(self, view: Callable[[Any], Any]) -> dict[str, Any]:
        """The answer of a listing."""
        following = encode_cursor(list(self.following)) if self.following else None
        shown = (_shown(row, view) for row in self.rows)
        return {"items": [one for one in shown if one is not None], "next_cursor": following}


def _shown(row: Any, view: Callable[[Any], Any]) -> Any:
    """A row as the listing has it; None of one that cannot be read, which must not hide the others."""
    try:
        return view(row)
    except (TallystickError, exc.DBAPIError):
        raise
    except Exception:
        logger.exception("a listing leaves out what cannot be read")
        return None


def cursor_key(cursor: str | None) -> Key | None:
    """The key that a page follows, as the page before gave it."""
    values = cursor_values(cursor, (int, str))
    return (values[0], values[1]) if values else None


def executions(session: Session, wanted: Wanted, limit: int, after: Key | None) -> Found:
    """Executions, newest first."""
    found = wanted.terms()
    lead, required = (found[0] if found else None), found[1:]

    def keys(last: Key | None) -> list[Key]:
        return _execution_keys(session, lead, wanted, last)

    def matching(window: Sequence[Key]) -> Iterable[ExecutionRow]:
        query = select(ExecutionRow).where(col(ExecutionRow.id).in_([one for _, one in window]))
        if wanted.statuses:
            query = query.where(col(ExecutionRow.status).in_(wanted.statuses))
        for term in required:
            query = query.where(has_term(term))
        return session.exec(query)

    return page_of(keys, matching, lambda row: (row.created_at, row.id), limit, after)


def page_of(
    keys: Callable[[Key | None], list[Key]],
    matching: Callable[[Sequence[Key]], Iterable[Any]],
    key_of: Callable[[Any], Key],
    limit: int,
    after: Key | None,
) -> Found:
    """One page: ``keys`` gives windows of keys in order, ``matching`` the rows of a window that fit."""
    rows: list[Any] = []
    last, looked_at = after, 0
    while looked_at < BUDGET:
        window = keys(last)
        found = {key_of(row): row for row in matching(window)} if window else {}
        for key in window:
            if key in found and len(rows) == limit:
                return Found(rows, last)
            if key in found:
                rows.append(found[key])
            last = key
        if len(window) < WINDOW:
            return Found(rows, None)
        looked_at += len(window)
    return Found(rows, last)


def _execution_keys(session: Session, lead: str | None, wanted: Wanted, last: Key | None) -> list[Key]:
    if lead is not None:
        at, name = col(ExecutionTermRow.created_at), col(ExecutionTermRow.execution)
        query = select(at, name).where(ExecutionTermRow.term == lead)
    else:
        at, name = col(ExecutionRow.created_at), col(ExecutionRow.id)
        query = select(at, name)
        if len(wanted.statuses) == 1:
            query = query.where(ExecutionRow.status == wanted.statuses[0])
    if wanted.since is not None:
        query = query.where(at >= wanted.since)
    if wanted.before is not None:
        query = query.where(at < wanted.before)
    if last is not None:
        query = query.where(tuple_(at, name) < last)
    return [(one[0], one[1]) for one in session.exec(query.order_by(at.desc(), name.desc()).limit(WINDOW))]


def has_term(term: str) -> Any:
    """Whether the execution of the enclosing query has the term."""
    return (
        select(ExecutionTermRow.term)
        .where(
            ExecutionTermRow.term == term,
            ExecutionTermRow.created_at == ExecutionRow.created_at,
            ExecutionTermRow.execution == ExecutionRow.id,
        )
        .correlate(ExecutionRow)
        .exists()
    )
