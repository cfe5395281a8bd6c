"""`make up`: the organisations stay, the links sign in, the first task waits; `make down` ends them."""

import asyncio
import io
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tallystick.node.cli.evidence import fetch
from tallystick.node.client import Client, Refused
from tallystick.node.demo.console import Console
from tallystick.node.demo.resident import FOR_THE_READER, down, load, up
from tallystick.node.demo.stack import ROOT

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("usual_ports")]
LINK = re.compile(r"(http://\S+)/sign-in#link=(\S+)")


@pytest.fixture
async def screen(tmp_path: Path) -> AsyncIterator[io.StringIO]:
    """What `up` printed; stopped at the end."""
    stream = io.StringIO()
    folder = tmp_path / "up"
    try:
        assert await up(Console(stream), folder) == 0
        yield stream
    finally:
        assert await down(Console(io.StringIO()), folder) == 0


def asked_on_chain(words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """The command that `up` printed, as a reader runs it in the checkout."""
    tally, bundle, trust, chain = words
    command = [tally, "verify", bundle, "--trust", trust, "--on-chain", chain]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


async def test_up_leaves_a_task_and_links_that_work_once(screen: io.StringIO, tmp_path: Path) -> None:
    links = LINK.findall(screen.getvalue())
    assert len(links) == 3
    url, secret = links[1]
    async with Client(url) as reader:
        session = await reader.post("/sessions/link", {"link": secret})
        assert session["token_type"] == "Bearer"
        with pytest.raises(Refused, match="link"):
            await reader.post("/sessions/link", {"link": secret})

    before = load(tmp_path / "up")
    again = io.StringIO()
    await up(Console(again), tmp_path / "up")
    assert load(tmp_path / "up") == before
    assert "Already running." in again.getvalue()
    assert set(LINK.findall(again.getvalue())).isdisjoint(links)

    password = (tmp_path / "up" / "run" / "nordic" / "admin-password").read_text()
    async with Client(url) as admin:
        await admin.sign_in("admin", password)
        assert [task["step"] for task in await admin.items("/tasks")] == [FOR_THE_READER]
        done = await admin.items("/executions", status="completed")
    command = re.search(r"(\S+tally) verify (\S+) --trust (\S+) --on-chain (\S+)", screen.getvalue())
    assert command
    found = await asyncio.to_thread(asked_on_chain, command.groups())
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.count("the contract itself: holds leaf") == 6, found.stdout

    size = await fetch(done[0]["execution_id"], url, "admin", password, tmp_path / "evidence.json")
    assert (tmp_path / "evidence.json").stat().st_size == size > 10_000


async def test_down_where_nothing_runs_says_so(tmp_path: Path) -> None:
    stream = io.StringIO()
    assert await down(Console(stream), tmp_path / "up") == 0
    assert stream.getvalue() == "Nothing was running.\n"
