"""A participant whose node runs other software: its real keys and its real link, and no rule kept."""

import asyncio
import hashlib
from types import TracebackType
from typing import Self

from support.trio import Member
from tallystick.core.keys import SigningKey
from tallystick.node import settings as node_settings
from tallystick.node.bootstrap import Node
from tallystick.node.links.handling import Verdict
from tallystick.node.record import messages as m
from tallystick.node.services.partnering import link_partners
from tallystick.tenants.keystore import Keystore


class Impostor:
    """Speaks for a member whose own node has been stopped."""

    def __init__(self, member: Member) -> None:
        settings = node_settings.load(member.data)
        self.keystore = Keystore.open(settings.keystore_path, member.passphrase)
        self.heard: list[m.Message] = []
        self._node = Node(settings, self.keystore)

    @property
    def key(self) -> SigningKey:
        """The key that really speaks for the organisation."""
        return self.keystore.signing_key

    async def __aenter__(self) -> Self:
        """Bring up the link; nothing else of the node runs."""
        links = self._node.parts.links
        await links.set_partners(link_partners(self._node.parts))
        await links.start()
        await links.receive(self._hear)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the link."""
        await self._node.parts.links.stop()
        self._node.parts.database.close()

    async def send(self, partner: str, payload: bytes) -> None:
        """Put bytes into a partner's inbox stream."""
        name = hashlib.sha256(payload).hexdigest()
        for _ in range(100):
            try:
                await self._node.parts.links.send(partner, name, payload)
                return
            except Exception:  # the link may still be coming up
                await asyncio.sleep(0.2)
        raise AssertionError("the link never came up")

    async def _hear(self, partner: str, message_id: str, payload: bytes) -> Verdict:
        """Keep what partners answer, and take nothing off their streams."""
        self.heard += map(m.decode, m.split(payload))
        return ("retry", 3600.0)
