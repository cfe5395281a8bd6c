"""A log that is anchored in every interval: whoever watches the chain sees the same with 0, 1 and n executions."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from ledger.parties import FAUCET, Party, make_party
from support.processes import Anvil
from tallystick.core import policy
from tallystick.core.policy import Multiple
from tallystick.ledger import contracts as calls
from tallystick.ledger.budget import Budget
from tallystick.ledger.chain import Chain
from tallystick.ledger.deploy import deploy
from tallystick.ledger.leaf import padding
from tallystick.ledger.service import LedgerSettings, OrgLedger
from tallystick.node.anchoring.batching import SqlBatching
from tallystick.node.anchoring.stores import SqlLeaves, SqlSubmissions
from tallystick.node.record import onchain
from tallystick.node.record.onchain import Heartbeat
from tallystick.node.work.committer import Committer
from tallystick.tenants.database import Database
from tallystick.tenants.models.anchor import LeafRow

PERIOD_S, LEAVES = 10, 8
TERMS = Heartbeat(PERIOD_S, Multiple(multiple_of=LEAVES))
CHAIN_ID = 31337


class Node:
    """One organisation that anchors, and what others see of it."""

    def __init__(self, party: Party, database: Database, heartbeat: Heartbeat | None, budget: Budget | None) -> None:
        self.party = party
        self.database = database
        self.committer = Committer(database)
        settings = LedgerSettings(
            blockchain_url=party.url, chain_id=CHAIN_ID, contracts=party.contracts, budget=budget, lag_ms=50
        )
        org = "0x" + party.org.hex()
        self.ledger = OrgLedger(
            settings,
            party.account,
            party.log_key,
            party.salt,
            SqlSubmissions(database),
            SqlLeaves(database),
            clock=party.clock,
            ticks=party.clock.ticks,
            batching=SqlBatching(database, self.committer, org, party.clock, heartbeat),
        )

    def append(self, count: int, max_leaves: int = 256) -> None:
        """Leaves of executions, agreed to go with the cadence."""
        now = self.party.clock.now
        with self.database.write() as session:
            index = onchain.log_size(session)
            for number in range(index, index + count):
                data = padding(self.party.org, secrets.token_bytes(32)).encode()  # as long as any
                row = LeafRow(index=number, execution=f"{number}", kind=onchain.START, data=data, since=now)
                row.due_at, row.max_leaves = policy.due_at(now, PERIOD_S), max_leaves
                row.padding = f'{{"multiple_of":{LEAVES}}}'
                session.add(row)

    async def tick(self, leaves: int = 0) -> None:
        """A second, in which so many leaves come, with some rounds."""
        self.party.clock.advance(1)
        self.append(leaves)
        for _ in range(3):
            await self.ledger.step()

    async def seen(self) -> int:
        """The size that the chain shows."""
        contracts = self.party.contracts
        return (await calls.log_of(self.party.chain, contracts.execution_ledger, self.party.org)).size

    async def inputs(self) -> list[int]:
        """How long each of its account's transactions is, in order."""
        found = []
        for number in range(1, await self.party.chain.block_number() + 1):
            block = await self.party.chain.ask("eth_getBlockByNumber", hex(number), True)
            found += [
                len(one["input"])
                for one in block["transactions"]
                if one["from"].lower() == self.party.account.address.lower()
            ]
        return found

    def size(self) -> int:
        with self.database.session() as session:
            return onchain.log_size(session)

    async def close(self) -> None:
        await self.ledger.close()
        await self.committer.close()


Make = Callable[..., Awaitable[Node]]


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[Callable[[], Database]]:
    """Give a maker of empty ones."""
    with ExitStack() as stack:

        def one() -> Database:
            folder = tmp_path / secrets.token_hex(4)
            folder.mkdir(mode=0o700)
            made = stack.enter_context(Database(folder / "tenant.db"))
            made.create_schema()
            return made

        yield one


@pytest.fixture
async def chain(anvil: Anvil) -> AsyncIterator[Chain]:
    """Give a client of the chain."""
    client = Chain(anvil.url, CHAIN_ID)
    yield client
    await client.close()


@pytest.fixture
async def make(anvil: Anvil, chain: Chain, databases: Callable[[], Database]) -> Make:
    """Give a maker of organisations that are registered, each with its own clock, all set to the same time."""
    deployment = await deploy(chain, FAUCET)

    async def one(heartbeat: Heartbeat | None = TERMS, budget: Budget | None = None) -> Node:
        party = await make_party(anvil.url, chain, deployment)
        await party.register()
        made = Node(party, databases(), heartbeat, budget)
        for _ in range(3):
            await made.ledger.step()
        return made

    return one


Work = Mapping[int, int]  # how many leaves come in which second
NONE: Work = {}
ONE: Work = {14: 1}
MANY: Work = {2: 1, 9: 2, 11: 2, 12: 1, 19: 2, 20: 2, 21: 1, 35: 5}


