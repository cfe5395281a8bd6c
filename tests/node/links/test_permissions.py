"""What a partner, or a stranger, must not be able to do, tried without the manners of a real leafnode."""

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

import nats.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from node.links.hostile import RawLeaf, raw_leaf
from node.links.organisations import Begin, Identity, Organisation, eventually, introduce, make_identity
from tallystick.node.links import names
from tallystick.node.links.connection import connected
from tallystick.node.links.settings import Quota
from tallystick.tenants import nkey

Three = list[Organisation]


@pytest.fixture
async def hostile(three: Three) -> AsyncIterator[RawLeaf]:
    """The first organisation's key and certificate, in wrong hands, at the second's server."""
    attacker, victim, _ = three
    await attacker.links.stop()
    async with as_attacker(attacker, victim) as leaf:
        assert not [line for line in leaf.heard if line.startswith("-ERR")]
        yield leaf


@pytest.fixture
async def inside(three: Three) -> AsyncIterator[Client]:
    """The victim's own user in the account that the attacker's leafnode is in."""
    attacker, victim, _ = three
    seed = own_seed(victim, names.in_account(attacker.id))
    async with connected(victim.links.client_url, nkey.seed_text(seed), name="spy") as client:
        yield client


def as_attacker(attacker: Organisation, victim: Organisation) -> AbstractAsyncContextManager[RawLeaf]:
    """Connect with the attacker's own key and certificate."""
    identity = attacker.identity
    return raw_leaf(victim.links.leaf_url, server=victim.identity, shown=identity, seed=identity.seed)


def own_seed(organisation: Organisation, account: str) -> bytes:
    return organisation.links._own_keys[account]


async def test_what_is_published_on_the_inbox_subject_arrives(three: Three, hostile: RawLeaf) -> None:
    attacker, victim, _ = three
    subject = names.inbox_subject(victim.id, attacker.id)
    head = "NATS/1.0\r\nNats-Msg-Id: by-hand\r\n\r\n"
    await hostile.say(f"HMSG {subject} {len(head)} {len(head) + 2}", head + "{}")
    await hostile.listen()
    assert victim.received == [(attacker.id, "by-hand", b"{}")]


async def test_a_message_without_an_id_is_dropped_and_the_next_one_arrives(three: Three, hostile: RawLeaf) -> None:
    attacker, victim, _ = three
    subject = names.inbox_subject(victim.id, attacker.id)
    await hostile.publish(subject)
    head = "NATS/1.0\r\nNats-Msg-Id: with\r\n\r\n"
    await hostile.say(f"HMSG {subject} {len(head)} {len(head) + 2}", head + "{}")
    await hostile.listen()
    assert [message_id for _, message_id, _ in victim.received] == ["with"]


CLOSED = [
    "tally.inbox.nordic-bearings.blueline_3",
    "tally.inbox.nordic-bearings",
    "tally.reply.huaxia.x",
    "_INBOX.x",
    "$JS.API.STREAM.INFO.INBOX_huaxia",
    "$JS.API.STREAM.PURGE.INBOX_huaxia",
    "$JS.API.STREAM.DELETE.INBOX_huaxia",
    "$JS.nordic-bearings.API.STREAM.DELETE.INBOX_huaxia",
    "$JS.API.CONSUMER.DELETE.INBOX_huaxia.node",
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.USER.INFO",
    "$SYS.REQ.ACCOUNT.PING.CONNZ",
]


async def test_every_other_subject_is_closed(three: Three, inside: Client) -> None:
    attacker, victim, _ = three
    await attacker.links.stop()
    overheard: list[str] = []

    async def note(message: Msg) -> None:
        overheard.append(message.subject)

    await inside.subscribe(">", cb=note)
    await inside.flush()
    for subject in CLOSED:
        async with as_attacker(attacker, victim) as leaf:
            await leaf.publish(subject, "", reply="tally.reply.huaxia.answer")
            heard = await leaf.listen()
        assert any("Permissions Violation for Publish" in line for line in heard), subject
        assert not [line for line in heard if line.startswith(("LMSG", "HMSG"))]
        assert subject not in overheard
    await inside.jetstream().stream_info(names.stream(attacker.id))
    assert not victim.received


