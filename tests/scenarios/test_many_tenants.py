"""Several organisations in one process: each its own database, keys and users, and one that fails stops no other."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from support.parties import BUYER, CARRIER, SUPPLIER
from support.trio import API, PASSWORD, Member, until

ORGANISATIONS = (BUYER, SUPPLIER, CARRIER)


class Host:
    """One process that serves them all."""

    def __init__(self, folder: Path, process: asyncio.subprocess.Process, log: Path) -> None:
        self.folder = folder
        self.process = process
        self.log = log

    def urls(self) -> dict[str, str]:
        """Where each organisation's node serves, by id."""
        return {org: url for url, org in re.findall(r"^ready (\S+) (\S+)$", self.log.read_text(), re.MULTILINE)}


async def _host(folder: Path, *organisations: str) -> Host:
    log = folder / "host.log"
    words = [word for org in organisations for word in ("--data", str(folder / org))]
    environment = {**os.environ, "TALLYSTICK_PASSPHRASE_FOLDER": str(folder / "passphrases")}
    tally = str(Path(sys.executable).with_name("tally"))
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(tally, "node", *words, env=environment, stdout=file, stderr=file)
    return Host(folder, process, log)


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """Three organisations, made and not running."""
    phrases = tmp_path / "passphrases"
    phrases.mkdir(mode=0o700)
    for org in ORGANISATIONS:
        member = Member(org, tmp_path)
        await member.init()
        (phrases / org).write_text(member.passphrase)
        (phrases / org).chmod(0o600)
    return tmp_path


@pytest.fixture
async def host(folder: Path) -> AsyncIterator[Host]:
    """All three in one process."""
    made = await _host(folder, *ORGANISATIONS)
    try:
        await until(lambda: _serving(made, 3))
        yield made
    finally:
        made.process.terminate()
        assert await made.process.wait() == 0


async def _serving(host: Host, count: int) -> bool | None:
    assert host.process.returncode is None, host.log.read_text()
    return len(host.urls()) == count or None


async def _sign_in(url: str) -> str:
    async with httpx2.AsyncClient(base_url=url + API, trust_env=False) as http:
        answer = await http.post("/sessions", json={"username": "admin", "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


async def test_a_session_of_one_is_nobody_at_another(host: Host) -> None:
    urls = host.urls()
    tokens = {org: await _sign_in(url) for org, url in urls.items()}
    for org, url in urls.items():
        async with httpx2.AsyncClient(base_url=url + API, trust_env=False) as http:
            for other, token in tokens.items():
                answer = await http.get("/me", headers={"authorization": f"Bearer {token}"})
                assert answer.status_code == (200 if other == org else 401)
            assert (await http.get("/organisation/card")).json()["id"] == org


async def test_one_that_cannot_be_opened_stops_no_other(folder: Path) -> None:
    (folder / "passphrases" / SUPPLIER).write_text("not the passphrase")
    host = await _host(folder, *ORGANISATIONS)
    try:
        await until(lambda: _serving(host, 2))
        assert set(host.urls()) == {BUYER, CARRIER}
        assert re.search(rf"tally node: \S*{SUPPLIER}: ", host.log.read_text())
        await _sign_in(host.urls()[BUYER])
    finally:
        host.process.terminate()
        await host.process.wait()
