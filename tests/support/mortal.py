"""A member of the exchange that ends itself, as SIGKILL does, at exactly the moment that a test names.

Run as ``python -m support.mortal FOLDER ORG [HOST]``.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tallystick.node.bench.member import Member, serve
from tallystick.node.links.handling import Verdict


class Mortal(Member):
    """Its ``moment``: ``unsent`` before a message leaves, ``sent`` when it is acknowledged and the outbox does not know
    yet, ``taken`` when what came is durable and its sender not told yet.
    """

    def __init__(self, folder: Path, *facts: str) -> None:
        super().__init__(folder, *facts)
        self.moment: str | None = None
        outbox = self.node._outbox
        send = outbox._send

        async def sending(partner: str, message_id: str, payload: bytes) -> None:
            self._dies("unsent")
            await send(partner, message_id, payload)
            self._dies("sent")

        outbox._send = sending

    async def do_die(self, moment: str) -> dict[str, Any]:
        """End the next time that this moment comes."""
        self.moment = moment
        return {}

    async def _receive(self, partner: str, message_id: str, payload: bytes) -> Verdict:
        verdict = await super()._receive(partner, message_id, payload)
        self._dies("taken")
        return verdict

    def _dies(self, moment: str) -> None:
        if self.moment == moment:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(serve(lambda: Mortal(Path(sys.argv[1]), *sys.argv[2:])))
