"""The nkey and the authority of the links are replaced while nodes work, and what was stolen opens nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from node.links.hostile import raw_leaf
from node.links.organisations import Identity
from scenarios.test_root_away import AwayTrio, sign
from support.parties import BUYER, CARRIER, DEFINITION, SUPPLIER
from support.trio import Member, Trio, each_effect_once, until
from tallystick.tenants.card import verify
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.tls import TlsFiles

pytestmark = pytest.mark.timeout(240)
KEYS = "/organisation/keys"


class Thief:
    """Somebody who has read a member's machine: its nkey, its certificates and the keys of both."""

    def __init__(self, member: Member, folder: Path) -> None:
        shutil.copytree(member.data / "tls", folder)
        self._seed = Keystore.open(member.data / "keystore.json", member.passphrase).links[-1].nats
        self._shown = Identity(member.org, self._seed, tls_in(folder))

    async def is_let_in(self, by: Member) -> bool:
        """Whether a partner's server takes the thief's leafnode for the member's."""
        card = verify((await by.get("/organisation/card"))["card"])
        assert card.nats is not None
        server = Identity(by.org, b"", tls_in(by.data / "tls"))
        try:
            async with raw_leaf(card.nats.leaf_url, server=server, shown=self._shown, seed=self._seed) as leaf:
                return "PONG" in leaf.heard
        except (OSError, EOFError):
            return False


def tls_in(folder: Path) -> TlsFiles:
    return TlsFiles(*(folder / name for name in ("ca.pem", "server.pem", "server.key", "client.pem", "client.key")))


async def keys_of(member: Member, *words: str) -> str:
    """What `tally keys` prints for a member's administrator."""
    command = (str(Path(sys.executable).with_name("tally")), "keys", *words)
    rest = ("--node", member.url, "--password-file", str(member.data.with_suffix(".password")))
    environment = {**os.environ, "TALLYSTICK_PASSPHRASE": member.passphrase}
    process = await asyncio.create_subprocess_exec(*command, *rest, env=environment, stdout=-1, stderr=-1)
    printed, wrong = await process.communicate()
    assert process.returncode == 0, wrong.decode()
    return printed.decode()


async def link(member: Member) -> dict[str, Any]:
    found: dict[str, Any] = (await member.get(KEYS))["link"]
    return found


async def behind(member: Member, *orgs: str) -> bool | None:
    found = await link(member)
    return (found["is_shown"] and found["behind"] == sorted(orgs)) or None


async def linked(one: Member, *others: Member) -> bool | None:
    found = [await one.get(f"/partners/{other.org}") for other in others]
    return all(each["connected"] and each["incoming"] for each in found) or None


async def is_out(thief: Thief, by: Member) -> bool | None:
    """As soon as the new card has been taken up there."""
    return not await thief.is_let_in(by) or None


async def test_a_stolen_link_key_is_replaced_while_one_partner_is_down_and_the_node_is_killed(
    trio: Trio, tmp_path: Path
) -> None:
    buyer, supplier, carrier = (trio.members[org] for org in (BUYER, SUPPLIER, CARRIER))
    execution = await trio.begin(DEFINITION)
    for one in (buyer, supplier, carrier):
        await until(partial(linked, one, *(other for other in trio.members.values() if other is not one)))
    thief = Thief(supplier, tmp_path / "stolen 被盗")
    assert await thief.is_let_in(buyer), "while nobody knows of the theft"
    older = await link(supplier)
    await carrier.stop()
    said = await keys_of(supplier, "rotate", "--link")
    newer = await link(supplier)
    assert newer["nkey"] in said
    assert (older["serial"], newer["serial"]) == (1, 2)
    await supplier.kill()
    await supplier.start()
    await until(partial(behind, supplier, CARRIER))
    assert f"(1) have not got the card with it, and their servers let the older key in: {CARRIER}" in await keys_of(
        supplier, "list"
    )
    await until(partial(is_out, thief, buyer))
    await until(partial(linked, supplier, buyer))
    await until(partial(linked, buyer, supplier))
    await carrier.start()
    await until(partial(behind, supplier))
    await until(partial(is_out, thief, carrier))
    for one in (buyer, supplier, carrier):
        await until(partial(linked, one, *(other for other in trio.members.values() if other is not one)))
    seen = await trio.play(execution)
    assert {one["status"] for one in seen.values()} == {"completed"}
    await each_effect_once(trio, execution)
    held = Keystore.open(supplier.data / "keystore.json", supplier.passphrase)
    assert [one.nkey_public for one in held.links] == [older["nkey"], newer["nkey"]], "for invitations that are out"
    await supplier.stop()
    await supplier.start()
    for one in (buyer, carrier):
        await until(partial(linked, one, supplier))
        assert not await thief.is_let_in(one)


async def test_nobody_elses_link_drops_and_only_administrators_replace_it(trio: Trio) -> None:
    buyer, supplier, carrier = (trio.members[org] for org in (BUYER, SUPPLIER, CARRIER))
    for one in (buyer, carrier, supplier):
        await until(partial(linked, one, *(other for other in trio.members.values() if other is not one)))
    since = (await buyer.get(f"/partners/{CARRIER}"))["since"], (await carrier.get(f"/partners/{BUYER}"))["since"]
    body = {"username": "olga", "display_name": "Olga", "password": "correct horse battery", "roles": ["operator"]}
    await supplier.post("/users", body)
    signed_in = await supplier.post("/sessions", {"username": "olga", "password": body["password"]})
    bearer = {"authorization": f"Bearer {signed_in['access_token']}"}
    refused = await supplier.http.post(f"{KEYS}/link", json={}, headers=bearer)
    assert refused.status_code == 403
    assert (await link(supplier))["serial"] == 1
    for serial in (2, 3):
        assert (await supplier.post(f"{KEYS}/link"))["link"]["serial"] == serial
    await until(partial(behind, supplier))
    for one in (buyer, carrier):
        await until(partial(linked, one, supplier))
        await until(partial(linked, supplier, one))
    again = (await buyer.get(f"/partners/{CARRIER}"))["since"], (await carrier.get(f"/partners/{BUYER}"))["since"]
    assert again == since


async def test_while_the_root_key_is_away_the_links_go_on_under_the_older_key(tmp_path: Path) -> None:
    trio = AwayTrio(tmp_path)
    try:
        await trio.start()
        buyer, supplier = trio.members[BUYER], trio.members[SUPPLIER]
        execution = await trio.begin(DEFINITION)
        await until(partial(linked, buyer, supplier))
        thief = Thief(supplier, tmp_path / "stolen 被盗")
        said = await keys_of(supplier, "rotate", "--link")
        assert "NOT YET IN EFFECT" in said
        assert (await supplier.get(KEYS))["waiting"] == {"card": True, "statements": 0, "more": False}
        await supplier.kill()
        await supplier.start()
        found = await link(supplier)
        assert (found["serial"], found["is_shown"]) == (2, False)
        await until(partial(linked, buyer, supplier))
        await until(partial(linked, supplier, buyer))
        assert await thief.is_let_in(buyer)
        assert "1 taken, 0 refused" in await sign(supplier)
        await until(partial(behind, supplier))
        await until(partial(is_out, thief, buyer))
        seen = await trio.play(execution)
        assert {one["status"] for one in seen.values()} == {"completed"}
        await until(partial(linked, buyer, supplier))
    finally:
        await trio.stop()
