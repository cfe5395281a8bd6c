"""Delivery between three organisations, each with a nats-server of its own."""

import asyncio
import os
import signal
from pathlib import Path

import msgspec
import pytest

from node.links.organisations import Begin, Organisation, eventually, introduce, make_identity
from tallystick.core.errors import Invalid, NotFound, Unavailable
from tallystick.node.links.settings import MAX_MESSAGE_BYTES, Quota

Three = list[Organisation]


async def test_everybody_reaches_everybody(three: Three) -> None:
    for sender in three:
        for receiver in three:
            if sender is not receiver:
                await sender.send(receiver, f"{sender.id}>{receiver.id}", b"a")
    for receiver in three:
        others = [sender.id for sender in three if sender is not receiver]
        await receiver.got(*(f"{other}>{receiver.id}" for other in others))
        assert sorted(receiver.received) == sorted((other, f"{other}>{receiver.id}", b"a") for other in others)


async def test_messages_of_one_partner_come_in_order(three: Three) -> None:
    sender, receiver, _ = three
    wanted = [f"m{number}" for number in range(100)]
    for message_id in wanted:
        await sender.send(receiver, message_id)
    await receiver.got(*wanted)
    assert [message_id for _, message_id, _ in receiver.received] == wanted


async def test_the_same_id_is_stored_once(three: Three) -> None:
    sender, receiver, _ = three
    for _ in range(3):
        await sender.send(receiver, "once", b"first")
    await sender.send(receiver, "last")
    await receiver.got("last")
    assert [message_id for _, message_id, _ in receiver.received] == ["once", "last"]


@pytest.mark.parametrize("verdict", ["nak", ("retry", 0.1)])
async def test_a_message_comes_again_until_it_is_settled(three: Three, verdict: object) -> None:
    sender, receiver, _ = three
    receiver.answers["again"] = [verdict, verdict, "ack"]  # type: ignore[list-item]
    await sender.send(receiver, "again")
    await sender.send(receiver, "next")
    await eventually(lambda: len(receiver.received) == 4)
    await asyncio.sleep(0.5)
    assert sorted(message_id for _, message_id, _ in receiver.received) == ["again", "again", "again", "next"]


async def test_a_terminated_message_does_not_come_again(three: Three) -> None:
    sender, receiver, _ = three
    receiver.answers["bad"] = ["term"]
    await sender.send(receiver, "bad")
    await sender.send(receiver, "good")
    await receiver.got("good")
    await receiver.restart([sender.card])
    await sender.send(receiver, "later")
    await receiver.got("later")
    assert [message_id for _, message_id, _ in receiver.received] == ["bad", "good", "later"]


async def test_a_partner_that_is_down_is_unavailable_and_then_flows(three: Three) -> None:
    sender, receiver, other = three
    await sender.send(receiver, "before")
    await receiver.links.stop()
    await eventually(lambda: not sender.links.status()[receiver.id].connected)
    with pytest.raises(Unavailable):
        await sender.links.send(receiver.id, "down", b"{}", timeout=1.0)
    assert sender.links.status()[receiver.id].last_error
    await sender.send(other, "unaffected")

    leaf_url = receiver.links.leaf_url
    await receiver.restart([sender.card, other.card])
    assert receiver.links.leaf_url == leaf_url
    await sender.send(receiver, "down")
    await receiver.got("before", "down")
    assert sender.links.status()[receiver.id].last_error is None


async def test_what_was_not_settled_comes_again_at_once_to_the_next_life_of_the_node(three: Three) -> None:
    sender, receiver, _ = three
    receiver.answers["kept"] = [("retry", 600.0)]
    await sender.send(receiver, "kept")
    await receiver.got("kept")
    receiver.received.clear()
    await receiver.restart([sender.card])
    await receiver.got("kept")


async def test_an_unknown_partner_is_not_found(three: Three) -> None:
    with pytest.raises(NotFound):
        await three[0].links.send("nobody", "m", b"{}")


@pytest.mark.parametrize("message_id", ["", "a b", "a\r\nX: y", "é", "x" * 129])
async def test_a_message_id_that_could_break_a_header_is_invalid(three: Three, message_id: str) -> None:
    with pytest.raises(Invalid):
        await three[0].links.send(three[1].id, message_id, b"{}")


async def test_the_largest_message_passes_and_a_larger_one_is_refused(three: Three) -> None:
    sender, receiver, _ = three
    await sender.send(receiver, "largest", bytes(MAX_MESSAGE_BYTES))
    with pytest.raises(Invalid, match="bytes"):
        await sender.links.send(receiver.id, "larger", bytes(MAX_MESSAGE_BYTES + 1))
    await receiver.got("largest")


