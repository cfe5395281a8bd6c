"""OrgRegistry: ids that nobody can take, administrators, and windows that are written once."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ledger.parties import FAUCET, Party, new_account
from tallystick.ledger import contracts as calls
from tallystick.ledger import deploy as tools
from tallystick.ledger.contracts import ORG_REGISTRY
from tallystick.ledger.hashing import unhex

Make = Callable[[], Awaitable[Party]]


async def _view(party: Party, name: str, *values: Any) -> Any:
    return await party.chain.view(party.contracts.org_registry, ORG_REGISTRY, name, *values)


async def _send(party: Party, name: str, *values: Any) -> None:
    await party.send(party.contracts.org_registry, ORG_REGISTRY.call(name, *values))


async def _refusal(party: Party, name: str, *values: Any) -> str:
    return await party.refusal(party.contracts.org_registry, ORG_REGISTRY.call(name, *values))


async def test_the_id_is_known_before_and_needs_no_chain(party: Make) -> None:
    one = await party()
    assert await _view(one, "orgId", one.account.address, one.salt) == one.org
    await one.register()
    assert await calls.admin_of(one.chain, one.contracts.org_registry, one.org) == one.account.address.lower()


async def test_an_organisation_is_created_once_and_by_its_administrator_only(party: Make) -> None:
    one, other = await party(), await party()
    await _send(other, "createOrg", one.salt)  # the same salt makes another id
    assert await calls.admin_of(one.chain, one.contracts.org_registry, one.org) == "0x" + "00" * 20
    await _send(one, "createOrg", one.salt)
    assert (await _refusal(one, "createOrg", one.salt)).startswith("OrgRegistryOrgExists")


async def test_only_the_administrator_touches_keys(party: Make) -> None:
    one, other = await party(), await party()
    await one.register()
    key_id = await _view(one, "keyIdOf", 1, 1, unhex(one.log_key.address))
    for name, values in {
        "addKey": (one.org, 1, 1, unhex(other.account.address)),
        "retire": (one.org, key_id),
        "revoke": (one.org, key_id, 0),
        "transferAdmin": (one.org, other.account.address),
    }.items():
        assert (await _refusal(other, name, *values)).startswith("OrgRegistryNotAdmin")


async def test_windows_open_and_close_once(party: Make) -> None:
    one = await party()
    await one.register()
    key = unhex(one.log_key.address)
    key_id = await _view(one, "keyIdOf", 1, 1, key)
    assert (await _refusal(one, "addKey", one.org, 1, 1, key)).startswith("OrgRegistryKeyExists")
    await _send(one, "retire", one.org, key_id)
    added, retired, revoked, _ = await _view(one, "windowOf", one.org, key_id)
    assert 0 < added < retired
    assert revoked == 0
    assert (await _refusal(one, "retire", one.org, key_id)).startswith("OrgRegistryWindowClosed")
    await _send(one, "revoke", one.org, key_id, 7)
    again = await _view(one, "windowOf", one.org, key_id)
    assert again[:2] == (added, retired)
    assert again[2] > retired
    assert again[3] == 7
    for name, values in {"revoke": (one.org, key_id, 9), "retire": (one.org, key_id)}.items():
        assert (await _refusal(one, name, *values)).startswith("OrgRegistryWindowClosed")
    assert (await _refusal(one, "addKey", one.org, 1, 1, key)).startswith("OrgRegistryKeyExists")


@pytest.mark.parametrize(
    ("role", "scheme", "key"),
    [
        (0, 1, bytes([1] * 20)),
        (1, 0, b"x"),
        (1, 1, bytes(20)),
        (1, 1, bytes([1] * 21)),
        (1, 2, b""),
        (1, 2, bytes(4097)),
    ],
)
async def test_keys_that_make_no_sense_are_refused(party: Make, role: int, scheme: int, key: bytes) -> None:
    one = await party()
    await one.register()
    assert await _refusal(one, "addKey", one.org, role, scheme, key) == "OrgRegistryInvalidKey()"


async def test_an_unknown_key_is_neither_retired_nor_revoked(party: Make) -> None:
    one = await party()
    await one.register()
    assert (await _refusal(one, "retire", one.org, bytes(32))).startswith("OrgRegistryUnknownKey")
    assert (await _refusal(one, "revoke", one.org, bytes(32), 0)).startswith("OrgRegistryUnknownKey")


async def test_administration_passes_in_two_steps(party: Make) -> None:
    one, other, third = await party(), await party(), await party()
    await one.register()
    await _send(one, "transferAdmin", one.org, other.account.address)
    assert (await _refusal(third, "acceptAdmin", one.org)).startswith("OrgRegistryNotPendingAdmin")
    assert await calls.admin_of(one.chain, one.contracts.org_registry, one.org) == one.account.address.lower()
    await _send(other, "acceptAdmin", one.org)
    assert await calls.admin_of(one.chain, one.contracts.org_registry, one.org) == other.account.address.lower()
    assert (await _refusal(one, "transferAdmin", one.org, one.account.address)).startswith("OrgRegistryNotAdmin")
    assert (await _refusal(other, "acceptAdmin", one.org)).startswith("OrgRegistryNotPendingAdmin")


async def test_an_offer_is_withdrawn(party: Make) -> None:
    one, other = await party(), await party()
    await one.register()
    await _send(one, "transferAdmin", one.org, other.account.address)
    await _send(one, "transferAdmin", one.org, "0x" + "00" * 20)
    assert (await _refusal(other, "acceptAdmin", one.org)).startswith("OrgRegistryNotPendingAdmin")


async def test_nobody_administers_what_does_not_exist(party: Make) -> None:
    one = await party()
    account = new_account()
    await tools.fund(one.chain, FAUCET, account.address, 10**18)
    assert (await _refusal(one, "addKey", bytes(32), 1, 2, b"x")).startswith("OrgRegistryNotAdmin")