async def test_every_other_subscription_is_closed(three: Three, inside: Client) -> None:
    attacker, victim, _ = three
    await attacker.links.stop()
    assert await hears(attacker, victim, inside, "tally.reply.huaxia.>")
    for subject in ("tally.inbox.nordic-bearings.huaxia", "tally.inbox.>", "tally.reply.blueline_3.>", "$JS.>", ">"):
        assert not await hears(attacker, victim, inside, subject), subject


async def hears(attacker: Organisation, victim: Organisation, inside: Client, subject: str) -> bool:
    """Say whether a leafnode that subscribes ``subject`` gets what is published on it."""
    async with as_attacker(attacker, victim) as leaf:
        await leaf.say(f"LS+ {subject}", "PING")
        await leaf.listen(until="PONG")
        await inside.publish("any.thing" if subject == ">" else subject.replace(">", "x"), b"said inside")
        await inside.flush()
        return any("said inside" in line for line in await leaf.listen())


async def test_an_answer_sent_to_the_interface_of_the_store_hurts_nobody_else(three: Three, hostile: RawLeaf) -> None:
    """The store's own acknowledgement goes where the sender says: at worst the sender loses what it sent itself."""
    attacker, victim, other = three
    victim.answers["others"] = [("retry", 0.2)]
    await other.send(victim, "others")
    subject = names.inbox_subject(victim.id, attacker.id)
    for api in ("STREAM.DELETE.INBOX_{}", "STREAM.PURGE.INBOX_{}", "CONSUMER.DELETE.INBOX_{}.node"):
        for target in (attacker.id, other.id):
            await hostile.publish(subject, reply=f"$JS.API.{api.format(target)}")
    head = "NATS/1.0\r\nNats-Msg-Id: last\r\n\r\n"
    await hostile.say(f"HMSG {subject} {len(head)} {len(head) + 2}", head + "{}")
    await hostile.listen()
    await victim.got("others", "last")
    await other.send(victim, "more")
    await victim.got("more")


async def test_what_a_partner_settles_is_its_own_only(three: Three, hostile: RawLeaf) -> None:
    """The server lets a leafnode acknowledge, whatever it is denied; accounts keep that to the partner's own stream."""
    _, victim, other = three
    victim.answers["others"] = [("retry", 1.0)]
    await other.send(victim, "others")
    await victim.got("others")
    for stream in ("INBOX_blueline_3", "INBOX_huaxia"):
        await hostile.publish(f"$JS.ACK.{stream}.node.1.1.1.1700000000000000000.0", "+TERM")
    await eventually(lambda: [message_id for _, message_id, _ in victim.received] == ["others", "others"])


@pytest.mark.parametrize("account", ["IN_huaxia", "OUT_huaxia", "SYS"])
async def test_a_key_of_the_node_is_refused_on_a_leafnode(three: Three, account: str) -> None:
    attacker, victim, _ = three
    seed = own_seed(victim, account)
    async with raw_leaf(victim.links.leaf_url, server=victim.identity, shown=attacker.identity, seed=seed) as leaf:
        assert any("Authorization Violation" in line for line in leaf.heard)


async def test_an_unknown_key_is_refused_on_a_leafnode(three: Three) -> None:
    attacker, victim, _ = three
    seed = os.urandom(32)
    async with raw_leaf(victim.links.leaf_url, server=victim.identity, shown=attacker.identity, seed=seed) as leaf:
        assert any("Authorization Violation" in line for line in leaf.heard)


async def test_the_key_of_a_partner_is_refused_on_the_client_port(three: Three) -> None:
    attacker, victim, _ = three
    await refused(victim, nkeys_seed_str=nkey.seed_text(attacker.identity.seed))


async def test_nobody_comes_in_without_a_key(three: Three) -> None:
    await refused(three[1])


async def refused(victim: Organisation, *, nkeys_seed_str: str | None = None) -> None:
    async def quiet(error: Exception) -> None:
        """The refusal is what is looked for."""

    client = Client()
    try:
        with pytest.raises(nats.errors.Error, match="Authorization Violation"):
            await client.connect(
                victim.links.client_url, allow_reconnect=False, error_cb=quiet, nkeys_seed_str=nkeys_seed_str
            )
    finally:
        await client.close()


