"""A broker's store that lost or changed bytes, and ids that come again: what is left arrives as it was sent."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from node.links.organisations import Begin, Organisation, eventually, introduce
from tallystick.node.links import names, peer

Three = list[Organisation]


def _flip(block: Path) -> None:
    """One bit in the middle of the first message's content."""
    data = bytearray(block.read_bytes())
    data[data.index(b"content-1-") + 100] ^= 1
    block.write_bytes(data)


def _truncate(block: Path) -> None:
    """The last message loses its end, as after a crash that tore a write."""
    with block.open("r+b") as file:
        file.truncate(block.stat().st_size - 50)


def _cut_to_nothing(block: Path) -> None:
    """The whole block is gone."""
    block.write_bytes(b"")


@pytest.mark.parametrize("damage", [_flip, _truncate, _cut_to_nothing])
async def test_a_damaged_store_gives_no_changed_message_and_flows_on(
    three: Three, damage: Callable[[Path], None]
) -> None:
    """What the store lost after it had acknowledged is for the layer above to ask for again; nothing false arrives."""
    sender, receiver, other = three
    sent = {f"m{number}": f"content-{number}-".encode() + os.urandom(200) for number in range(5)}
    receiver.answers = {message_id: [("retry", 600.0)] * 2 for message_id in sent}
    for message_id, content in sent.items():
        await sender.send(receiver, message_id, content)
    await receiver.got(*sent)
    await receiver.links.stop()
    blocks = await asyncio.to_thread(lambda: sorted(receiver.folder.rglob("*.blk")))
    block = next(one for one in blocks if names.stream(sender.id) in str(one))
    damage(block)
    receiver.received.clear()
    receiver.answers = {}
    await receiver.restart([sender.card, other.card])
    await sender.send(receiver, "after", b"after")
    await other.send(receiver, "beside", b"x")
    await receiver.got("after", "beside")
    known = {**sent, "after": b"after", "beside": b"x"}
    assert all(content == known[message_id] for _, message_id, content in receiver.received)
    # Sent again, as the outbox of a node does whose statement stands in no entry.
    for message_id, content in sent.items():
        await sender.send(receiver, f"again-{message_id}", content)
    await receiver.got(*(f"again-{message_id}" for message_id in sent))


async def test_a_killed_broker_under_writes_loses_nothing_that_it_acknowledged(three: Three) -> None:
    sender, receiver, _ = three
    acknowledged: list[str] = []

    async def flow() -> None:
        for number in range(200):
            await sender.send(receiver, f"m{number}", os.urandom(500))
            acknowledged.append(f"m{number}")

    flowing = asyncio.create_task(flow())
    for goal in (30, 90, 150):
        await eventually(lambda goal=goal: len(acknowledged) > goal, within=60)  # type: ignore[misc]
        os.kill(receiver.links.server_pid or 0, signal.SIGKILL)
    await flowing
    await receiver.got(*acknowledged, within=60)


async def test_the_same_id_with_other_content_is_the_first_one(three: Three) -> None:
    sender, receiver, other = three
    await sender.send(receiver, "same", b"first")
    await sender.send(receiver, "same", b"second")
    await other.send(receiver, "same", b"of another partner")
    await sender.send(receiver, "last")
    await receiver.got("last")
    await eventually(lambda: len(receiver.received) == 3)
    assert {(who, content) for who, name, content in receiver.received if name == "same"} == {
        (sender.id, b"first"),
        (other.id, b"of another partner"),
    }


async def test_after_the_window_an_id_comes_again(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream forgets ids; that a message then has no second effect is the inbox's to see to."""
    monkeypatch.setattr(peer, "_DUPLICATE_WINDOW_S", 0.2)
    sender, receiver = await begin("sender"), await begin("receiver")
    await introduce(sender, receiver)
    await sender.send(receiver, "twice", b"x")
    await receiver.got("twice")
    await asyncio.sleep(1.0)
    await sender.send(receiver, "twice", b"x")
    await eventually(lambda: [name for _, name, _ in receiver.received] == ["twice", "twice"])
