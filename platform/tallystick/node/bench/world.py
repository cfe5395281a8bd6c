"""What is measured: one organisation's engine, as a node runs it, and a workflow of five activities."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from tallystick.core import agreement as agreements
from tallystick.core import b64
from tallystick.core.agreement import Agreement, Limits
from tallystick.core.definition.compile import audiences, compile_definition
from tallystick.node.record import beginning, store
from tallystick.node.record.chunks import Chunks
from tallystick.node.record.context import Context
from tallystick.node.record.group import Note
from tallystick.node.record.unit import Unit
from tallystick.node.work.activities import Activities, ActivityCall
from tallystick.node.work.engine import Engine
from tallystick.tenants.database import Database
from tallystick.tenants.keystore import Keystore

ORG = "bench"
STEPS = 5
ENTRIES = STEPS + 2  # a proposal and a start before them
PASSPHRASE = "only for this measurement"  # noqa: S105 - the keystore goes with the folder that it lies in


def definition() -> dict[str, Any]:
    """Five steps of one activity type, one after the other."""
    names = [f"step_{number}" for number in range(1, STEPS + 1)]
    following = [[name] for name in names[1:]] + [[]]
    return {
        "id": "five_steps",
        "name": "Five steps",
        "version": "1",
        "participants": [{"org_id": ORG, "role": "all", "can_terminate": True}],
        "steps": [
            {
                "id": name,
                "name": name,
                "step_type": "activity",
                "assigned_org": ORG,
                "activity": {"activity_type": "measured", "input": {"number": number}},
                **({"next_steps": after} if after else {}),
            }
            for number, (name, after) in enumerate(zip(names, following, strict=True), 1)
        ],
    }


class Tenant:
    """One organisation at work in a folder of its own."""

    def __init__(self, folder: Path, url: str | None = None, keystore: Keystore | None = None) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self.folder = folder
        self.database = Database(url or folder / "tenant.db")
        self.database.create_schema()
        keystore = keystore or Keystore.create(folder / "keystore.json", PASSPHRASE)
        activities = Activities()
        activities.register("measured", self.measured, at_once=1_000)
        self.holds = False
        self.context = Context(org_id=ORG, keystore=keystore, chunks=Chunks(folder / "chunks"), activities=activities)
        self.engine = Engine(self.database, self.context, activities)
        self.engine.committer.listen(self._heard)
        self.document = _agreement(keystore)
        self.agreement: Agreement = agreements.read(self.document)
        self.hash = agreements.agreement_hash(self.document)
        self._ends: dict[str, asyncio.Future[None]] = {}
        self._runner: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Run the loop, and keep the agreement."""
        await self.engine.committer.run(lambda unit: store.put_agreement(unit, self.document))
        self._runner = asyncio.create_task(self.engine.runner.run())

    async def stop(self) -> None:
        """End the loop and close the database."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        await self.engine.committer.close()
        self.database.close()

    async def measured(self, call: ActivityCall) -> dict[str, Any]:
        """The activity: it answers at once, so that what is measured is the engine; or never, to leave work open."""
        if self.holds:
            await asyncio.Event().wait()
        return {"number": call.input["number"]}

    async def execute(self) -> None:
        """One execution from proposal to end, every entry durable and signed."""
        await self.ended(await self.engine.committer.run(self.begin))

    async def ended(self, execution: str) -> None:
        """Return when that execution has ended, which nobody must have waited for before."""
        if execution not in self._ends:
            self._ends[execution] = asyncio.get_running_loop().create_future()
        await self._ends[execution]
        del self._ends[execution]

    def begin(self, unit: Unit) -> str:
        """Propose and start; there is nobody else to ask."""
        loaded, nonce = beginning.new(unit, self.context, self.hash, self.agreement)
        beginning.propose(unit, self.context, loaded, nonce)
        beginning.start(unit, self.context, loaded, {"number": 0})
        return loaded.row.id

    def begin_waiting(self, unit: Unit) -> str:
        """Propose only: an execution that stays open while statements about it come in."""
        loaded, nonce = beginning.new(unit, self.context, self.hash, self.agreement)
        beginning.propose(unit, self.context, loaded, nonce)
        return loaded.row.id

    def _heard(self, notes: list[Note]) -> None:
        for note in notes:
            if note.kind == "closed":
                end = self._ends.get(note.facts)
                if end is None:
                    end = self._ends[note.facts] = asyncio.get_running_loop().create_future()
                if not end.done():
                    end.set_result(None)


@asynccontextmanager
async def tenant(url: str | None = None, folder: Path | None = None) -> AsyncIterator[Tenant]:
    """A tenant at work, whose folder goes with it."""
    with tempfile.TemporaryDirectory(prefix="tally-bench-", dir=folder) as name:
        made = Tenant(Path(name) / "tenant", url)
        await made.start()
        try:
            yield made
        finally:
            await made.stop()


def _agreement(keystore: Keystore) -> dict[str, Any]:
    compiled = compile_definition(definition())
    key = keystore.signing_key
    return {
        "v": agreements.VERSION,
        "kind": "agreement",
        "salt": b64.encode(os.urandom(16)),
        "created_at": 0,
        "initiator": ORG,
        "coordinator": ORG,
        "versions": agreements.VERSIONS,
        "definition": compiled,
        "visibility": audiences(compiled),
        "participants": [
            {
                "org_id": ORG,
                "name": "Bench",
                "role": "all",
                "chain_org": "0x" + "0" * 64,
                "log_key": "0x" + "0" * 40,
                "root_key": keystore.root_public.key,
                "signing_keys": [{"kid": key.kid, "key": key.public_hex}],
                "sealing_key": {"kid": "0" * 16, "suite": "x25519-hkdf-sha256-chacha20poly1305", "key": "00" * 32},
                "can_terminate": True,
                "need_activity_notifications": False,
            }
        ],
        "quorums": {"hand_over": "majority", "amend": "all"},
        "limits": msgspec.to_builtins(Limits(max_entries=1_000_000)),
        "retention_days": 1,
        "anchoring": None,
        "sealing_suite": "x25519-hkdf-sha256-chacha20poly1305",
        "parent": None,
        "replaces": None,
    }
