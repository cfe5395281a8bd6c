"""Organisations with real nats-servers, certificates of their own authorities, and nkeys."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from tallystick.core.errors import Unavailable
from tallystick.node.links.handling import Verdict
from tallystick.node.links.link import Links
from tallystick.node.links.settings import LinkSettings, Partner, Quota
from tallystick.tenants import nkey, tls


class Identity(msgspec.Struct, frozen=True):
    """An organisation's link identity, as its node makes it."""

    org_id: str
    seed: bytes
    files: tls.TlsFiles

    def settings(self, data_dir: Path, *, quota: Quota | None = None) -> LinkSettings:
        return LinkSettings(
            org_id=self.org_id,
            data_dir=data_dir,
            nkey_seed=nkey.seed_text(self.seed),
            ca_file=self.files.ca,
            cert_file=self.files.server_certificate,
            key_file=self.files.server_key,
            client_cert_file=self.files.client_certificate,
            client_key_file=self.files.client_key,
            quota=quota or Quota(),
        )

    def card(self, leaf_url: str) -> Partner:
        return Partner(
            org_id=self.org_id,
            leaf_url=leaf_url,
            nkey_public=nkey.public_text(self.seed),
            ca_pem=self.files.ca.read_text(),
        )


def make_identity(folder: Path, org_id: str) -> Identity:
    """Make an authority, its certificates and a user key, below ``folder``."""
    folder.mkdir(parents=True, mode=0o700)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    return Identity(org_id, os.urandom(32), tls.ensure(folder, ca_key=ca_key, org_id=org_id))


class Organisation:
    """A running organisation: its identity, its links, and what its handler was given and answered."""

    def __init__(self, identity: Identity, folder: Path, quota: Quota | None = None) -> None:
        self.identity = identity
        self.folder = folder
        self.quota = quota
        self.received: list[tuple[str, str, bytes]] = []
        self.answers: dict[str, list[Verdict]] = {}
        self.links = self._links()

    @property
    def id(self) -> str:
        return self.identity.org_id

    @property
    def card(self) -> Partner:
        return self.identity.card(self.links.leaf_url)

    def _links(self) -> Links:
        return Links(self.identity.settings(self.folder, quota=self.quota))

    async def start(self) -> None:
        await self.links.start()
        await self.links.receive(self._take)

    async def restart(self, partners: list[Partner]) -> None:
        """Stop if running, and start as a new process would: from the data folder alone."""
        await self.links.stop()
        self.links = self._links()
        await self.links.set_partners(partners)
        await self.start()

    async def _take(self, partner: str, message_id: str, data: bytes) -> Verdict:
        self.received.append((partner, message_id, data))
        planned = self.answers.get(message_id)
        return planned.pop(0) if planned else "ack"

    async def send(self, other: "Organisation", message_id: str, data: bytes = b"{}", *, within: float = 15.0) -> None:
        """Send as an outbox does: again and again while the link is unavailable."""
        async with asyncio.timeout(within):
            while True:
                try:
                    return await self.links.send(other.id, message_id, data, timeout=1.0)
                except Unavailable:
                    await asyncio.sleep(0.05)

    async def got(self, *message_ids: str, within: float = 15.0) -> None:
        """Wait until all of ``message_ids`` have been received."""
        await eventually(lambda: set(message_ids) <= {message_id for _, message_id, _ in self.received}, within=within)


Begin = Callable[..., Awaitable[Organisation]]


async def eventually(holds: Callable[[], bool], *, within: float = 15.0) -> None:
    """Wait until ``holds``."""
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.02)


async def introduce(*organisations: Organisation) -> None:
    """Make everybody the partner of everybody else."""
    for one in organisations:
        await one.links.set_partners([other.card for other in organisations if other is not one])
