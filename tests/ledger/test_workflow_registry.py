"""WorkflowRegistry: an organisation's entries are its own, and are made once."""

from collections.abc import Awaitable, Callable

from ledger.parties import Party
from tallystick.ledger import contracts as calls
from tallystick.ledger.contracts import WORKFLOW_REGISTRY

Make = Callable[[], Awaitable[Party]]
HASH = bytes([7]) * 32


async def test_a_workflow_is_registered_once_per_organisation(party: Make) -> None:
    one, other = await party(), await party()
    registry = one.contracts.workflow_registry
    for each in (other, one):  # the other was first, and that takes nothing away
        await each.register()
        await each.send(registry, calls.register_workflow(each.org, HASH))
        assert await calls.workflow_registered(each.chain, registry, each.org, HASH) is not None
    assert (await one.refusal(registry, calls.register_workflow(one.org, HASH))).startswith(
        "WorkflowRegistryAlreadyRegistered"
    )


async def test_nobody_registers_for_another(party: Make) -> None:
    one, other = await party(), await party()
    await one.register()
    registry = one.contracts.workflow_registry
    assert (await other.refusal(registry, calls.register_workflow(one.org, HASH))).startswith(
        "WorkflowRegistryNotAdmin"
    )
    assert not await calls.workflow_registered(one.chain, registry, one.org, HASH)


async def test_no_hash_is_no_workflow(party: Make) -> None:
    one = await party()
    await one.register()
    registry = one.contracts.workflow_registry
    assert await one.refusal(registry, calls.register_workflow(one.org, bytes(32))) == "WorkflowRegistryInvalidHash()"


async def test_a_partner_endorses_and_the_owner_deprecates(party: Make) -> None:
    one, other = await party(), await party()
    registry = one.contracts.workflow_registry
    for each in (one, other):
        await each.register()
    endorse = WORKFLOW_REGISTRY.call("endorse", one.org, HASH, other.org)
    assert (await other.refusal(registry, endorse)).startswith("WorkflowRegistryNotRegistered")
    await one.send(registry, calls.register_workflow(one.org, HASH))
    assert (await one.refusal(registry, endorse)).startswith("WorkflowRegistryNotAdmin")
    await other.send(registry, endorse)
    assert (await other.refusal(registry, endorse)).startswith("WorkflowRegistryAlreadyEndorsed")
    block, _ = await one.chain.view(registry, WORKFLOW_REGISTRY, "endorsementOf", one.org, HASH, other.org)
    assert block > 0
    await one.send(registry, WORKFLOW_REGISTRY.call("deprecate", one.org, HASH))
    assert await calls.workflow_registered(one.chain, registry, one.org, HASH) is not None
    assert (await other.refusal(registry, endorse)).startswith("WorkflowRegistryDeprecated")
