"""The mark of the time: written beside commits, half a minute apart, and never lowered but by an administrator."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.test_clock import DAY, NOON, Machine
from tallystick.node.record.unit import Unit
from tallystick.node.work.committer import Committer
from tallystick.node.work.marks import AHEAD_MS, EVERY_MS, Marks
from tallystick.tenants.database import Database
from tallystick.tenants.models.clock import ClockMarkRow


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    tmp_path.chmod(0o700)
    with Database(tmp_path / "tenant.db") as made:
        made.create_schema()
        yield made


class Running:
    """A node's clock, committer and marks over that database."""

    def __init__(self, database: Database, machine: Machine) -> None:
        self.database = database
        self.clock = machine.clock()
        self.committer = Committer(database)
        self.marks = Marks(database, self.clock, self.committer)
        self.marks.begin()

    async def commit(self, signed_at: int | None = None) -> None:
        """Something is written; a partner may have signed it."""

        def work(unit: Unit) -> None:
            unit.note("signed_at", ("nordic", signed_at)) if signed_at is not None else unit.note("due", 0)

        await self.committer.run(work)
        await self.committer.idle()

    def row(self) -> ClockMarkRow:
        with self.database.session() as session:
            return session.get_one(ClockMarkRow, 1)


async def test_a_kill_leaves_a_mark_that_is_half_a_minute_old_at_most(database: Database) -> None:
    machine = Machine()
    node = Running(database, machine)
    await node.commit(NOON - 7)
    assert (node.row().at, node.row().signed_at, node.row().signed_by) == (NOON, NOON - 7, "nordic")
    machine.wait(EVERY_MS - 1)
    await node.commit()
    assert node.row().at == NOON
    machine.wait(1)
    await node.commit()
    assert node.row().at == NOON + EVERY_MS
    machine.wait(5)
    await node.commit(NOON + EVERY_MS)
    node.marks.stop()
    node.marks.end()
    assert (node.row().at, node.row().signed_at) == (NOON + EVERY_MS + 5, NOON + EVERY_MS)
    machine.wall_now -= DAY
    assert Running(database, machine).clock.doubt


async def test_a_clock_in_doubt_marks_nothing_and_an_administrator_lowers_the_mark(database: Database) -> None:
    machine = Machine()
    await Running(database, machine).commit(NOON)
    machine.wall_now -= DAY
    node = Running(database, machine)
    machine.wait(2 * EVERY_MS)
    await node.commit()
    node.marks.end()
    assert node.row().at == NOON
    node.marks.accept()
    assert (node.row().at, node.row().signed_at) == (machine.wall_now, machine.wall_now)
    assert Running(database, machine).clock.doubt is None


async def test_a_start_far_ahead_is_told_until_a_partner_speaks_of_that_time(database: Database) -> None:
    machine = Machine()
    await Running(database, machine).commit(NOON)
    machine.wait(AHEAD_MS + 1)
    node = Running(database, machine)
    assert node.marks.ahead
    assert (node.marks.ahead.signed_at, node.marks.ahead.signed_by) == (NOON, "nordic")
    await node.commit(NOON)
    assert node.marks.ahead, "what was signed before says nothing of now"
    await node.commit(machine.wall_now - 1_000)
    assert node.marks.ahead is None
    assert Running(database, Machine()).clock.doubt, "and the partner's word is a mark as well"