async def test_a_full_inbox_refuses_and_holds_up_nobody_else(begin: Begin) -> None:
    flooder, receiver, other = [
        await begin(name, quota=Quota(max_messages=5)) for name in ("flooder", "quota", "other")
    ]
    await introduce(flooder, receiver, other)
    receiver.answers = {f"m{number}": [("retry", 600.0)] for number in range(5)}
    for number in range(5):
        await flooder.send(receiver, f"m{number}")
    with pytest.raises(Unavailable, match="refused") as refused:
        await flooder.links.send(receiver.id, "m5", b"{}")
    assert refused.value.code == "inbox_full"
    await other.send(receiver, "fine")
    await receiver.got("fine")


async def test_a_message_larger_than_the_partner_takes_is_invalid(begin: Begin) -> None:
    sender, receiver = await begin("sender"), await begin("small", quota=Quota(max_message_bytes=1000))
    await introduce(sender, receiver)
    await sender.send(receiver, "small")
    with pytest.raises(Invalid, match="size"):
        await sender.links.send(receiver.id, "large", bytes(2000))


async def test_a_fourth_partner_joins_while_the_others_flow(three: Three, begin: Begin) -> None:
    sender, receiver, _ = three
    await sender.send(receiver, "before")
    pids = [organisation.links.server_pid for organisation in three]
    fourth = await begin("fourth")
    flowing = asyncio.create_task(_flow(sender, receiver))
    await introduce(*three, fourth)
    await fourth.send(sender, "hello")
    await sender.send(fourth, "welcome")
    await asyncio.gather(sender.got("hello"), fourth.got("welcome"))
    await flowing
    assert [organisation.links.server_pid for organisation in three] == pids


async def _flow(sender: Organisation, receiver: Organisation) -> None:
    """Send without any retry: the link must not break."""
    for number in range(60):
        await sender.links.send(receiver.id, f"flow{number}", b"{}", timeout=5.0)
        await asyncio.sleep(0.02)


async def test_a_removed_partner_is_cut_off(three: Three) -> None:
    sender, receiver, other = three
    await sender.send(receiver, "before")
    await receiver.got("before")
    await eventually(lambda: sender.links.status()[receiver.id].connected)
    await receiver.links.set_partners([other.card])
    await eventually(lambda: not sender.links.status()[receiver.id].connected)
    with pytest.raises(Unavailable):
        await sender.links.send(receiver.id, "after", b"{}", timeout=1.0)
    with pytest.raises(NotFound):
        await receiver.links.send(sender.id, "after", b"{}")
    await other.send(receiver, "still")
    await receiver.got("still")


async def test_a_partner_that_comes_back_with_another_key_and_authority_flows_again(
    three: Three, tmp_path: Path
) -> None:
    sender, receiver, other = three
    await sender.send(receiver, "before")
    await sender.links.stop()
    sender.identity = make_identity(tmp_path / "new", sender.id)
    await sender.restart([receiver.card, other.card])
    with pytest.raises(Unavailable):
        await sender.links.send(receiver.id, "stranger", b"{}", timeout=1.0)
    await receiver.links.set_partners([sender.card, other.card])
    await sender.send(receiver, "after")
    await receiver.send(sender, "back")
    await asyncio.gather(receiver.got("after"), sender.got("back"))
    assert "stranger" not in [message_id for _, message_id, _ in receiver.received]


