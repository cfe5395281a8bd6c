"""The nkey and the authority of the links are replaced over real nats-servers, and the older ones open nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from node.links.hostile import raw_leaf
from node.links.organisations import Identity, Organisation, eventually, make_identity
from tallystick.core.errors import Invalid, Unavailable
from tallystick.node.links.settings import Former, LinkSettings, Partner
from tallystick.tenants import nkey

Three = list[Organisation]


@pytest.fixture
def newer(three: Three, tmp_path: Path) -> Identity:
    """Another nkey and another authority, of the same organisation."""
    return make_identity(tmp_path / 'newer a!b@c$d "数据"', three[0].id)


def moving(one: Organisation, newer: Identity, *behind: Organisation) -> LinkSettings:
    """What ``one`` shows while those ``behind`` may know it by its older key."""
    older = one.identity.settings(one.folder)
    former = Former(
        nkey_seed=older.nkey_seed,
        client_cert_file=older.client_cert_file,
        client_key_file=older.client_key_file,
        partners=frozenset(each.id for each in behind),
    )
    return msgspec.structs.replace(newer.settings(one.folder), former=(former,) if behind else ())


def card(one: Organisation, newer: Identity) -> Partner:
    """What partners get as our newer card."""
    return newer.card(one.links.leaf_url)


async def test_a_link_goes_over_to_another_key_and_nobody_elses_notices(three: Three, newer: Identity) -> None:
    one, two, other = three
    for sender, receiver in ((one, two), (two, one), (one, other), (two, other), (other, two)):
        await sender.send(receiver, f"{sender.id}>{receiver.id}")
    await eventually(lambda: all(link.connected for each in three for link in each.links.status().values()))
    since = two.links.status()[other.id].since, other.links.status()[two.id].since
    pids = [each.links.server_pid for each in three]
    await one.links.rekeyed(moving(one, newer, two, other))
    await one.send(two, "by-the-older-key")
    await two.links.set_partners([card(one, newer), other.card])
    await one.send(two, "by-the-newer-key")
    await one.links.rekeyed(moving(one, newer, other))
    await one.send(two, "by-the-newer-key-alone")
    await one.send(other, "it-has-not-got-the-card")
    assert (two.links.status()[other.id].since, other.links.status()[two.id].since) == since, "they never parted"
    await two.restart([card(one, newer), other.card])  # who connects anew is shown the newer certificate
    await two.send(one, "anew")
    await other.links.set_partners([card(one, newer), two.card])
    await one.links.rekeyed(moving(one, newer))
    await one.send(other, "now-it-has")
    await one.got("anew")
    assert [each.links.server_pid for each in (one, other)] == [pids[0], pids[2]], "no server was started again"


async def test_one_that_was_away_meanwhile_is_reached_by_the_older_key(three: Three, newer: Identity) -> None:
    """It can connect to us again as soon as our card has come that way."""
    one, two, other = three
    await other.links.stop()
    await one.links.rekeyed(moving(one, newer, two, other))
    await two.links.set_partners([card(one, newer), other.card])
    await one.links.rekeyed(moving(one, newer, other))
    await other.restart([one.card, two.card])
    await one.send(other, "card")
    await other.got("card")
    with pytest.raises(Unavailable):
        await other.links.send(one.id, "early", b"{}", timeout=1.0)  # our server shows what it cannot know yet
    await other.links.set_partners([card(one, newer), two.card])
    await other.send(one, "late")
    await one.send(other, "by-the-newer-key")
    await one.got("late")
    await other.got("by-the-newer-key")


async def test_the_older_key_and_certificate_open_nothing_where_the_newer_card_is(
    three: Three, newer: Identity
) -> None:
    one, two, other = three
    older = one.identity
    assert await admitted(two, shown=older, seed=older.seed) is None, "the thief comes in, until the card does"
    await one.links.rekeyed(moving(one, newer, two, other))
    await two.links.set_partners([card(one, newer), other.card])
    await one.links.rekeyed(moving(one, newer, other))
    assert await admitted(two, shown=older, seed=older.seed) == "certificate"
    assert await admitted(two, shown=older, seed=newer.seed) == "certificate"
    assert await admitted(two, shown=newer, seed=older.seed) == "key"
    assert await admitted(two, shown=other.identity, seed=older.seed) == "key"
    await one.links.stop()
    assert await admitted(two, shown=newer, seed=newer.seed) is None


async def test_a_leafnode_that_stands_by_the_older_key_is_cut_off(three: Three, newer: Identity) -> None:
    one, two, other = three
    older = one.identity
    await one.links.stop()
    async with raw_leaf(two.links.leaf_url, server=two.identity, shown=older, seed=older.seed) as thief:
        assert "PONG" in thief.heard
        await two.links.set_partners([card(one, newer), other.card])
        async with asyncio.timeout(15.0):
            await thief.until_ended()


async def test_a_server_with_the_older_certificate_gets_nothing(three: Three, newer: Identity) -> None:
    """Our address in the hands of somebody who has all that we had before."""
    one, two, other = three
    await one.links.stop()
    await two.links.set_partners([card(one, newer), other.card])
    await one.restart([two.card, other.card])  # with the older ones
    log = two.folder / "nats-server.log"
    await eventually(lambda: "signed by unknown authority" in log.read_text(errors="replace"))
    with pytest.raises(Unavailable, match="not linked"):
        await two.links.send(one.id, "secret", b"{}", timeout=3.0)
    await other.send(one, "of-one-who-does-not-know-yet")
    await one.got("of-one-who-does-not-know-yet")
    assert [sender for sender, _, _ in one.received] == [other.id]


async def test_a_seed_that_is_none_changes_nothing(three: Three, newer: Identity) -> None:
    one, two, _ = three
    wrong = msgspec.structs.replace(moving(one, newer), nkey_seed=nkey.public_text(newer.seed))
    with pytest.raises(Invalid):
        await one.links.rekeyed(wrong)
    await one.links.renewed()
    await one.send(two, "as-before")


async def admitted(at: Organisation, *, shown: Identity, seed: bytes) -> str | None:
    """What keeps a leafnode with that certificate and key out; None when nothing does."""
    try:
        async with raw_leaf(at.links.leaf_url, server=at.identity, shown=shown, seed=seed) as leaf:
            if any("Authorization Violation" in line for line in leaf.heard):
                return "key"
            assert "PONG" in leaf.heard
            return None
    except (OSError, EOFError):
        return "certificate"
