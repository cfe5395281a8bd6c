"""Who pays on the chain: several accounts of a real node, or those of a signer outside of it; and what was paid."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from support.chain import LocalChain
from support.parties import BUYER
from support.trio import Member, until
from support.web3signer import FakeWeb3Signer
from tallystick.ledger.accounts import Account
from tallystick.node.demo.chain import CHAIN_ID

pytestmark = pytest.mark.timeout(180)
DEFINITION: dict[str, Any] = {
    "id": "alone",
    "name": "Alone",
    "participants": [{"org_id": BUYER, "role": "alone", "can_terminate": True}],
    "steps": [
        {"id": "one", "name": "One", "step_type": "decision", "assigned_org": BUYER, "decision": {"expression": "true"}}
    ],
}


async def _anchored(member: Member) -> list[dict[str, Any]]:
    """One execution, begun and completed; its anchors once they are confirmed."""
    made = await member.post("/collaborations", {"definition": DEFINITION})
    await member.post(f"/collaborations/{made['execution_id']}/start")

    async def look() -> list[dict[str, Any]] | None:
        items = (await member.get(f"/executions/{made['execution_id']}/anchors"))["items"]
        return items if [one["state"] for one in items] == ["confirmed"] * 2 else None

    return await until(look)


async def _registered(member: Member) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        found: dict[str, Any] = await member.get("/chain")
        return found if found.get("registered") else None

    return await until(look)


async def test_several_accounts_pay_and_what_they_paid_is_told(chain: LocalChain, tmp_path: Path) -> None:
    member = Member(BUYER, tmp_path)
    try:
        await member.init(*chain.words, "--relayers", "2")
        await member.start()
        accounts = [one["address"] for one in (await member.get("/chain"))["payers"]]
        await chain.fund(*accounts)
        assert len(set(accounts)) == 3
        await _registered(member)
        anchors = [one for _ in range(3) for one in await _anchored(member)]
        for one in anchors:
            receipt = await chain.ask("eth_getTransactionReceipt", one["transaction_hash"])
            assert int(one["cost"]) == int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
            assert [passed["state"] for passed in one["passed"]][:2] == ["queued", "sent"]
        assert {one["relayer"] for one in anchors} & set(accounts[1:])
        listed = await _all(member, "/chain/transactions")
        assert {one["state"] for one in listed} == {"confirmed"}
        assert {"org", "workflow", "log-key", "anchor"} == {one["purpose"].partition(":")[0] for one in listed}
        # Only the administrator may register.
        assert {one["relayer"] for one in listed if not one["purpose"].startswith("anchor")} == {accounts[0]}
        assert not (await member.get("/chain/transactions?state=reorged"))["items"]
    finally:
        await member.stop()


async def _all(member: Member, path: str) -> list[dict[str, Any]]:
    """A listing, page by page."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await member.get(f"{path}?limit=2{cursor}")
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def test_a_node_without_the_keys_waits_for_its_signer(chain: LocalChain, tmp_path: Path) -> None:
    """The organisation's account and its relayer are the signer's; while that is down, anchors wait and say so."""
    *accounts, log_key = [Account(bytes([number]) * 32) for number in (1, 2, 3)]
    addresses = [one.address for one in accounts]
    await chain.fund(*addresses)
    member = Member(BUYER, tmp_path)
    async with FakeWeb3Signer(CHAIN_ID, *accounts, log_key) as signer:
        words = [word for address in addresses for word in ("--signer-account", address)]
        await member.init(*chain.words, "--signer", signer.url, *words, "--signer-log-account", log_key.address)
        try:
            await member.start()
            status = await _registered(member)
            assert [one["address"] for one in status["payers"]] == addresses
            card = await member.get("/organisation/card")
            assert (card["chain_admin"], card["log_key"]) == (addresses[0], log_key.address)
            await signer.stop()
            waiting = asyncio.create_task(_anchored(member))
            await until(lambda: _waits(member))
            await signer.start()
            assert {one["relayer"] for one in await waiting} <= set(addresses)
        finally:
            await member.stop()


async def _waits(member: Member) -> bool | None:
    """Whether the node says what it waits for; a workflow's registration is held, a head is not signed at all."""
    items = (await member.get("/chain/transactions?state=held"))["items"]
    trouble = (await member.get("/chain"))["trouble"]
    said = [one["error"] for one in items] + [trouble or ""]
    return any("the signer of" in one and "does not answer" in one for one in said) or None
