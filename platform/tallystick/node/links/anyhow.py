"""What the node asks of its links, whoever runs the servers."""

from collections.abc import Iterable
from typing import Protocol

from tallystick.node.links.handling import Handler
from tallystick.node.links.link import LinkStatus
from tallystick.node.links.settings import Partner


class AnyLinks(Protocol):
    """`Links`, or `ExternalLinks`."""

    @property
    def leaf_url(self) -> str: ...
    @property
    def server_pid(self) -> int | None: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def set_partners(self, partners: Iterable[Partner]) -> None: ...
    def check_partners(self, partners: Iterable[Partner]) -> None: ...
    async def send(
        self,
        partner_org_id: str,
        message_id: str,
        payload: bytes,
        *,
        timeout: float = 5.0,  # noqa: ASYNC109
    ) -> None: ...
    async def receive(self, handler: Handler) -> None: ...
    def status(self) -> dict[str, LinkStatus]: ...