async def watched(node: Node, work: Work, *, stalled: range = range(0)) -> list[tuple[int, int]]:
    """The seconds at which the chain showed another size, and that size; it mines nothing while it is ``stalled``."""
    found, before = [], await node.seen()
    for second in range(1, 56):
        if second in (stalled.start, stalled.stop) and len(stalled):
            await node.party.chain.ask("evm_setAutomine", second == stalled.stop)
            if second == stalled.stop:
                await node.party.chain.ask("evm_mine")
        await node.tick(work.get(second, 0))
        if (size := await node.seen()) != before:
            found.append((second, size))
            before = size
    return found


async def test_nobody_sees_whether_anything_happened(make: Make) -> None:
    found, inputs = [], []
    for work in (NONE, ONE, MANY):
        node = await make()
        found.append(await watched(node, work))
        inputs.append(await node.inputs())
        assert (await node.ledger.status()).anchored_size == LEAVES * 5
        await node.close()
    assert found[0] == [(second * PERIOD_S, second * LEAVES) for second in range(1, 6)]
    assert found[1:] == found[:1] * 2
    assert inputs[1:] == inputs[:1] * 2


async def test_without_a_heartbeat_it_shows(make: Make) -> None:
    """What the test above looks at would tell them apart."""
    found = []
    for work in (NONE, ONE, MANY):
        node = await make(None)
        found.append(await watched(node, work))
        await node.close()
    assert found[0] == []
    assert found[1] == [(20, LEAVES)]
    assert len(found[2]) > 2


@pytest.mark.parametrize("stalled", [range(10, 13), range(18, 33), range(8, 52)])
async def test_a_chain_that_stalls_tells_nothing_either(make: Make, stalled: range) -> None:
    """Anchors that take longer than their interval are followed by the next at once; others missed are not made up."""
    found = []
    for work in (NONE, ONE):
        node = await make()
        found.append(await watched(node, work, stalled=stalled))
        await node.close()
    assert found[0] == found[1]
    assert found[0][-1][1] >= 2 * LEAVES


async def test_more_leaves_than_an_interval_has_room_for_do_show(make: Make) -> None:
    """The limit that is stated: one leaf of the batch is the heartbeat's own."""
    node = await make()
    node.append(LEAVES - 1)
    for _ in range(PERIOD_S):
        await node.tick()
    assert await node.seen() == LEAVES
    node.append(LEAVES)
    for _ in range(PERIOD_S):
        await node.tick()
    assert await node.seen() == 3 * LEAVES
    await node.close()


async def test_it_goes_on_after_a_restart_and_beats_once_an_interval(make: Make) -> None:
    node = await make()
    found = await watched(node, NONE)
    await node.close()
    node.party.clock.advance(95)  # nine intervals go by without it
    again = Node(node.party, node.database, TERMS, None)
    for _ in range(3):
        await again.tick()
    assert await again.seen() == found[-1][1] + 2 * LEAVES  # the one that waited, and one for all that were missed
    for _ in range(PERIOD_S):
        await again.tick()
    assert await again.seen() == found[-1][1] + 3 * LEAVES
    await again.close()


async def test_what_is_impatient_is_not_held_up(make: Make) -> None:
    """A leaf that is to be anchored at once shows, and the heartbeat comes at its time all the same."""
    node = await make()
    for _ in range(3):
        await node.tick()
    node.append(1, max_leaves=1)
    await node.tick()
    assert await node.seen() == LEAVES
    for _ in range(5):
        await node.tick()
    assert await node.seen() == LEAVES
    await node.tick()
    assert await node.seen() == 2 * LEAVES
    await node.close()


async def test_a_budget_that_is_used_up_holds_heartbeats_and_nothing_piles_up(make: Make) -> None:
    node = await make(TERMS, Budget(limit=1, period_ms=60_000))
    for _ in range(PERIOD_S):
        await node.tick()
    assert await node.seen() == 0
    size = node.size()
    for _ in range(3 * PERIOD_S):
        await node.tick()
    assert node.size() == size == LEAVES
    anchor = await SqlSubmissions(node.database).covering(0, 0)
    assert anchor is not None
    assert (anchor.state, "budget of 1 wei" in str(anchor.error)) == ("held", True)
    await node.close()
    rich = Node(node.party, node.database, TERMS, Budget(limit=10**18, period_ms=60_000))
    found = await watched(rich, NONE)
    assert found[0] == (1, 2 * LEAVES)  # the one that was held, and one for all intervals that were missed
    await rich.close()


async def test_two_chains_share_the_heartbeats_of_one_log(make: Make) -> None:
    """What asks for an anchor is a leaf: two that look for it make one of it."""
    node = await make()
    org = "0x" + node.party.org.hex()
    other = SqlBatching(node.database, node.committer, org, node.party.clock, TERMS)
    size = node.size()
    assert size == 1
    found = await other.waiting(0)
    assert found is not None
    assert (found.count, found.max_leaves, list(found.paddings)) == (1, policy.MAX_LEAVES, [TERMS.padding])
    assert node.size() == size
    for _ in range(PERIOD_S):
        await node.tick()
    assert await node.seen() == LEAVES
    await node.close()
