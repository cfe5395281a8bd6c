"""A participant that was promised an anchored start takes no work on before its own chain shows the anchor."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlmodel import col, select

from support.parties import BUYER, SUPPLIER, Parties
from tallystick.core.merkle import Tree
from tallystick.core.policy import DIRECT
from tallystick.core.statement import CiteStart, body_of
from tallystick.ledger.hashing import keccak, to_hex, unhex
from tallystick.ledger.leaf import START, Leaf
from tallystick.node.record import coordinator, store
from tallystick.node.record import messages as m
from tallystick.node.record.chunks import Chunks
from tallystick.node.record.context import Context
from tallystick.node.record.unit import Unit
from tallystick.node.work.bell import Bell
from tallystick.node.work.committer import Committer
from tallystick.node.work.inbox import Inbox
from tallystick.tenants.database import Database
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.models.record import InboxRow

TERMS = {
    **DIRECT,
    "start_anchor": "required",
    "also": [],
    "chain_id": 31337,
    "workflow_salt": "A" * 22,
    **dict.fromkeys(("org_registry", "workflow_registry", "execution_ledger"), "0x" + "11" * 20),
}


class Desk:
    """The supplier's inbox, and the buyer who coordinates."""

    def __init__(self, folder: Path, database: Database, keystore: Keystore) -> None:
        self.database = database
        self.parties = Parties(keys={SUPPLIER: keystore.signing_key}, anchoring=TERMS)
        self.parties.begin()
        self.now = self.parties.at
        chunks = Chunks(folder / "chunks")
        self.context = Context(org_id=SUPPLIER, keystore=keystore, chunks=chunks, clock=lambda: self.now)
        self.committer = Committer(database, finish=lambda unit: coordinator.seal(unit, self.context))
        self.inbox = Inbox(database, self.context, Bell(), self.committer)
        self.sent = 0

    async def know(self) -> None:
        """The agreement is here; the chain is not asked for that."""

        def job(unit: Unit) -> None:
            store.put_agreement(unit, self.parties.document)

        await self.committer.run(job)

    async def give(self, start: int) -> None:
        """Everything from an entry on."""
        self.sent += 1
        parties = self.parties
        entries = parties.entries[start:]
        message = m.EntriesMessage(
            execution=parties.execution,
            start=start,
            entries=[msgspec.to_builtins(one) for one in entries],
            statements=[parties.tokens[one.statement_id] for one in entries],
            head=parties.heads[-1],
            sealed=[],
        )
        await self.inbox.receive(BUYER, f"{self.sent}", m.encode(message))

    def cite(self, **changes: Any) -> None:
        """The buyer states where its start is anchored; ``root`` changes what its leaf says."""
        parties = self.parties
        me = parties.agreement.participant(BUYER)
        assert me is not None
        root = changes.pop("root", parties.log.root)
        facts = {"execution": parties.execution, "agreement": parties.hash, "root": root, "salt": "ab" * 32}
        words = {name: bytes.fromhex(text) for name, text in facts.items()}
        leaf = msgspec.convert(
            {"kind": START, "org": unhex(me.chain_org), "term": 0, "size": 4, "start_index": 0, **words}, Leaf
        )
        tree = Tree(keccak)
        tree.append(leaf.encode())
        body = CiteStart(
            leaf=to_hex(leaf.encode()), index=0, path=[], chain_id=31337, log_epoch=0, log_size=1,
            log_root=to_hex(tree.root()), block_number=9,
        )  # fmt: skip
        entry = parties.say(BUYER, "cite_start", {**body_of(body), **changes})
        assert entry.applied
        self.now = parties.at

    def seen(self) -> tuple[int, int]:
        """Entries, and open tasks."""
        with self.database.session() as session:
            loaded = store.load(session, self.parties.execution)
            return loaded.state.size, len(loaded.state.tasks)

    def reasons(self, outcome: str) -> list[str]:
        with self.database.session() as session:
            rows = session.exec(select(InboxRow).where(col(InboxRow.outcome) == outcome))
            return [row.reason.split(":")[0] for row in rows]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    tmp_path.chmod(0o700)  # noqa: ASYNC240 - before anything else runs
    keystore = Keystore.create(tmp_path / "keystore.json", "correct horse battery staple")
    with Database(tmp_path / "tenant.db") as database:
        database.create_schema()
        made = Desk(tmp_path, database, keystore)
        await made.know()
        await made.give(0)
        assert made.seen() == (4, 0)
        yield made


async def test_what_cites_an_anchor_waits_until_our_chain_shows_it(desk: Desk) -> None:
    desk.cite()
    await desk.give(4)
    assert (desk.seen(), desk.reasons("wait")) == ((4, 0), ["anchor_not_seen"])
    (asked,) = desk.context.citations.asked
    assert (asked.log_size, asked.chain_id) == (1, 31337)
    desk.context.citations.show(asked)
    desk.now += 60_000
    assert await desk.inbox.retry_waiting() == 1
    assert desk.seen() == (5, 1)
    assert (desk.reasons("wait"), desk.context.citations.asked) == ([], [])


async def test_an_anchor_that_never_comes_holds_the_work_and_loses_nothing(desk: Desk) -> None:
    desk.cite()
    await desk.give(4)
    for _ in range(3):
        desk.now += 60_000
        assert await desk.inbox.retry_waiting() == 0
    assert (desk.seen(), desk.reasons("wait")) == ((4, 0), ["anchor_not_seen"])


@pytest.mark.parametrize(
    "false",
    [{"log_root": "0x" + "cd" * 32}, {"path": ["0x" + "cd" * 32]}, {"log_root": "0x"}, {"root": "cd" * 32}],
)
async def test_a_citation_that_is_false_by_what_is_here_is_refused(desk: Desk, false: dict[str, Any]) -> None:
    desk.cite(**false)
    await desk.give(4)
    assert (desk.seen(), desk.reasons("reject"), desk.reasons("wait")) == ((4, 0), ["false_citation"], [])
    assert desk.context.citations.asked == []
