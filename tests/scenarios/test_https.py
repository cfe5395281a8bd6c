"""Collaborations over the partner API: one partner without NATS, and transports switched in the middle."""

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.fronts import FrontedTrio
from support.parties import BUYER, CARRIER, DEFINITION, NAMES, SUPPLIER
from support.trio import Trio, _tally, each_effect_once, until, work

pytestmark = pytest.mark.timeout(180)


@asynccontextmanager
async def fronted(folder: Path, without_nats: Collection[str] = ()) -> AsyncIterator[FrontedTrio]:
    trio = FrontedTrio(folder, frozenset(without_nats))
    try:
        await trio.start()
        yield trio
    finally:
        await trio.stop()


@pytest.mark.parametrize("without", [[SUPPLIER], [BUYER], list(NAMES)])
async def test_partners_without_nats_take_part_over_https_alone(tmp_path: Path, without: list[str]) -> None:
    async with fronted(tmp_path, without) as trio:
        for org in without:
            member = trio.members[org]
            assert (await member.get("/organisation/card"))["nats"] is None
            with pytest.raises(AssertionError, match="runs no nats-server"):
                member.nats_pid()
        collaboration = await trio.begin(DEFINITION)
        seen = await trio.play(collaboration)
        assert len({(one["size"], one["root"], one["status"]) for one in seen.values()}) == 1
        assert seen[BUYER]["status"] == "completed"
        await each_effect_once(trio, collaboration)
        for org in without:
            others = [other for other in NAMES if other != org]
            assert all(trio.fronts[other].taken for other in others)
        data = (await trio.members[SUPPLIER].get(f"/executions/{collaboration}/data"))["items"]
        file = next(item["value"]["$file"] for item in data if item["task"] == "order.1")
        content = await trio.members[SUPPLIER].http.get(f"/documents/{file['sha256']}/content")
        assert content.content.startswith(b"<Order>")
        assert CARRIER in trio.members


async def alike(trio: Trio, collaboration: str) -> None:
    """Played to its end, the same at all three, with every effect once."""
    seen = await trio.play(collaboration)
    assert len({(one["size"], one["root"], one["status"]) for one in seen.values()}) == 1
    assert seen[BUYER]["status"] == "completed"
    assert all(one["dispute"] is None for one in seen.values())
    await each_effect_once(trio, collaboration)


async def test_a_revoked_key_does_not_cut_the_way_over_https(tmp_path: Path) -> None:
    """Nobody knows the supplier's new key yet and its old one is destroyed: its card comes under the root key."""
    async with fronted(tmp_path, list(NAMES)) as trio:
        supplier = trio.members[SUPPLIER]
        collaboration = await trio.begin(DEFINITION)
        old = (await supplier.get("/organisation/keys"))["items"][0]["kid"]
        await supplier.post(f"/organisation/keys/{old}/revocation", {"reason": "compromised"})

        async def destroyed() -> bool | None:
            items = (await supplier.get("/organisation/keys"))["items"]
            return any(one["kid"] == old and not one["is_held"] for one in items) or None

        await until(destroyed)
        await alike(trio, collaboration)
        await alike(trio, await trio.begin(DEFINITION))


