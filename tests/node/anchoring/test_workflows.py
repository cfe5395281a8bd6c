"""A workflow's registration counts once it is confirmed, and no longer when its block has left the chain."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ledger.parties import FAUCET, Party, make_party, settle
from support.processes import Anvil
from tallystick.ledger.chain import Chain
from tallystick.ledger.deploy import deploy
from tallystick.ledger.service import OrgLedger
from tallystick.node.anchoring.workflows import Workflows
from tallystick.tenants.database import Database
from tallystick.tenants.models.anchor import WorkflowRow

HASH = "ab" * 32
CONFIRMATIONS = 3


class Node:
    """One organisation's table of workflows, and what it looks at the chain with."""

    def __init__(self, database: Database, ledger: OrgLedger) -> None:
        self.database = database
        self.ledger = ledger
        self._workflows = Workflows(database)
        self._now = 0

    async def round(self) -> None:
        """One round of the chain side, a minute after the one before."""
        self._now += 60_000
        await self.ledger.step()
        await self._workflows.step(self.ledger, self._now)

    def note(self, org: str, *, mine: bool) -> None:
        """Remember a definition that is to be on the chain."""
        with self.database.write() as session:
            session.add(WorkflowRow(org=org, workflow_hash=HASH, mine=mine, since=0, check_at=0))

    def time(self, org: str) -> int | None:
        """What the node says of its registration, in milliseconds."""
        with self.database.session() as session:
            return session.get_one(WorkflowRow, (org, HASH)).registered_at


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[list[Database]]:
    """Two organisations' databases."""
    with ExitStack() as stack:
        made = []
        for name in ("ours", "theirs"):
            folder = tmp_path / name
            folder.mkdir(mode=0o700)
            made.append(stack.enter_context(Database(folder / "tenant.db")))
            made[-1].create_schema()
        yield made


@pytest.fixture
async def chain(anvil: Anvil) -> AsyncIterator[Chain]:
    """A client of the test's own chain."""
    client = Chain(anvil.url, 31337)
    yield client
    await client.close()


@pytest.fixture
async def nodes(anvil: Anvil, chain: Chain, databases: list[Database]) -> AsyncIterator[tuple[Node, Node, str]]:
    """Who registers, who looks on, and the first one's name on the chain."""
    deployment = await deploy(chain, FAUCET)
    parties: list[Party] = [await make_party(anvil.url, chain, deployment) for _ in databases]
    ledgers = [one.ledger(confirmations=CONFIRMATIONS) for one in parties]
    ours, theirs = (Node(database, ledger) for database, ledger in zip(databases, ledgers, strict=True))
    for ledger in ledgers:
        await ledger.step()
        await chain.ask("anvil_mine", "0x1")
        await ledger.step()
        await chain.ask("anvil_mine", hex(CONFIRMATIONS))
        await settle(ledger)
    org = ours.ledger.org
    ours.note(org, mine=True)
    theirs.note(org, mine=False)
    yield ours, theirs, org
    for ledger in ledgers:
        await ledger.close()


async def rounds(nodes: tuple[Node, Node, str]) -> list[int | None]:
    """One round of each; what each says then."""
    ours, theirs, org = nodes
    await ours.round()
    await theirs.round()
    return [one.time(org) for one in (ours, theirs)]


async def later(chain: Chain, blocks: int) -> None:
    """Mine blocks whose times are an hour apart from what was mined before."""
    await chain.ask("evm_increaseTime", 3600)
    await chain.ask("anvil_mine", hex(blocks))


async def test_a_registration_counts_with_its_confirmations(nodes: tuple[Node, Node, str], chain: Chain) -> None:
    await rounds(nodes)  # queued
    await nodes[0].ledger.step()  # sent, and mined at once
    assert await rounds(nodes) == [None, None]
    await later(chain, CONFIRMATIONS - 2)
    assert await rounds(nodes) == [None, None], "one confirmation is missing"
    await later(chain, 1)
    first, second = await rounds(nodes)
    assert first == second is not None


async def test_a_registration_lost_before_it_is_confirmed_was_never_told(
    nodes: tuple[Node, Node, str], chain: Chain
) -> None:
    await rounds(nodes)
    await nodes[0].ledger.step()
    assert await rounds(nodes) == [None, None]
    await chain.ask("anvil_reorg", 1, [])
    await later(chain, CONFIRMATIONS)
    await rounds(nodes)  # registered again
    await later(chain, CONFIRMATIONS)
    first, second = await rounds(nodes)
    assert first == second is not None


@pytest.mark.parametrize("who_saw", ["the one that registers", "both"])
async def test_all_tell_the_same_time_after_the_chain_lost_the_block(
    nodes: tuple[Node, Node, str], chain: Chain, who_saw: str
) -> None:
    ours, theirs, org = nodes
    await rounds(nodes)
    await ours.ledger.step()
    await later(chain, CONFIRMATIONS)
    await ours.round()
    if who_saw == "both":
        await theirs.round()
    before = ours.time(org)
    assert before is not None
    await chain.ask("anvil_reorg", 2 * CONFIRMATIONS, [])  # deeper than what was taken for settled
    await later(chain, 1)
    await ours.round()
    assert ours.time(org) is None, "the block that it is from is gone"
    await ours.round()
    await later(chain, CONFIRMATIONS)
    first, second = await rounds(nodes)
    assert first == second is not None
    assert first != before
