"""Servers and nodes that die, and what is left of them."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from node.links.organisations import Organisation, eventually, make_identity
from tallystick.core.errors import Unavailable
from tallystick.node.links import process
from tallystick.node.links.config import Files

Three = list[Organisation]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def kill_server(organisation: Organisation, number: signal.Signals = signal.SIGKILL) -> int:
    pid = organisation.links.server_pid
    assert pid is not None
    os.kill(pid, number)
    while number == signal.SIGSTOP and any(_state(thread) != "T" for thread in Path(f"/proc/{pid}/task").iterdir()):
        time.sleep(0.001)  # its threads stop one after the other, and any of them may still answer
    return pid


def _state(thread: Path) -> str:
    return (thread / "stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("side", [0, 1], ids=["sender", "receiver"])
async def test_a_killed_server_comes_back_and_all_flows(three: Three, side: int) -> None:
    sender, receiver, _ = three
    await sender.send(receiver, "before")
    killed = kill_server(three[side])
    sent = [f"m{number}" for number in range(20)]
    for message_id in sent:
        await sender.send(receiver, message_id)
    await receiver.send(sender, "back")
    await asyncio.gather(receiver.got("before", *sent), sender.got("back"))
    assert three[side].links.server_pid not in {None, killed}
    in_order = list(dict.fromkeys(message_id for _, message_id, _ in receiver.received))
    assert in_order == ["before", *sent]


async def test_what_was_acknowledged_survives_the_death_of_the_receivers_server(three: Three) -> None:
    sender, receiver, _ = three
    receiver.answers = {"kept": [("retry", 600.0)]}
    await sender.send(receiver, "kept")
    kill_server(receiver)
    await eventually(lambda: [message_id for _, message_id, _ in receiver.received].count("kept") == 2)


async def test_a_stopped_server_makes_its_partner_unavailable_and_then_flows(three: Three) -> None:
    sender, receiver, other = three
    await sender.send(receiver, "before")
    kill_server(receiver, signal.SIGSTOP)
    with pytest.raises(Unavailable):
        await sender.links.send(receiver.id, "during", b"{}", timeout=1.0)
    await sender.send(other, "unaffected")
    kill_server(receiver, signal.SIGCONT)
    await sender.send(receiver, "during")
    await sender.send(receiver, "after")
    await receiver.got("before", "during", "after")
    assert len(receiver.received) == 3


async def test_without_a_partner_no_server_runs_and_the_first_one_brings_it(tmp_path: Path) -> None:
    alone = Organisation(make_identity(tmp_path / "tls", "alone"), tmp_path / "links")
    await alone.start()
    try:
        url = alone.links.leaf_url
        assert (alone.links.server_pid, alone.links.status()) == (None, {})
        await alone.links.set_partners([make_identity(tmp_path / "other", "absent").card("tls://127.0.0.1:1")])
        assert alone.links.server_pid is not None
        assert alone.links.leaf_url == url
    finally:
        await alone.links.stop()


async def test_stop_ends_the_server_and_may_be_called_twice(three: Three) -> None:
    pid = three[0].links.server_pid
    assert pid is not None
    await three[0].links.stop()
    await three[0].links.stop()
    assert not alive(pid)
    assert three[0].links.status() == {}


async def test_a_server_left_behind_is_ended_before_the_next_start(three: Three) -> None:
    organisation, partner, _ = three
    await organisation.links.stop()
    files = Files(folder=organisation.folder)
    orphan = await process.spawn(process.find_binary(None), files)
    try:
        url = organisation.links.leaf_url
        await organisation.restart([partner.card])
        await orphan.wait()
        assert organisation.links.leaf_url == url
        await partner.send(organisation, "found")
    finally:
        await process.end(orphan)


def test_another_program_with_the_remembered_id_is_left_alone(tmp_path: Path) -> None:
    files = Files(folder=tmp_path)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "nats-server"]) as other:
        files.pid.write_text(str(other.pid))
        assert not process.end_orphan(files)
        assert other.poll() is None
        other.kill()


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "1", "99999999999"])
def test_a_damaged_pid_file_ends_nothing(tmp_path: Path, text: str) -> None:
    files = Files(folder=tmp_path)
    files.pid.write_text(text)
    assert not process.end_orphan(files)


_NODE = """
    import asyncio, pathlib, sys
    from node.links.organisations import Organisation, make_identity

    async def main():
        folder = pathlib.Path(sys.argv[1])
        organisation = Organisation(make_identity(folder / "tls", "alone"), folder / "links")
        await organisation.links.set_partners([make_identity(folder / "other", "absent").card("tls://127.0.0.1:1")])
        await organisation.start()
        print(organisation.links.server_pid, flush=True)
        await asyncio.sleep(60)

    asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_killed_node_takes_its_server_with_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(_NODE), str(tmp_path)]
    path = {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | path) as node:
        assert node.stdout is not None
        server = int(node.stdout.readline())
        assert alive(server)
        node.kill()
    asyncio.run(eventually(lambda: not alive(server)))
