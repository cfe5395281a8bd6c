"""README, "Meet a partner", typed as it stands: a fourth organisation joins the three that `make up` left running."""

import asyncio
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from tallystick.node.client import Client, until
from tallystick.node.demo.console import Console
from tallystick.node.demo.resident import State, down, load, up
from tallystick.node.demo.stack import ROOT

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("usual_ports")]
SECTION = re.compile(r"^## Meet a partner\n.*?^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
async def three(tmp_path: Path) -> AsyncIterator[State]:
    """`make up`, in a folder of the test's."""
    folder = tmp_path / "up"
    try:
        assert await up(Console(io.StringIO()), folder) == 0
        state = load(folder)
        assert state is not None
        yield state
    finally:
        assert await down(Console(io.StringIO()), folder) == 0


def commands(folder: Path, state: State) -> str:
    """The README's, with this test's folders and, where the usual port was taken, the chain's real one."""
    found = SECTION.search((ROOT / "README.md").read_text())
    assert found
    text = found.group(1)
    for written, meant in ((".demo/acme", f"{folder}/acme"), (".demo/up", f"{folder}/up")):
        assert written in text
        text = text.replace(f"$PWD/{written}", meant).replace(written, meant)
    return text.replace("http://127.0.0.1:8545", state.chain)


def type_in(text: str) -> subprocess.CompletedProcess[str]:
    """As a reader does, in the checkout; whatever fails ends it."""
    return subprocess.run(
        ["sh", "-e", "-c", text], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )  # fmt: skip


async def test_a_fourth_organisation_by_the_readme_alone(three: State, tmp_path: Path) -> None:
    text = commands(tmp_path, three)
    begun = time.monotonic()
    try:
        done = await asyncio.to_thread(type_in, text)
        took = time.monotonic() - begun
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        assert len(re.findall(r"is a partner; messages flow", done.stdout)) == 6
        await everybody_has_it(three, tmp_path)
    finally:
        os.kill(int((tmp_path / "acme" / "pid").read_text()), signal.SIGTERM)
    # Asserted nowhere: how long it takes depends on what else runs.
    sys.stdout.write(f"\na fourth organisation met three and ended a collaboration with them in {took:.0f} s\n")


async def everybody_has_it(three: State, folder: Path) -> None:
    """All three old hands hold the newcomer's collaboration, completed."""
    for one in three.residents:
        if one.url:
            async with Client(one.url) as admin:
                await admin.sign_in("admin", (folder / "up" / "run" / one.name / "admin-password").read_text().strip())
                await until(f"{one.name} to hold it", partial(_completed, admin))
                partner = await admin.get("/partners/acme")
                assert (partner["status"], partner["connected"], partner["incoming"]) == ("active", True, True)


async def _completed(admin: Client) -> bool | None:
    found = await admin.items("/collaborations", definition_id="welcome")
    return [each["status"] for each in found] == ["completed"] or None
