"""An organisation's chain account and log key are replaced between two lives of its node, with work under way."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from support.parties import BUYER, DEFINITION, SUPPLIER
from support.trio import Member, Trio, until
from tallystick.ledger import contracts as calls
from tallystick.ledger.accounts import Account
from tallystick.ledger.chain import Chain
from tallystick.ledger.errors import Reverted
from tallystick.ledger.hashing import unhex
from tallystick.node import settings as node_settings
from tallystick.tenants.keystore import Keystore

pytestmark = pytest.mark.timeout(300)


async def confirmed(member: Member, execution: str) -> bool | None:
    items = (await member.get(f"/executions/{execution}/anchors"))["items"]
    return [one["state"] for one in items] == ["confirmed", "confirmed"] or None


async def verified(member: Member, execution: str) -> dict[str, Any] | None:
    found: dict[str, Any] = await member.post(f"/executions/{execution}/verify")
    return found if found["is_valid"] else None


async def test_what_was_anchored_stays_proven_and_what_is_under_way_goes_on(anchored: Trio) -> None:
    member, buyer = anchored.members[SUPPLIER], anchored.members[BUYER]
    first = await anchored.begin(DEFINITION)
    await anchored.play(first)
    await until(partial(confirmed, member, first))
    second = await anchored.begin(DEFINITION)
    before = await member.get("/organisation/card")
    await member.stop()
    said = await member.tally("chain", "rotate-keys")
    keystore = Keystore.open(member.data / "keystore.json", member.passphrase)
    assert keystore.chain_address in said
    assert keystore.log_address in said
    assert before["chain_admin"] in said
    await member.start()
    assert anchored.chain
    await anchored.chain.fund(keystore.chain_address)
    blockchain = node_settings.load(member.data).blockchain
    assert blockchain is not None
    client, registry = Chain(blockchain.blockchain_url, blockchain.chain_id), blockchain.contracts.org_registry
    org = unhex(before["chain_org"])

    async def replaced() -> bool | None:
        admin = await calls.admin_of(client, registry, org)
        opened = await calls.is_log_key(client, registry, org, keystore.log_address)
        closed = not await calls.is_log_key(client, registry, org, before["log_key"])
        return (admin == keystore.chain_address.lower() and opened and closed) or None

    try:
        await until(replaced)
        seen = await anchored.play(second)
        assert {one["status"] for one in seen.values()} == {"completed"}
        third = await anchored.begin(DEFINITION)
        await anchored.play(third)
        for execution in (first, second, third):
            await until(partial(confirmed, member, execution))
            for one in (buyer, member):
                found = await until(partial(verified, one, execution))
                assert {check["status"] for check in found["checks"]} == {"PASS"}
        card = await member.get("/organisation/card")
        assert card["chain_org"] == before["chain_org"]
        assert (card["chain_admin"], card["log_key"]) == (keystore.chain_address, keystore.log_address)
        older = Account(keystore.chain_keys[0])
        assert older.address == before["chain_admin"]
        call = {"from": older.address, "to": registry, "data": "0x" + calls.transfer_admin(org, older.address).hex()}
        with pytest.raises(Reverted) as refused:
            await client.ask("eth_call", call, "latest")
        assert calls.describe(refused.value).startswith("OrgRegistryNotAdmin")
    finally:
        await client.close()
