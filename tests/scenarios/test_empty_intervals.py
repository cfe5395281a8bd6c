"""An organisation whose log is anchored in every interval, over three real nodes and a real chain."""

import pytest

from support.parties import BUYER, DEFINITION, SUPPLIER
from support.trio import Member, Trio, until

pytestmark = pytest.mark.timeout(180)


async def test_a_heartbeat_anchors_a_log_in_which_nothing_happens(anchored: Trio) -> None:
    """Set by command; what the supplier does from then on goes with its heartbeats and is proven as ever."""
    supplier, buyer = anchored.members[SUPPLIER], anchored.members[BUYER]
    await supplier.stop()
    policy = {"mode": "batched", "max_age_seconds": 3, "padding": '{"multiple_of":8}'}
    given = [f"blockchain.policy.{name}={value}" for name, value in policy.items()]
    assert "heartbeat" in await supplier.tally("settings", "set", "blockchain.heartbeat=true", *given)
    await supplier.start()

    async def beats(least: int) -> int | None:
        size = (await supplier.get("/chain"))["anchored_size"]
        assert size % 8 == 0
        return size if size >= least else None

    before = await until(lambda: beats(8))
    assert await until(lambda: beats(before + 16))
    assert (await buyer.get("/chain"))["anchored_size"] == 0
    collaboration = await anchored.begin(DEFINITION, {"anchoring": {**policy, "padding": {"multiple_of": 8}}})
    await anchored.play(collaboration)
    await until(lambda: proven(buyer, collaboration))
    assert await until(lambda: beats(before + 24))


async def proven(member: Member, collaboration: str) -> bool | None:
    """Whether this organisation's own verdict is good, everybody's anchors included."""
    verdict = await member.post(f"/executions/{collaboration}/verify")
    anchors = (await member.get(f"/executions/{collaboration}/anchors"))["items"]
    return (verdict["is_valid"] and [one["state"] for one in anchors] == ["confirmed", "confirmed"]) or None
