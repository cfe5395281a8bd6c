"""A cluster of three real nats-servers, as somebody else operates it for an organisation."""

import json
import os
import signal
from pathlib import Path

from support.ports import promised
from support.processes import Processes, Server, tool

SIZE = 3


class Cluster:
    """Its servers listen on the loopback; ``folder`` is where `tally nats config` writes."""

    def __init__(self, processes: Processes, folder: Path, org: str) -> None:
        self._processes = processes
        self._folder = folder
        self._org = org
        self.placed = folder / "tallystick"
        self._ports = [promised() for _ in range(3 * SIZE)]
        self.servers: dict[int, Server] = {}

    @property
    def url(self) -> str:
        """The client listeners."""
        return ",".join(f"tls://127.0.0.1:{port}" for port in self._ports[:SIZE])

    @property
    def leaf_url(self) -> str:
        """Where partners begin; they learn of the other servers."""
        return f"tls://127.0.0.1:{self._leaf(0)}"

    def start(self) -> None:
        """Start all of them and wait until they serve."""
        for number in range(SIZE):
            self._launch(number)

    def load(self) -> None:
        """Have all take up what was written to ``placed``."""
        for number, server in self.servers.items():
            self._configure(number)
            server.process.send_signal(signal.SIGHUP)
            server.wait_for("Reloaded server configuration")

    def kill(self, number: int) -> None:
        """End a server as ``kill -9`` does."""
        self.servers.pop(number).kill()

    def revive(self, number: int) -> None:
        """Start it again over its store."""
        self._launch(number)

    def _launch(self, number: int) -> None:
        self._configure(number)
        path = self._folder / f"server{number}.conf"
        server = self._processes.start(f"nats {number}", [tool("nats-server"), "-c", path], env=dict(os.environ))
        server.wait_for("Server is ready")
        self.servers[number] = server

    def _configure(self, number: int) -> None:
        port, routes = self._ports[number], [f"nats://127.0.0.1:{one}" for one in self._ports[SIZE : 2 * SIZE]]
        own = {
            "server_name": f"{self._org}-{number}",
            "listen": f"127.0.0.1:{port}",
            "max_payload": 1_048_576,
            "jetstream": {
                "domain": self._org,
                "store_dir": str(self._folder / f"store{number}"),
                "sync_interval": "always",
            },
            "cluster": {"name": self._org, "listen": f"127.0.0.1:{self._ports[SIZE + number]}", "routes": routes},
        }
        text = "".join(f"{name}: {json.dumps(value)}\n" for name, value in own.items())
        ready = self.placed.exists()
        if ready:
            pair = {"cert_file": str(self.placed / "server.pem"), "key_file": str(self.placed / "server.key")}
            text += f"tls: {json.dumps(pair)}\n"
        accounts = f'include "{self.placed.name}/tallystick-accounts.conf"\n' if ready else ""
        text += f'accounts {{\n{accounts}SYS {{ users: [{{user: "operator", password: "of {self._org}"}}] }}\n}}\n'
        text += "system_account: SYS\n"
        if ready:
            include = f'include "{self.placed.name}/tallystick-leafnodes.conf"'
            text += f"leafnodes {{\nlisten: 127.0.0.1:{self._leaf(number)}\n{include}\n}}\n"
        (self._folder / f"server{number}.conf").write_text(text)

    def _leaf(self, number: int) -> int:
        return self._ports[2 * SIZE + number]
