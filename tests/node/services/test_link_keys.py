"""Keys of one organisation's links over its real database: who may know us by which, and when they are destroyed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlmodel import delete

from support.alone import PASSPHRASE, Alone, Somebody
from support.parties import CARRIER, SUPPLIER
from tallystick.core.errors import Forbidden, Unavailable, WrongState
from tallystick.node.links.settings import LinkSettings
from tallystick.node.record import link_keys
from tallystick.node.services import parting
from tallystick.node.services.organisation import own_card_token
from tallystick.node.settings import NatsSettings
from tallystick.node.work.keeper import Keeper
from tallystick.node.work.link_keeper import LinkKeeper
from tallystick.tenants import card as cards
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.models.record import OutboxRow
from tallystick.tenants.permissions import Permission

DAY = 24 * 3_600_000


class Shown:
    """The links, as far as keys go: what they were given, last of all."""

    def __init__(self) -> None:
        self.given: list[LinkSettings] = []
        self.is_down = False

    async def rekeyed(self, settings: LinkSettings) -> None:
        """As the real ones; down means that nats-server does not answer."""
        if self.is_down:
            raise Unavailable("nats-server does not answer", code="nats_server")
        self.given.append(settings)


class Linking:
    """An organisation with two partners, and the keeper of its keys."""

    def __init__(self, folder: Path, alone: Alone | None = None) -> None:
        self.alone = alone or Alone(folder)
        self.links: Any = Shown()
        self._begin()
        if alone is None:
            for org in (SUPPLIER, CARRIER):
                self.alone.meet(org)

    def _begin(self) -> None:
        parts = self.alone.parts
        self.link_keeper = LinkKeeper(parts.settings, parts.context, parts.database, parts.certificates)

        async def relink() -> None:
            return None

        self.keeper = Keeper(
            parts.database,
            parts.context,
            parts.committer,
            card=lambda: own_card_token(parts),
            relink=relink,
            link_keys=lambda: self.link_keeper.settle(self.links),
        )

    def again(self) -> Linking:
        """The same organisation in the next life of its node: from files and database alone."""
        keystore = Keystore.open(self.alone.keystore.path, PASSPHRASE)
        other = Alone(self.alone.folder, keystore)
        other.now = self.alone.now
        return Linking(self.alone.folder, other)

    async def rotate(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.alone.services.rotate_link(self.alone.who))["link"]
        return found

    def delivered(self, *orgs: str) -> None:
        """What the outbox held for these partners has reached them."""
        with self.alone.database.write() as session:
            for org in orgs:
                session.exec(delete(OutboxRow).where(OutboxRow.partner == org))  # type: ignore[arg-type]

    async def behind(self) -> list[str]:
        found = (await self.alone.services.keys(self.alone.who))["link"]["behind"]
        return list(found)

    def folders(self) -> list[str]:
        return sorted(path.name for path in self.alone.folder.glob("tls*"))


@pytest.fixture
async def linking(tmp_path: Path) -> AsyncIterator[Linking]:
    made = Linking(tmp_path)
    await made.keeper.once()  # everybody has our first card
    made.delivered(SUPPLIER, CARRIER)
    yield made
    await made.alone.close()


async def test_who_has_not_got_the_card_is_shown_the_older_key_as_well(linking: Linking) -> None:
    keystore = linking.alone.keystore
    older = keystore.links[0]
    found = await linking.rotate()
    assert (found["serial"], found["nkey"], found["is_shown"]) == (2, keystore.nkey_public, False)
    assert not await linking.keeper.once()
    [given] = linking.links.given
    assert given.nkey_seed == keystore.nkey_seed
    [former] = given.former
    assert (former.nkey_seed, former.partners) == (older.nkey_seed, {SUPPLIER, CARRIER})
    assert {given.ca_file.parent.name, former.client_cert_file.parent.name} == {"tls", "tls-2"}
    card = cards.verify(own_card_token(linking.alone.parts))
    assert card.nats is not None
    assert (card.nats.nkey, card.nats.tls_ca) == (keystore.nkey_public, given.ca_file.read_text())
    linking.delivered(SUPPLIER)
    assert not await linking.keeper.once()
    assert linking.links.given[-1].former[0].partners == {CARRIER}
    linking.delivered(CARRIER)
    assert await linking.keeper.once()
    assert linking.links.given[-1].former[0].partners == frozenset()
    assert await linking.keeper.once()
    assert len(linking.links.given) == 3, "what has not changed is not taken up again"
    assert await linking.behind() == []


async def test_one_that_comes_with_an_older_card_is_shown_the_older_key(linking: Linking) -> None:
    """Invited before, confirmed after: its server knows us by the card in the invitation."""
    await linking.rotate()
    await linking.keeper.once()
    linking.delivered(SUPPLIER, CARRIER)
    assert await linking.keeper.once()
    linking.alone.meet("newcomer")
    assert await linking.behind() == ["newcomer"]
    assert not await linking.keeper.once()
    assert linking.links.given[-1].former[0].partners == {"newcomer"}
    linking.delivered("newcomer")
    assert await linking.keeper.once()


async def test_one_that_is_suspended_is_waited_for_and_one_that_was_removed_is_not(linking: Linking) -> None:
    partners = linking.alone.parts.partners
    partners.suspend(CARRIER)
    await linking.rotate()
    assert not await linking.keeper.once()
    linking.delivered(SUPPLIER)
    linking.alone.now += link_keys.KEEP_MS + DAY
    assert not await linking.keeper.once()
    assert await linking.behind() == [CARRIER]
    assert len(linking.alone.keystore.links) == 2
    parting.part(linking.alone.database, CARRIER, force=True)
    assert await linking.keeper.once()
    assert len(linking.alone.keystore.links) == 1


async def test_past_keys_are_destroyed_when_nobody_can_know_us_by_them(linking: Linking) -> None:
    await linking.rotate()
    await linking.keeper.once()
    linking.delivered(SUPPLIER, CARRIER)
    linking.alone.now += link_keys.KEEP_MS - DAY
    assert await linking.keeper.once()
    assert len(linking.alone.keystore.links) == 2, "an invitation may still bring somebody"
    assert linking.folders() == ["tls", "tls-2"]
    linking.alone.now += 2 * DAY
    assert await linking.keeper.once()
    assert [one.serial for one in linking.alone.keystore.links] == [2]
    assert linking.folders() == ["tls-2"]
    assert linking.links.given[-1].former == ()
    assert [one.name for one in linking.alone.parts.certificates.validities()] == ["authority", "server", "client"]


@pytest.mark.parametrize("at", ["ordered", "carded", "delivered", "destroyed"])
async def test_the_next_life_goes_on_where_the_last_one_ended(linking: Linking, at: str) -> None:
    await linking.rotate()
    if at != "ordered":
        linking.links.is_down = True
        assert not await linking.keeper.once()
    if at in {"delivered", "destroyed"}:
        linking.delivered(SUPPLIER, CARRIER)
    if at == "destroyed":  # the keystore is written, and the files are still there
        linking.alone.now += link_keys.KEEP_MS + DAY
        linking.alone.keystore.destroy_links({1})
    later = linking.again()
    try:
        shown = linking.alone.keystore.links[0 if at == "ordered" else -1]
        assert later.link_keeper.given.nkey_seed == shown.nkey_seed
        await later.keeper.once()
        later.delivered(SUPPLIER, CARRIER)
        assert await later.keeper.once()
        last = (later.links.given or [later.link_keeper.given])[-1]
        assert last.nkey_seed == linking.alone.keystore.nkey_seed
        assert not any(one.partners for one in last.former)
        assert later.folders() == (["tls-2"] if at == "destroyed" else ["tls", "tls-2"])
    finally:
        await later.alone.close()


async def test_servers_that_do_not_take_it_up_are_asked_again(linking: Linking) -> None:
    await linking.rotate()
    linking.links.is_down = True
    assert not await linking.keeper.once()
    assert linking.links.given == []
    linking.links.is_down = False
    assert not await linking.keeper.once()
    assert linking.links.given[-1].nkey_seed == linking.alone.keystore.nkey_seed


async def test_two_rotations_in_a_row(linking: Linking) -> None:
    """One that missed the card in between is shown every key that it may know."""
    seeds = [linking.alone.keystore.nkey_seed]
    for _ in range(2):
        await linking.rotate()
        await linking.keeper.once()
        linking.delivered(SUPPLIER)
        seeds.append(linking.alone.keystore.nkey_seed)
    await linking.keeper.once()
    given = linking.links.given[-1]
    assert given.nkey_seed == seeds[2]
    assert [(one.nkey_seed, one.partners) for one in given.former] == [(seeds[0], {CARRIER}), (seeds[1], {CARRIER})]


async def test_only_an_administrator_replaces_them(linking: Linking) -> None:
    reader: Any = Somebody(Permission.READ)
    with pytest.raises(Forbidden):
        await linking.alone.services.rotate_link(reader)
    assert len(linking.alone.keystore.links) == 1
    assert (await linking.alone.services.keys(reader))["link"]["serial"] == 1


async def test_without_a_link_there_is_nothing_to_replace(linking: Linking) -> None:
    parts = linking.alone.parts
    parts.settings = msgspec.structs.replace(parts.settings, nats=NatsSettings(enabled=False))
    with pytest.raises(WrongState) as refused:
        await linking.rotate()
    assert refused.value.code == "no_nats_link"
    assert len(linking.alone.keystore.links) == 1
    assert (await linking.alone.services.keys(linking.alone.who))["link"] is None
