"""Another account administers the organisation, another key signs its heads; what was anchored stays proven."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from ledger.parties import ETHER, FAUCET, PAUSE_S, ROUNDS, Party, new_account, settle
from tallystick.ledger import contracts as calls
from tallystick.ledger import deploy as tools
from tallystick.ledger.accounts import Account
from tallystick.ledger.contracts import ORG_REGISTRY, Head
from tallystick.ledger.errors import ChainUnavailable, Reverted
from tallystick.ledger.hashing import unhex
from tallystick.ledger.orglog import head_digest
from tallystick.ledger.proofs import verify_leaf
from tallystick.ledger.service import LedgerSettings, OrgLedger
from tallystick.ledger.signing import LocalHeadSigner

Make = Callable[[], Awaitable[Party]]


@dataclass
class Rotated:
    """An organisation whose node has been given another account and another log key."""

    party: Party
    account: Account
    log_key: Account

    @classmethod
    async def make(cls, party: Party, *, funded: bool = True) -> Rotated:
        made = cls(party, new_account(), new_account())
        if funded:
            await made.fund()
        return made

    async def fund(self) -> None:
        await tools.fund(self.party.chain, FAUCET, self.account.address, ETHER)

    def ledger(self) -> OrgLedger:
        """What its node runs from then on; again over the same stores is a restart."""
        one = self.party
        settings = LedgerSettings(
            blockchain_url=one.url, chain_id=one.chain.chain_id, contracts=one.contracts, lag_ms=50
        )
        stores = (one.submissions, one.leaves)
        return OrgLedger(
            settings, self.account, self.log_key, one.salt, *stores, clock=one.clock, ticks=one.clock.ticks,
            former=[one.account], former_log_keys=[LocalHeadSigner(one.log_key)],
        )  # fmt: skip

    async def admin(self) -> str:
        return await calls.admin_of(self.party.chain, self.party.contracts.org_registry, self.party.org)

    async def opens(self, key: Account) -> bool:
        registry = self.party.contracts.org_registry
        return await calls.is_log_key(self.party.chain, registry, self.party.org, key.address)

    async def is_done(self) -> bool:
        has_admin = await self.admin() == self.account.address.lower()
        return has_admin and await self.opens(self.log_key) and not await self.opens(self.party.log_key)

    async def settle(self, ledger: OrgLedger) -> None:
        """Rounds until all of it is on the chain and all leaves are anchored."""
        for _ in range(ROUNDS):
            with contextlib.suppress(ChainUnavailable):
                await ledger.step()
            if await self.is_done():
                await settle(ledger)
                return
            await _pause()
        raise AssertionError("the rotation does not come to its end")


async def _pause() -> None:
    await asyncio.sleep(PAUSE_S)


async def anchored(party: Party) -> Party:
    """It has three leaves on the chain."""
    ledger = party.ledger()
    party.append(3)
    await settle(ledger)
    await ledger.close()
    return party


async def test_both_are_replaced_and_older_anchors_stay_proven(party: Make) -> None:
    one = await anchored(await party())
    rotated = await Rotated.make(one)
    ledger = rotated.ledger()
    assert unhex(ledger.org) == one.org, "the organisation stays the same"
    one.append(2)
    await rotated.settle(ledger)
    assert await rotated.is_done()
    proofs = [await ledger.proof(index) for index in range(5)]
    assert [verify_leaf(each).anchored.size for each in proofs] == [3, 3, 3, 5, 5]
    before = await one.submissions.settled(99)
    await ledger.step()
    assert (await one.submissions.settled(99), await one.submissions.unsettled()) == (before, []), (
        "nothing is done twice"
    )
    await ledger.close()


async def test_a_restart_at_every_round_changes_nothing(party: Make) -> None:
    one = await anchored(await party())
    rotated = await Rotated.make(one)
    one.append(2)
    for _ in range(ROUNDS):
        ledger = rotated.ledger()
        with contextlib.suppress(ChainUnavailable):
            await ledger.step()
        await ledger.close()
        if await rotated.is_done():
            break
        await _pause()
    ledger = rotated.ledger()
    await rotated.settle(ledger)
    assert verify_leaf(await ledger.proof(4)).anchored.size == 5
    await ledger.close()


async def test_until_the_new_account_has_ether_the_old_one_goes_on(party: Make) -> None:
    one = await anchored(await party())
    rotated = await Rotated.make(one, funded=False)
    ledger = rotated.ledger()
    one.append(2)
    registry = one.contracts.org_registry
    for _ in range(ROUNDS):
        await ledger.step()
        pending = await calls.pending_admin_of(one.chain, registry, one.org)
        status = await ledger.status()
        if (
            pending == rotated.account.address.lower()
            and status.anchored_size == 5
            and not await rotated.opens(one.log_key)
        ):
            break
        await _pause()
    assert await rotated.admin() == one.account.address.lower()
    assert (await ledger.status()).anchored_size == 5
    await ledger.step()
    accepting = await one.submissions.get(f"admin-accepted:{rotated.account.address.lower()}")
    assert accepting is not None
    assert accepting.state == "held"
    assert "funds" in (accepting.error or "").lower()
    await rotated.fund()
    await rotated.settle(ledger)
    await ledger.close()


async def test_an_anchor_that_is_on_its_way_is_finished_under_the_old_key(party: Make) -> None:
    one = await anchored(await party())
    rotated = await Rotated.make(one)
    older = one.ledger()
    one.append(2)
    await one.chain.ask("evm_setAutomine", False)
    await older.step()
    await older.close()
    assert (await one.submissions.unsettled())[0].log_size == 5
    ledger = rotated.ledger()
    for _ in range(5):
        await ledger.step()
    assert await one.submissions.get(f"log-key-retired:{one.log_key.address.lower()}") is None
    await one.chain.ask("evm_setAutomine", True)
    await one.chain.ask("evm_mine")
    await rotated.settle(ledger)
    anchor = await one.submissions.get("anchor:0:5")
    assert anchor is not None
    assert (anchor.state, anchor.failures) == ("confirmed", 0)
    await ledger.close()


async def test_what_was_replaced_opens_nothing(party: Make) -> None:
    """Whoever has read the older keys: no key is added, nothing handed over, no head counts."""
    one = await anchored(await party())
    rotated = await Rotated.make(one)
    ledger = rotated.ledger()
    await rotated.settle(ledger)
    thief = new_account()
    registry = one.contracts.org_registry
    for data in (
        calls.add_log_key(one.org, thief.address),
        calls.transfer_admin(one.org, thief.address),
        calls.retire_log_key(one.org, rotated.log_key.address),
    ):
        assert (await one.refusal(registry, data)).startswith("OrgRegistryNotAdmin")
    assert (await one.refusal(registry, calls.accept_admin(one.org))).startswith("OrgRegistryNotPendingAdmin")
    for _ in range(3):
        one.tree.append((await one.leaves.leaves(one.tree.size, one.tree.size + 1))[0])
    one.grow()
    head = Head(org=one.org, epoch=0, old_size=3, new_size=4, root=one.tree.root())
    digest = head_digest(head, one.chain.chain_id, one.contracts.execution_ledger)
    call = {"from": thief.address, "to": one.contracts.execution_ledger}
    for key, refused in ((one.log_key, True), (rotated.log_key, False)):
        data = calls.anchor(head, one.tree.consistency(3), key.sign(digest))
        asked = one.chain.ask("eth_call", {**call, "data": "0x" + data.hex()}, "latest")
        if not refused:
            await asked
            continue
        with pytest.raises(Reverted) as caught:
            await asked
        assert "LogKey" in calls.describe(caught.value) or "Sign" in calls.describe(caught.value)
    await ledger.close()


async def test_the_id_of_a_log_key_is_the_contracts(party: Make) -> None:
    one = await party()
    key = one.log_key.address
    assert await one.chain.view(one.contracts.org_registry, ORG_REGISTRY, "keyIdOf", 1, 1, unhex(key)) == (
        calls.log_key_id(key)
    )
