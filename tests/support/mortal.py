"""A member of the exchange that ends itself, as SIGKILL does, at exactly the moment that a test names; or misbehaves.

Run as ``python -m support.mortal FOLDER ORG [HOST]``.
"""

import asyncio
import os
import signal
import sys
from collections import deque
from pathlib import Path
from typing import Any

from tallystick.core.errors import TallystickError
from tallystick.node.bench.load import BUYER, CARRIER, SUPPLIER
from tallystick.node.bench.member import Member, serve
from tallystick.node.clock import wall_ms
from tallystick.node.links.handling import Verdict

JUNK, AGAIN = "junk-", "again-"  # begin the ids of what says nothing, and of what was said before
_KEPT = 500  # of the messages that were sent last
_MALFORMED = (
    b"",
    b"{",
    b'{"v":1,"v":1}',
    b'{"v":NaN}',
    b'{"v":9007199254740993}',
    b'{"v":1,"type":"need","execution":"\\ud800","size":1}',
    b'{"v":1,"type":"statement","token":"eyJhbGciOiJub25lIn0.e30."}',
    b"[" * 10_000 + b"]" * 10_000,
    b"\xff\xfe",
    b"\n" * 300,
)


class Mortal(Member):
    """Its ``moment``: ``unsent`` before a message leaves, ``sent`` when it is acknowledged and the outbox does not know
    yet, ``taken`` when what came is durable and its sender not told yet.
    """

    def __init__(self, folder: Path, *facts: str) -> None:
        super().__init__(folder, *facts)
        self.moment: str | None = None
        self._sent: deque[tuple[str, str, bytes]] = deque(maxlen=_KEPT)
        self._turned_ms = 0
        self.node.parts.clock._wall = lambda: wall_ms() + self._turned_ms
        outbox = self.node._outbox
        send = outbox._send

        async def sending(partner: str, message_id: str, payload: bytes) -> None:
            self._dies("unsent")
            await send(partner, message_id, payload)
            self._dies("sent")
            self._sent.append((partner, message_id, payload))

        outbox._send = sending

    async def do_die(self, moment: str) -> dict[str, Any]:
        """End the next time that this moment comes."""
        self.moment = moment
        return {}

    async def do_send_again(self) -> dict[str, int]:
        """Everything that was sent last once more, under ids that the streams know no more."""
        return await self._send([(who, f"{AGAIN}{os.urandom(12).hex()}", data) for who, _, data in self._sent])

    async def do_mix_up(self) -> dict[str, int]:
        """Under the ids of what was sent last, the content of others."""
        sent = list(self._sent)
        return await self._send([(who, name, sent[-place][2]) for place, (who, name, _) in enumerate(sent, 1)])

    async def do_flood(self, count: int) -> dict[str, int]:
        """So many messages of noise, and of each malformed kind, to each partner."""
        noise = [os.urandom(400).hex().encode() for _ in range(count)] + list(_MALFORMED)
        partners = {BUYER, SUPPLIER, CARRIER} - {self.node.parts.context.org_id}
        return await self._send([(who, f"{JUNK}{os.urandom(12).hex()}", data) for data in noise for who in partners])

    async def do_turn(self, ms: int) -> dict[str, Any]:
        """Have the machine's clock be so far from what is right."""
        self._turned_ms = ms
        return {}

    async def _send(self, wanted: list[tuple[str, str, bytes]]) -> dict[str, int]:
        """Past the outbox, a few at once; how many the partners' streams took."""
        links, taken, left = self.node.parts.links, 0, iter(wanted)

        async def send() -> None:
            nonlocal taken
            for partner, name, data in left:
                try:
                    await links.send(partner, name, data, timeout=2.0)
                    taken += 1
                except TallystickError:
                    await asyncio.sleep(0.01)

        await asyncio.gather(*(send() for _ in range(20)))
        return {"taken": taken}

    async def _receive(self, partner: str, message_id: str, payload: bytes) -> Verdict:
        if message_id.startswith((JUNK, AGAIN)):  # it is no message that counts
            return await self._take_in(partner, message_id, payload)
        verdict = await super()._receive(partner, message_id, payload)
        self._dies("taken")
        return verdict

    def _dies(self, moment: str) -> None:
        if self.moment == moment:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(serve(lambda: Mortal(Path(sys.argv[1]), *sys.argv[2:])))