@pytest.mark.parametrize(
    "pem", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
async def test_a_partner_whose_card_would_stop_the_server_is_refused(three: Three, pem: str) -> None:
    one, two, other = three
    bad = msgspec.structs.replace(make_identity(one.folder.parent / "bad", "bad").card("tls://127.0.0.1:9"), ca_pem=pem)
    with pytest.raises(Invalid) as refused:
        await one.links.set_partners([two.card, other.card, bad])
    assert str(one.folder) not in str(refused.value)
    await one.send(two, "still")
    await two.got("still")
    assert one.links.status().keys() == {two.id, other.id}
    os.kill(one.links.server_pid or 0, signal.SIGKILL)
    await one.send(two, "again")


async def test_status_follows_both_directions(three: Three) -> None:
    one, two, _ = three
    await eventually(lambda: one.links.status()[two.id].connected and one.links.status()[two.id].incoming)
    up_since = one.links.status()[two.id].since
    await two.links.stop()
    await eventually(lambda: not one.links.status()[two.id].connected and not one.links.status()[two.id].incoming)
    assert one.links.status()[two.id].since > up_since


async def test_a_suspended_partner_is_kept_out_and_nothing_is_lost_when_it_resumes(three: Three) -> None:
    sender, receiver, other = three
    receiver.answers["before"] = [("retry", 600.0)]  # in the stream, and not settled, when the suspension comes
    await sender.send(receiver, "before")
    await receiver.got("before")
    receiver.received.clear()

    suspended = msgspec.structs.replace(sender.card, is_suspended=True)
    await receiver.links.set_partners([suspended, other.card])
    await eventually(lambda: not sender.links.status()[receiver.id].connected)
    with pytest.raises(Unavailable):
        await sender.links.send(receiver.id, "during", b"{}", timeout=1.0)
    with pytest.raises(Unavailable) as refused:
        await receiver.links.send(sender.id, "during", b"{}")
    assert refused.value.code == "partner_suspended"
    assert receiver.received == []
    assert sender.id not in receiver.links.status()

    await receiver.links.set_partners([sender.card, other.card])
    await sender.send(receiver, "during")
    await receiver.send(sender, "back")
    await asyncio.gather(receiver.got("before", "during"), sender.got("back"))


async def test_a_suspended_partner_is_still_kept_out_by_the_next_life_of_the_node(three: Three) -> None:
    sender, receiver, other = three
    receiver.answers["before"] = [("retry", 600.0)]
    await sender.send(receiver, "before")
    await receiver.got("before")
    receiver.received.clear()
    await receiver.restart([msgspec.structs.replace(sender.card, is_suspended=True), other.card])
    with pytest.raises(Unavailable):
        await sender.links.send(receiver.id, "during", b"{}", timeout=2.0)
    await receiver.links.set_partners([sender.card, other.card])
    await sender.send(receiver, "during")
    await receiver.got("before", "during")


async def test_suspending_the_only_partner_leaves_a_server_that_runs(begin: Begin) -> None:
    sender, receiver = await begin("only-a"), await begin("only-b")
    await introduce(sender, receiver)
    await sender.send(receiver, "before")
    await receiver.links.set_partners([msgspec.structs.replace(sender.card, is_suspended=True)])
    pid = receiver.links.server_pid
    await receiver.links.set_partners([sender.card])
    await sender.send(receiver, "after")
    await receiver.got("before", "after")
    assert receiver.links.server_pid == pid is not None


async def test_what_a_removed_partner_had_sent_is_gone_when_its_id_comes_back(three: Three) -> None:
    sender, receiver, other = three
    receiver.answers["old"] = [("retry", 600.0)]
    await sender.send(receiver, "old")
    await receiver.got("old")
    receiver.received.clear()
    await receiver.links.set_partners([other.card])
    await receiver.links.set_partners([sender.card, other.card])
    await sender.send(receiver, "new")
    await receiver.got("new")
    assert [message_id for _, message_id, _ in receiver.received] == ["new"]


async def test_no_other_leafnode_is_touched_when_partners_come_and_go(three: Three, begin: Begin) -> None:
    """The same connections, by the server's own numbers, and messages in flight all the while, without any retry."""
    sender, receiver, _ = three
    await sender.send(receiver, "ready")
    await receiver.send(sender, "ready")
    fourth = await begin("fourth")
    everyone = [one.card for one in three if one is not sender]
    before = await leafnodes(sender, receiver.id)
    assert len(before) == 2
    flowing = [asyncio.create_task(_flow(sender, receiver)), asyncio.create_task(_flow(receiver, sender))]
    await fourth.links.set_partners([sender.card])
    await sender.links.set_partners([*everyone, fourth.card])
    await fourth.send(sender, "hello")
    await sender.links.set_partners([*everyone, msgspec.structs.replace(fourth.card, is_suspended=True)])
    await sender.links.set_partners([*everyone, fourth.card])
    await fourth.send(sender, "again")
    await sender.links.set_partners(everyone)
    await asyncio.gather(*flowing)
    assert await leafnodes(sender, receiver.id) == before


async def leafnodes(organisation: Organisation, partner: str) -> set[tuple[str, int, str]]:
    """The leafnode connections with one partner: account, connection id and start, as nats-server tells them."""
    system = organisation.links._system
    assert system is not None
    assert system._client is not None
    reply = await system._client.request("$SYS.REQ.SERVER.PING.LEAFZ", b"", timeout=5)
    leafs = msgspec.json.decode(reply.data)["data"]["leafs"]
    return {(one["account"], one["id"], one.get("name", "")) for one in leafs if one["account"].endswith(f"_{partner}")}