async def test_a_certificate_of_another_authority_is_refused(three: Three, tmp_path: Path) -> None:
    attacker, victim, _ = three
    stranger = make_identity(tmp_path / "stranger", attacker.id)
    assert await cut_off(victim, shown=stranger, seed=attacker.identity.seed)


async def test_no_certificate_is_refused(three: Three) -> None:
    attacker, victim, _ = three
    assert await cut_off(victim, shown=None, seed=attacker.identity.seed)


async def cut_off(victim: Organisation, *, shown: Identity | None, seed: bytes) -> bool:
    """Say whether the server ends the connection before its first word."""
    try:
        async with raw_leaf(victim.links.leaf_url, server=victim.identity, shown=shown, seed=seed):
            return False
    except (OSError, EOFError):
        return True


async def test_a_server_with_another_authority_gets_nothing_from_us(three: Three, tmp_path: Path) -> None:
    """The partner's address in the hands of somebody else: our side refuses its certificate."""
    sender, receiver, _ = three
    await receiver.links.stop()
    receiver.identity = make_identity(tmp_path / "thief", receiver.id)
    await receiver.restart([sender.card])
    with pytest.raises(Exception, match="not linked"):
        await sender.links.send(receiver.id, "secret", b"{}", timeout=3.0)
    assert not receiver.received


async def test_ids_that_one_partner_has_used_stop_nobody_elses_messages(three: Three, hostile: RawLeaf) -> None:
    attacker, victim, other = three
    head = "NATS/1.0\r\nNats-Msg-Id: foreseen\r\n\r\n"
    subject = names.inbox_subject(victim.id, attacker.id)
    await hostile.say(f"HMSG {subject} {len(head)} {len(head) + 2}", head + "{}")
    await victim.got("foreseen")
    await other.send(victim, "foreseen", b"of another")
    await eventually(lambda: (other.id, "foreseen", b"of another") in victim.received)


async def test_two_megabytes_are_refused_and_hold_up_nobody(three: Three, hostile: RawLeaf) -> None:
    attacker, victim, other = three
    subject = names.inbox_subject(victim.id, attacker.id)
    size = 2 * 1024 * 1024
    head = "NATS/1.0\r\nNats-Msg-Id: large\r\n\r\n"
    with suppress(OSError):  # the server may end the connection before it has read everything
        await hostile.say(f"HMSG {subject} {len(head)} {len(head) + size}", head + "x" * size)
    await hostile.listen(1.0)
    await other.send(victim, "fine")
    await victim.got("fine")
    assert [message_id for _, message_id, _ in victim.received] == ["fine"]


async def test_a_flood_fills_its_own_quota_only(begin: Begin) -> None:
    """Twenty times as much as its quota, without waiting for any answer; others are served meanwhile and after it."""
    quota = Quota(max_messages=50)
    attacker, victim, other = [await begin(name, quota=quota) for name in ("flood", "victim", "other")]
    await introduce(attacker, victim, other)
    victim.answers = {f"f{number}": [("retry", 600.0)] for number in range(1000)}
    await attacker.links.stop()
    subject = names.inbox_subject(victim.id, attacker.id)
    async with as_attacker(attacker, victim) as leaf:
        for number in range(1000):
            head = f"NATS/1.0\r\nNats-Msg-Id: f{number}\r\n\r\n"
            await leaf.say(f"HMSG {subject} {len(head)} {len(head) + 2}", head + "{}")
            if number % 100 == 0:
                await other.send(victim, f"beside{number}")
        await leaf.listen(1.0)
    seed = own_seed(victim, names.in_account(attacker.id))
    async with connected(victim.links.client_url, nkey.seed_text(seed), name="spy") as inside:
        kept = (await inside.jetstream().stream_info(names.stream(attacker.id))).state.messages
    assert kept <= quota.max_messages
    await other.send(victim, "after")
    await victim.got("after", *(f"beside{number}" for number in range(0, 1000, 100)))
