"""One organisation of `tally bench exchange`: a whole node in a process of its own, told what to do line by line.

Run as ``python -m tallystick.node.bench.member FOLDER ORG [HOST]``. Commands are JSON objects on stdin, answers JSON on
stdout. What the node does is what every node does; only consents are given, and activities done, by this program.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tallystick.core import b64
from tallystick.core.errors import TallystickError, Unavailable
from tallystick.node import collector
from tallystick.node.bench import cpu, filling, tallying
from tallystick.node.bench.load import BUYER, Load
from tallystick.node.bootstrap import Node
from tallystick.node.links.handling import Verdict
from tallystick.node.settings import Settings
from tallystick.node.work.activities import Activities, ActivityCall
from tallystick.tenants import card as cards
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.permissions import Role
from tallystick.tenants.users import User, Users

PASSPHRASE = "only for this measurement"  # noqa: S105 - the keystore goes with the folder that it lies in
RAW = "raw-"  # begins the ids of messages that measure the link alone
_AT_ONCE = 10_000
_SWEEP_S = 5.0
_RAW_IN_FLIGHT = 50


class Member:
    """The node, and what the program around it does."""

    def __init__(self, folder: Path, org: str, host: str = "127.0.0.1") -> None:
        """Make the organisation, or open the one that lies in ``folder``."""
        domain = f"{org}.example"
        url = f"https://{domain}"
        settings = Settings(org_id=org, name=org.title(), domain=domain, host=host, url=url, data_dir=folder)
        new = not folder.exists()
        folder.mkdir(mode=0o700, exist_ok=True)
        activities = Activities(in_all=_AT_ONCE)
        activities.register("measured", _measured, at_once=_AT_ONCE)
        make = Keystore.create if new else Keystore.open
        self.node = Node(settings, make(settings.keystore_path, PASSPHRASE), activities)
        users = Users(self.node.parts.database, org_id=org, session_secret=os.urandom(32))
        self.admin: User = users.create("admin", roles=(Role.ADMINISTRATOR,)) if new else users.all()[0]
        self.load = Load(self.node, self.admin)
        self.hops: list[tuple[str, int, int]] = []  # partner, signed at, applied and durable at (ms)
        self.received = 0  # messages, those included that came again
        self._working: set[asyncio.Task[None]] = set()
        self._consented: set[str] = set()  # so that no sweep asks again what waits for the others only

    async def run(self, commands: asyncio.StreamReader, answer: Callable[[Any], None]) -> None:
        """Do what is asked until the input ends."""
        inbox = self.node._engine.inbox
        self._take_in = inbox.receive
        inbox.receive = self._receive  # type: ignore[method-assign]
        await self.node.start()
        sweeping = asyncio.create_task(self._sweep())
        if self.node.parts.context.org_id == BUYER:
            await self.load.resume()
        answer({"ready": self.node.parts.context.org_id})
        try:
            while line := await commands.readline():
                asked = msgspec.json.decode(line)
                answer(await getattr(self, f"do_{asked.pop('do')}")(**asked))
        finally:
            sweeping.cancel()
            await self.load.stop()
            await self.node.stop()

    async def do_card(self, leaf_url: str | None = None) -> dict[str, Any]:
        """Our card; ``leaf_url`` when partners are to come another way."""
        parts = self.node.parts
        token = cards.build(
            parts.context.keystore,
            org_id=parts.settings.org_id,
            name=parts.settings.name,
            domain=parts.settings.domain,
            endpoint_url=parts.settings.endpoint_url,
            capabilities=parts.settings.capabilities,
            chain_org="0x" + parts.settings.org_id.encode().hex().zfill(64),
            leaf_url=leaf_url or parts.links.leaf_url,
            tls_ca=parts.certificates.newest()[1],
        )
        return {"card": token, "leaf_url": parts.links.leaf_url}

    async def do_meet(self, cards: list[str]) -> dict[str, Any]:
        """Take partners' cards in."""
        for token in cards:
            await self.node.services.put_partner(self.admin, {"card": token})
        return {}

    async def do_linked(self) -> dict[str, Any]:
        """Which links stand, both ways."""
        return {name: one.connected and one.incoming for name, one in self.node.parts.links.status().items()}

    async def do_load(self, **facts: Any) -> dict[str, Any]:
        """Begin executions: so many in flight, or so many a second; none when neither is given."""
        self.load.set(**facts)
        return {}

    async def do_idle(self) -> dict[str, Any]:
        """Executions that have begun and not ended."""
        return {"open": self.load.open}

    async def do_hops(self) -> list[tuple[str, int, int]]:
        """Results that partners signed and that stand here, since this was last asked."""
        hops, self.hops = self.hops, []
        return hops

    async def do_begin(self, definition: dict[str, Any], input: dict[str, Any]) -> dict[str, str]:
        """Propose one execution, to be started when everyone has accepted."""
        return {"execution": await self.load.begin(definition, input)}

    async def do_status(self, execution: str) -> dict[str, Any]:
        """An execution as it stands here."""
        found = await self.node.services.execution(self.admin, execution)
        return {name: found[name] for name in ("status", "size", "root", "dispute")}

    async def do_received(self) -> dict[str, int]:
        """How many messages have come since this process began."""
        return {"messages": self.received}

    async def do_cpu(self) -> dict[str, float]:
        """Seconds of CPU that the node and its nats-server have used."""
        return {"node": time.process_time(), "nats": cpu.seconds(self.node.parts.links.server_pid)}

    async def do_server(self) -> dict[str, Any]:
        """The process id of our nats-server."""
        return {"pid": self.node.parts.links.server_pid}

    async def do_tally(self, since: int, until: int) -> dict[str, Any]:
        """What the record says of a span of time."""
        return await asyncio.to_thread(tallying.completions, self.node.parts.database, since, until)

    async def do_roots(self) -> dict[str, Any]:
        """Every execution's size, root and status."""
        return await asyncio.to_thread(tallying.roots, self.node.parts.database)

    async def do_fill(self, count: int) -> dict[str, Any]:
        """Store copies of one that has ended."""
        await asyncio.to_thread(filling.fill, self.node.parts, count)
        return {}

    async def do_raw(self, partner: str, seconds: float, size: int) -> dict[str, float]:
        """Publish to a partner's stream and wait for its acknowledgements, one at a time and many at once."""
        links, payload, figures = self.node.parts.links, b"x" * size, {}

        async def publish(until: float) -> int:
            done = 0
            while time.monotonic() < until:
                await links.send(partner, f"{RAW}{os.urandom(12).hex()}", payload)
                done += 1
            return done

        for in_flight in (1, _RAW_IN_FLIGHT):
            until = time.monotonic() + seconds / 2
            counts = await asyncio.gather(*(publish(until) for _ in range(in_flight)))
            figures[f"c{in_flight}"] = sum(counts) / (seconds / 2)
        return figures

    async def _receive(self, partner: str, message_id: str, payload: bytes) -> Verdict:
        if message_id.startswith(RAW):
            return "ack"
        verdict = await self._take_in(partner, message_id, payload)
        now = time.time_ns() // 1_000_000
        for line in payload.split(b"\n"):
            self.received += 1
            if b'"type":"statement"' in line:
                said = _said(line)
                if said.kind == "result":
                    self.hops.append((partner, said.iat, now))
            elif b'"start":0,' in line and b'"type":"entries"' in line:
                self._begin(self._consent(msgspec.json.decode(line)["execution"]))
        return verdict

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _consent(self, execution: str) -> None:
        if execution in self._consented:
            return
        self._consented.add(execution)
        try:
            await self.node.services.consent(self.admin, execution, "accepted")
        except Unavailable:
            self._consented.discard(execution)  # the sweep comes by again
        except TallystickError:
            return  # it has our consent, or is not here yet

    async def _sweep(self) -> None:
        """Consent to what was missed, such as what came while something was down."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            found = await self.node.services.executions(self.admin, status="created", limit=200)
            for one in found["items"]:
                await self._consent(one["execution_id"])


class _Brought(msgspec.Struct):
    """A message that brings a statement."""

    token: str


class _Said(msgspec.Struct):
    """What a hop is measured by."""

    kind: str
    iat: int


def _said(message: bytes) -> _Said:
    """Read as cheaply as can be: the node has checked it, and this program's share is counted with the node's."""
    token = msgspec.json.decode(message, type=_Brought).token
    return msgspec.json.decode(b64.decode(token.split(".")[1]), type=_Said)


async def _measured(call: ActivityCall) -> dict[str, Any]:
    """The work itself takes no time: what is measured is what lies between organisations."""
    return {"done": call.attempt}


async def serve(make: Callable[[], Member]) -> None:
    """Run a member on this process's standard streams."""
    reader = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    def answer(value: Any) -> None:
        sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
        sys.stdout.flush()

    member = await asyncio.to_thread(make)
    collector.relax()
    await member.run(reader, answer)


if __name__ == "__main__":
    asyncio.run(serve(lambda: Member(Path(sys.argv[1]), *sys.argv[2:])))
