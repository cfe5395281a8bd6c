"""The coordinator's partner API over its real inbox, and two partners whose cards it has pinned."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node.work.test_inbox import Desk
from support.counter import PHRASE, Counter, Visitor
from support.parties import BUYER, CARRIER, SUPPLIER
from tallystick.tenants.database import Database
from tallystick.tenants.keystore import Keystore


class Stand:
    """All of it; ``supplier`` and ``carrier`` are the partners."""

    def __init__(self, desk: Desk, counter: Counter, supplier: Visitor, carrier: Visitor) -> None:
        self.desk = desk
        self.counter = counter
        self.supplier = supplier
        self.carrier = carrier


@pytest.fixture(scope="session")
def keystores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Keystore]:
    folder = tmp_path_factory.mktemp("keys")
    folder.chmod(0o700)
    return {org: Keystore.create(folder / f"{org}.json", PHRASE) for org in (BUYER, SUPPLIER, CARRIER)}


@pytest.fixture
async def stand(tmp_path: Path, keystores: dict[str, Keystore]) -> AsyncIterator[Stand]:
    tmp_path.chmod(0o700)  # noqa: ASYNC240 - before anything else runs
    with Database(tmp_path / "tenant.db") as database:
        database.create_schema()
        desk = Desk(tmp_path, database, keystores[BUYER])
        await desk.begin()
        counter = Counter(BUYER, database, desk.inbox, desk.committer, lambda: desk.now)
        visitors = [Visitor(org, keystores[org], tmp_path / org) for org in (SUPPLIER, CARRIER)]
        for one in visitors:
            counter.partners.put(one.card())
        await counter.start()
        yield Stand(desk, counter, *visitors)
        await counter.stop()
        await counter.http.aclose()
        await desk.committer.idle()