async def test_switching_to_and_fro_while_three_collaborations_run(tmp_path: Path) -> None:
    async with fronted(tmp_path) as trio:
        pairs = list(itertools.permutations(NAMES, 2))
        for org, partner in pairs:
            (found,) = [one for one in (await trio.members[org].get("/partners"))["items"] if one["id"] == partner]
            assert (found["transport"], found["transport_chosen"]) == ("nats", False)

        async def switch_for_ever() -> None:
            for number in itertools.count():
                org, partner = pairs[number % len(pairs)]
                await trio.switch(org, partner, "https" if number // len(pairs) % 2 == 0 else "nats")
                await asyncio.sleep(0.1)

        switching = asyncio.create_task(switch_for_ever())
        begun = await asyncio.gather(*(trio.begin(DEFINITION) for _ in range(3)))
        for collaboration in begun:
            await alike(trio, collaboration)
        assert not switching.done()
        switching.cancel()
        assert all(front.taken for front in trio.fronts.values())


async def test_what_one_way_cannot_bring_goes_the_other_way(tmp_path: Path) -> None:
    """The supplier's nats-server stands still with messages on their way; over HTTPS all goes on, and back again."""
    async with fronted(tmp_path) as trio:
        collaboration = await trio.begin(DEFINITION)
        stopped = trio.members[SUPPLIER].nats_pid()
        os.kill(stopped, signal.SIGSTOP)
        try:
            await work(trio.members[BUYER])

            async def in_vain() -> bool | None:
                waits = (await trio.members[BUYER].get(f"/executions/{collaboration}/waiting"))["items"]
                held = [one for one in waits if one["what"].startswith("delivery")]
                return any(not one["tried"].startswith("0 ") for one in held) or None

            await until(in_vain)
            for org, partner in ((BUYER, SUPPLIER), (CARRIER, SUPPLIER), (SUPPLIER, BUYER), (SUPPLIER, CARRIER)):
                await trio.switch(org, partner, "https")
            await alike(trio, collaboration)
        finally:
            os.kill(stopped, signal.SIGCONT)
        again = await trio.begin(DEFINITION)
        for org, partner in ((BUYER, SUPPLIER), (SUPPLIER, BUYER)):
            await trio.switch(org, partner, "nats")
        await alike(trio, again)


async def test_a_certificate_that_nobody_vouches_for_keeps_messages_back(tmp_path: Path) -> None:
    async with fronted(tmp_path) as trio:
        buyer = trio.members[BUYER]
        answer = await buyer.http.put(f"/partners/{SUPPLIER}/transport", json={"transport": "https"})
        assert answer.status_code == 200  # the system's authorities do not know the supplier's
        proposed = await buyer.post("/collaborations", {"definition": DEFINITION})
        path = f"/executions/{proposed['collaboration_id']}/waiting"

        async def told() -> bool | None:
            waits = (await buyer.get(path))["items"]
            return any("certificate" in str(item["tried"]).lower() for item in waits) or None

        await until(told)
        await trio.switch(BUYER, SUPPLIER, "https")

        async def came() -> bool | None:
            known = await trio.members[SUPPLIER].http.get(f"/collaborations/{proposed['collaboration_id']}")
            return known.status_code == 200 or None

        await until(came)


async def run(*words: str) -> str:
    """What a command says."""
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()


async def test_only_an_administrator_chooses_the_way(tmp_path: Path) -> None:
    async with fronted(tmp_path, [CARRIER]) as trio:
        buyer = trio.members[BUYER]
        body = {"username": "olga", "password": "correct horse battery", "display_name": "Olga", "roles": ["operator"]}
        await buyer.http.post("/users", json=body)
        session = await buyer.post("/sessions", {"username": "olga", "password": "correct horse battery"})
        path, wanted = f"/partners/{SUPPLIER}/transport", {"transport": "https"}
        headers = {"authorization": f"Bearer {session['access_token']}"}
        assert (await buyer.http.put(path, json=wanted, headers=headers)).status_code == 403
        assert (await buyer.http.put(path, json=wanted, headers={"authorization": ""})).status_code == 401
        assert (await buyer.http.put("/partners/nobody/transport", json=wanted)).status_code == 404
        assert (await buyer.http.put(path, json={"transport": "pigeon"})).status_code == 422
        ca = trio.members[SUPPLIER].data / "tls" / "ca.pem"
        words = ("partner", "transport", SUPPLIER, "https", "--ca", str(ca), "--node", buyer.url)
        password = str(buyer.data.with_suffix(".password"))
        said = await run(*_tally(), *words, "--user", "admin", "--password-file", password)
        assert "go over https" in said
        assert (await buyer.get(f"/partners/{SUPPLIER}"))["pinned_ca"]
        bad = await buyer.http.put(path, json={"transport": "https", "ca_pem": "x"})
        assert (bad.status_code, bad.json()["pointer"]) == (422, "/ca_pem")
        none = await buyer.http.put(f"/partners/{CARRIER}/transport", json={"transport": "nats"})
        assert (none.status_code, none.json()["code"]) == (422, "no_nats_link")
