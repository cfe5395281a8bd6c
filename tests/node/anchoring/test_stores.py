"""The node's stores keep the ledger's promises in the tenant database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.submissions import ATTEMPT, SubmissionStoreContract, submission
from tallystick.ledger.ports import SubmissionStore
from tallystick.node.anchoring.stores import SqlLeaves, SqlSubmissions
from tallystick.tenants.database import Database
from tallystick.tenants.models.anchor import LeafRow


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    tmp_path.chmod(0o700)
    with Database(tmp_path / "tenant.db") as made:
        made.create_schema()
        yield made


class TestSqlSubmissions(SubmissionStoreContract):
    """The contract, kept in SQLite."""

    @pytest.fixture
    def store(self, database: Database) -> SubmissionStore:
        """Give an empty store."""
        return SqlSubmissions(database)


class TestSqlSubmissionsOfAFurtherChain(SubmissionStoreContract):
    """The same beside those of the first chain, which have the same keys."""

    @pytest.fixture
    async def store(self, database: Database) -> SubmissionStore:
        """Give an empty store in a table that is not."""
        for key in ("org", "anchor:0:1", "anchor:0:2"):
            await SqlSubmissions(database).save(submission(key, state="mined", nonce=1, log_epoch=0, log_size=1))
        return SqlSubmissions(database, 31338)


async def test_what_was_saved_survives_the_process(database: Database, tmp_path: Path) -> None:
    one = submission("anchor:0:1", state="sent", nonce=7, attempts=(ATTEMPT,), log_epoch=0, log_size=1)
    await SqlSubmissions(database).save(one)
    database.close()
    with Database(tmp_path / "tenant.db") as second:
        assert await SqlSubmissions(second).get("anchor:0:1") == one


async def test_leaves_come_in_the_order_of_their_index(database: Database) -> None:
    store = SqlLeaves(database)
    assert (await store.size(), list(await store.leaves(0, 9))) == (0, [])
    with database.write() as session:
        for index in (1, 0, 2):
            session.add(LeafRow(index=index, execution=f"{index}", kind=1, data=bytes([index]), since=1))
    assert await store.size() == 3
    assert list(await store.leaves(0, 9)) == [b"\x00", b"\x01", b"\x02"]
    assert list(await store.leaves(1, 2)) == [b"\x01"]
