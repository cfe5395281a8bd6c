"""Servers and nodes that die, and what is left of them."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
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
    return pid


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


async def test_stop_ends_the_server_and_may_be_called_twice(three: Three) -> None:
    pid = three[0].links.server_pid
    assert pid is not None
    await three[0].links.stop()
    await three[0].links.stop()
    assert not alive(pid)
    with pytest.raises(Unavailable):
        three[0].links.status()


async def test_a_server_left_behind_is_ended_before_the_next_start(three: Three) -> None:
    organisation, partner, _ = three
    await organisation.links.stop()
    binary = process.find_binary(None)
    config = organisation.folder / "nats-server.conf"
    with subprocess.Popen([binary, "-c", config]) as orphan:
        await eventually(lambda: (organisation.folder / "nats-server.pid").exists())
        url = organisation.links.leaf_url
        await organisation.restart([partner.card])
        assert await asyncio.to_thread(orphan.wait, 5) is not None
        assert organisation.links.leaf_url == url
    await partner.send(organisation, "found")


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
    import asyncio, sys
    from pathlib import Path
    from tallystick.node.links.link import Links
    from tallystick.node.links.settings import LinkSettings

    async def main():
        folder, tls, seed = Path(sys.argv[1]), Path(sys.argv[2]), sys.stdin.readline().strip()
        links = Links(LinkSettings(org_id="alone", data_dir=folder, nkey_seed=seed, ca_file=tls / "ca.pem",
                                   cert_file=tls / "cert.pem", key_file=tls / "key.pem"))
        await links.start()
        print(links.server_pid, flush=True)
        await asyncio.sleep(60)

    asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_killed_node_takes_its_server_with_it(tmp_path: Path) -> None:
    identity = make_identity(tmp_path / "tls", "alone")
    command = [sys.executable, "-c", textwrap.dedent(_NODE), str(tmp_path / "links"), str(tmp_path / "tls")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as node:
        assert node.stdin is not None
        assert node.stdout is not None
        print(identity.settings(tmp_path).nkey_seed, file=node.stdin, flush=True)
        server = int(node.stdout.readline())
        assert alive(server)
        node.kill()
    asyncio.run(eventually(lambda: not alive(server)))
