"""The whole demo, as `make demo` runs it: in a process of its own, over real servers."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from tallystick.node.client import until

TALLY = Path(sys.executable).with_name("tally")
SEED_THAT_REFUSES_THE_ORDER = "3"
pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("usual_ports")]
needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="lists processes through /proc (Linux)")


async def _start(*arguments: str | Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(TALLY, *arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )


async def _run(*arguments: str | Path) -> tuple[int | None, str]:
    process = await _start(*arguments)
    said, _ = await process.communicate()
    return process.returncode, said.decode()


def _running(folder: Path) -> list[str]:
    """Processes whose command line names `folder`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended meanwhile
        if f"{folder}/run" in command:
            found.append(command)
    return found


async def test_a_refused_order_ends_in_verified_evidence_and_every_forgery_fails(tmp_path: Path) -> None:
    status, said = await _run("demo", "--folder", tmp_path, "--seed", SEED_THAT_REFUSES_THE_ORDER)
    assert status == 0, said
    assert "REJECTS: order approval" in said
    assert "all evidence together: PASS" in said
    assert said.count(" FAIL ") == 5
    assert not _running(tmp_path)
    evidence = tmp_path / "evidence"
    status, said = await _run("verify", evidence / "together.json", "--trust", evidence / "trust.json")
    assert status == 0, said


@needs_proc
async def test_ctrl_c_stops_everything(tmp_path: Path) -> None:
    process = await _start("demo", "--folder", tmp_path)

    async def under_way() -> bool | None:
        return len(_running(tmp_path)) >= 5 or None

    await until("the servers' start", under_way, within=60)
    process.send_signal(signal.SIGINT)
    said, _ = await process.communicate()
    assert process.returncode == 130
    assert "interrupted; everything is stopped" in said.decode()
    assert not _running(tmp_path)


async def test_a_folder_of_documents_that_is_not_there_is_named(tmp_path: Path) -> None:
    status, said = await _run("demo", "--folder", tmp_path, "--docs", tmp_path / "nowhere")
    assert (status, "nowhere is not a folder" in said) == (1, True)
