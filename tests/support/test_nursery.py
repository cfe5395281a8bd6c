"""A process of the nursery is `tally` with its own words, environment and output, and ends as a process does."""

import os
import signal
from pathlib import Path

import pytest

from support.nursery import born
from support.parties import BUYER, SUPPLIER
from support.trio import Member

pytestmark = pytest.mark.usefixtures("cheap_derivation")


async def test_it_says_and_returns_what_tally_does(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert await born("--version", env=os.environ, output=path).wait() == 0
    assert await born("nonsense", env=os.environ, output=path).wait() == 2
    said = path.read_text()
    assert said.startswith("tally ")
    assert "no command 'nonsense'" in said


async def test_it_has_the_environment_that_it_is_given_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    member, path = Member(BUYER, tmp_path), tmp_path / "log"
    await member.init()
    monkeypatch.setenv("TALLYSTICK_PASSPHRASE", member.passphrase)
    child = born("node", "--data", str(member.data), env={"PATH": os.environ["PATH"]}, output=path)
    assert await child.wait() == 1
    assert "set TALLYSTICK_PASSPHRASE_FILE or TALLYSTICK_PASSPHRASE" in path.read_text()


async def test_a_signal_ends_one_and_no_other(tmp_path: Path) -> None:
    killed, other = Member(BUYER, tmp_path), Member(SUPPLIER, tmp_path)
    try:
        for one in (killed, other):
            await one.init()
            await one.start()
        await killed.kill()
        assert killed.process is not None
        assert killed.process.returncode == -signal.SIGKILL
        assert (await other.get("/organisation/card"))["id"] == SUPPLIER
        await other.stop()
        assert other.process is not None
        assert other.process.returncode == 0
    finally:
        await other.stop()
