"""One organisation's ledger in a process of its own: it anchors what its database holds until it is killed.

Run as ``python -m support.anchorer FILE`` (see :class:`Plan`). It prints ``ready``, and then every new trouble. Lines
on its standard input are orders: ``die MOMENT`` ends it as SIGKILL does when that moment comes next, ``clock MS`` turns
its wall clock.
"""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from tallystick.core.errors import TallystickError
from tallystick.ledger.accounts import Account
from tallystick.ledger.contracts import Contracts
from tallystick.ledger.memory import InMemorySubmissions
from tallystick.ledger.ports import Submission, SubmissionStore
from tallystick.ledger.service import LedgerSettings, OrgLedger
from tallystick.node.anchoring.stores import SqlLeaves, SqlSubmissions
from tallystick.tenants.database import Database

PAUSE_S = 0.05
CONFIRMATIONS, BUMP_AFTER_MS, LAG_MS = 2, 1_500, 1_000
# Around each thing that is done: signing, sending, recording what became of it.
MOMENTS = ("before signing is kept", "after signing", "after sending", "before recording", "after recording")


class Plan(msgspec.Struct):
    """What it works on; ``own_store`` false is another instance that knows nothing of the first one's submissions."""

    url: str
    chain_id: int
    contracts: Contracts
    database: str
    admin: bytes
    log_key: bytes
    salt: bytes
    relayers: list[bytes]
    own_store: bool = True


class Anchorer:
    """The process's state."""

    def __init__(self, plan: Plan) -> None:
        self.skew = 0
        self.moment = ""
        self._database = Database(Path(plan.database))
        store: SubmissionStore = SqlSubmissions(self._database) if plan.own_store else InMemorySubmissions()
        save = store.save

        async def saving(submission: Submission) -> None:
            before = {"sent": "before signing is kept", "mined": "before recording", "confirmed": "before recording"}
            after = {"sent": "after signing", "mined": "after recording", "confirmed": "after recording"}
            self._dies(before.get(submission.state))
            await save(submission)
            self._dies(after.get(submission.state))

        store.save = saving  # type: ignore[method-assign]
        settings = LedgerSettings(
            blockchain_url=plan.url,
            chain_id=plan.chain_id,
            contracts=plan.contracts,
            confirmations=CONFIRMATIONS,
            bump_after_ms=BUMP_AFTER_MS,
            lag_ms=LAG_MS,
        )
        self.ledger = OrgLedger(
            settings,
            Account(plan.admin),
            Account(plan.log_key),
            plan.salt,
            store,
            SqlLeaves(self._database),
            clock=lambda: time.time_ns() // 1_000_000 + self.skew,
            relayers=[Account(key) for key in plan.relayers],
        )
        ask = self.ledger.chain.ask

        async def asking(method: str, *parameters: Any) -> Any:
            result = await ask(method, *parameters)
            self._dies("after sending" if method == "eth_sendRawTransaction" else None)
            return result

        self.ledger.chain.ask = asking  # type: ignore[method-assign]

    async def run(self) -> None:
        """Anchor until killed."""
        orders = asyncio.create_task(self._orders())
        said = ""
        print("ready", flush=True)  # noqa: T201 - whoever started it waits for this
        while not orders.done():
            trouble = ""
            try:
                await self.ledger.step()
            except TallystickError as error:
                trouble = f"{error.code}: {error.detail}"
            if trouble != said:
                print(trouble or "well again", flush=True)  # noqa: T201 - for whoever reads the log
            said = trouble
            await asyncio.sleep(PAUSE_S)
        await self.ledger.close()

    async def _orders(self) -> None:
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := (await reader.readline()).decode().strip():
            order, _, value = line.partition(" ")
            if order == "die":
                self.moment = value
            elif order == "clock":
                self.skew = int(value)

    def _dies(self, moment: str | None) -> None:
        if moment == self.moment:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(Anchorer(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)).run())
