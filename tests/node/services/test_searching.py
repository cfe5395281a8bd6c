"""Listings: every filter, keyset pages without gaps or repeats, and a bounded look at what is stored."""

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from sqlmodel import Session

from tallystick.core.errors import Invalid
from tallystick.node.record import terms
from tallystick.node.services import searching, task_listing
from tallystick.node.services.searching import BUDGET, Wanted, cursor_key
from tallystick.tenants.database import Database
from tallystick.tenants.models.listing import ExecutionTermRow
from tallystick.tenants.models.record import ExecutionRow, TaskRow

NOON = 1_790_000_000_000
MANY = BUDGET + 500


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Many orders, and one complaint that is older than all of them; five at a time share a millisecond."""
    with Database(tmp_path_factory.mktemp("listing") / "tenant.db") as database:
        database.create_schema()
        with database.write() as session:
            _add(session, "complaint", 0, 0, name="Complaint 投诉", partner="blueline", status="suspended")
            for number in range(1, MANY):
                status = "running" if number % 2 else "completed"
                _add(
                    session,
                    f"order{number:05}",
                    number,
                    number // 5,
                    name="Order 订单",
                    partner="nordic",
                    status=status,
                )
        with database.session() as session:
            yield session


# A running execution's task is open here, and the others' are claimed.
_TASKS = {("running",): ("open",), ("completed", "suspended"): ("claimed",)}


def _add(session: Session, execution: str, number: int, at: int, *, name: str, partner: str, status: str) -> None:
    row = ExecutionRow(
        number=number,
        id=execution,
        agreement_hash="",
        name=name,
        definition_id=name.split(maxsplit=1)[0].lower(),
        status=status,
        coordinator="huaxia",
        frontier=b"",
        state=b"",
        created_at=NOON + at,
        updated_at=NOON + at,
    )
    found = [terms.participant("huaxia"), terms.participant(partner), terms.defined_by(row.definition_id)]
    found += [terms.word(one) for one in terms.words(name)]
    session.add(row)
    session.add_all(ExecutionTermRow(term=one, created_at=row.created_at, execution=execution) for one in found)
    session.add(
        TaskRow(
            key=f"t_{execution}",
            execution=execution,
            task="a.1",
            step="a",
            attempt=1,
            kind="user",
            status="open" if status == "running" else "claimed",
            since=row.created_at,
            due_at=NOON + MANY - number if number % 3 else None,
            candidate_groups='["goods-in"]' if number % 2 else None,
            claimed_by=None if status == "running" else f"user{number % 4}",
        )
    )


def _all(session: Session, wanted: Wanted, *, limit: int = 200, what: Any = searching.executions) -> list[str]:
    """Page after page by their cursors, as a client follows them."""
    found: list[str] = []
    after = None
    while True:
        one = what(session, wanted, limit, after)
        assert len(one.rows) <= limit
        found += [row.id if isinstance(row, ExecutionRow) else row.execution for row in one.rows]
        cursor = one.page(str)["next_cursor"]
        if cursor is None:
            return found
        after = cursor_key(cursor)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Wanted(), MANY),
        (Wanted(statuses=("running",)), MANY // 2),
        (Wanted(statuses=("completed", "suspended")), MANY - MANY // 2),
        (Wanted(definition_id="order"), MANY - 1),
        (Wanted(definition_id="complaint"), 1),
        (Wanted(participant="nordic"), MANY - 1),
        (Wanted(participant="nobody"), 0),
        (Wanted(participant="huaxia", definition_id="complaint", text="投诉"), 1),
        (Wanted(text="ORDER 单"), MANY - 1),
        (Wanted(text="order complaint"), 0),
        (Wanted(text="order", statuses=("suspended",)), 0),
        (Wanted(since=NOON + 10, before=NOON + 12), 10),
        (Wanted(statuses=("running",), text="order", since=NOON + 10, before=NOON + 12), 5),
    ],
)
@pytest.mark.parametrize("what", [searching.executions, task_listing.tasks])
def test_filters(session: Session, wanted: Wanted, count: int, what: Any) -> None:
    if what is task_listing.tasks:
        wanted = replace(wanted, statuses=_TASKS.get(wanted.statuses, wanted.statuses))
    found = _all(session, wanted, what=what)
    assert len(found) == count
    assert len(set(found)) == count


def test_newest_executions_and_oldest_tasks_first(session: Session) -> None:
    executions = _all(session, Wanted(), limit=7)
    assert executions[0] == f"order{MANY - 1:05}"
    assert executions == [*sorted(executions[:-1], reverse=True), "complaint"]
    assert _all(session, Wanted(), limit=7, what=task_listing.tasks)[0] == "complaint"


@pytest.mark.parametrize("status", ["open", "claimed"])
def test_tasks_by_status(session: Session, status: str) -> None:
    found = _all(session, Wanted(statuses=(status,)), limit=199, what=task_listing.tasks)
    assert len(found) in {MANY // 2, MANY - MANY // 2}
    both = _all(session, Wanted(statuses=("open", "claimed")), limit=199, what=task_listing.tasks)
    assert len(both) == MANY
    assert set(found) < set(both)


@pytest.mark.parametrize("limit", [7, 199])
@pytest.mark.parametrize("statuses", [("open",), ("open", "claimed"), ()])
def test_tasks_by_due_date_those_without_one_last(session: Session, statuses: tuple[str, ...], limit: int) -> None:
    found = _all(session, Wanted(statuses=statuses, order="due"), limit=limit, what=task_listing.tasks)
    assert len(set(found)) == len(found) == (MANY // 2 if statuses == ("open",) else MANY)
    numbers = [0 if one == "complaint" else int(one.removeprefix("order")) for one in found]
    dated, undated = [one for one in numbers if one % 3], [one for one in numbers if not one % 3]
    assert numbers == dated + undated
    assert dated == sorted(dated, reverse=True), "the last one is due first"


class Somebody:
    """A user in one group."""

    username = "user2"
    groups = ("goods-in",)


def test_tasks_of_a_group_and_those_that_one_may_take(session: Session) -> None:
    of_group = Wanted(group="goods-in", statuses=("open", "claimed"))
    assert len(_all(session, of_group, what=task_listing.tasks)) == MANY // 2
    assert _all(session, Wanted(group="goods-IN"), what=task_listing.tasks) == []
    assert _all(session, Wanted(group="goods"), what=task_listing.tasks) == []
    mine = _all(session, Wanted(for_whom=Somebody(), statuses=("open", "claimed")), what=task_listing.tasks)
    taken = [one for one in range(MANY) if one % 4 == 2]  # claimed by this user; the open ones are all of the group
    assert len(mine) == MANY // 2 + len(taken)
    with pytest.raises(Invalid):
        task_listing.tasks(session, Wanted(order="name"), 10, None)


def test_a_page_looks_at_so_many_rows_and_no_more(session: Session) -> None:
    """The one match lies behind more rows than a page looks at: short pages lead to it."""
    first = searching.executions(session, Wanted(statuses=("suspended", "failed")), 50, None)
    assert first.rows == []
    assert first.following is not None
    assert _all(session, Wanted(statuses=("suspended", "failed"))) == ["complaint"]


@pytest.mark.parametrize("cursor", ["", "x", "W10=", "WzEsMl0=", "e30="])
def test_a_cursor_that_nobody_gave(cursor: str) -> None:
    with pytest.raises(Invalid) as caught:
        cursor_key(cursor)
    assert caught.value.code == "bad_cursor"
