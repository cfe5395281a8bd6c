"""The links of one organisation to its partners.

A message travels: ``send`` → own server, account ``OUT_P`` → leafnode → partner's server, account ``IN_us`` → its stream →
its ``receive`` handler. JetStream is transport: the sender's outbox and the receiver's inbox table are the record.
"""

import asyncio
import functools
import logging
from collections.abc import Iterable

import msgspec

from tallystick.core.errors import NotFound, Unavailable
from tallystick.node.links import config, names, nkey
from tallystick.node.links.peer import Handler, Peer
from tallystick.node.links.server import Server, write_private
from tallystick.node.links.settings import LinkSettings, Partner
from tallystick.node.links.system import System

_LOG = logging.getLogger(__name__)


class LinkStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one link: ``connected`` our leafnode at the partner, ``incoming`` the partner's leafnode here.

    ``since`` is when ``connected`` became what it is, in milliseconds since 1970.
    """

    connected: bool
    incoming: bool
    since: int
    last_error: str | None


class Links:
    """Runs this organisation's nats-server and moves messages to and from its partners."""

    def __init__(self, settings: LinkSettings, partners: Iterable[Partner] = ()) -> None:
        names.check_org_id(settings.org_id)
        nkey.public(settings.nkey_seed)
        self._settings = settings
        self._partners = config.check_partners(settings, partners)
        self._files = config.Files(folder=settings.data_dir.absolute())
        self._server = Server(
            files=self._files,
            leaf_host=settings.leaf_host,
            wanted=config.Ports(client=settings.client_port, leaf=settings.leaf_port),
            binary=settings.nats_server,
        )
        # The node's own keys live in memory only; every life of the node makes new ones.
        self._seeds: dict[str, str] = {}
        self._peers: dict[str, Peer] = {}
        self._system: System | None = None
        self._handler: Handler | None = None
        self._has_handler = asyncio.Event()
        self._changing = asyncio.Lock()

    @property
    def leaf_url(self) -> str:
        """Return the address that partners connect to; raise `Unavailable` before the first start."""
        return f"tls://{self._settings.leaf_host}:{self._server.ports.leaf}"

    @property
    def client_url(self) -> str:
        """Return the address of the loopback client listener; raise `Unavailable` before the first start."""
        return f"nats://127.0.0.1:{self._server.ports.client}"

    async def start(self) -> None:
        """Start the server and all links; return when the server answers, linked or not."""
        async with self._changing:
            self._files.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write_secrets()
            await self._server.start(self._settings.org_id, self._render())
            self._system = System(self.client_url, self._seeds[names.SYSTEM_ACCOUNT])
            self._system.start()
            self._start_peers()

    async def stop(self) -> None:
        """Stop all links and the server."""
        async with self._changing:
            await asyncio.gather(*(peer.stop() for peer in self._peers.values()))
            self._peers.clear()
            if self._system is not None:
                await self._system.stop()
                self._system = None
            await self._server.stop()

    async def set_partners(self, partners: Iterable[Partner]) -> None:
        """Make ``partners`` the partners from now on; links that stay the same keep flowing."""
        checked = config.check_partners(self._settings, partners)
        async with self._changing:
            self._partners = checked
            if self._system is None:
                return
            gone = self._peers.keys() - {partner.org_id for partner in checked}
            await asyncio.gather(*(self._peers.pop(partner).stop() for partner in gone))
            self._write_secrets()
            self._server.configure(self._render())
            await self._reload(self._system)
            self._start_peers()

    async def send(self, partner_org_id: str, message_id: str, payload: bytes, *, timeout: float = 5.0) -> None:
        """Put ``payload`` into the partner's inbox stream; return when that stream has it on disk.

        Raises `NotFound` for an organisation that is no partner, `Invalid` for a message that no stream takes, and
        `Unavailable` when the same call may succeed later.
        """
        peer = self._peers.get(partner_org_id)
        if peer is None:
            raise NotFound(f"{partner_org_id!r} is not a partner", code="partner")
        await peer.send(message_id, payload, timeout=timeout)

    async def receive(self, handler: Handler) -> None:
        """Install ``handler`` for what all partners send, and return; messages of one partner come one by one, in order."""
        self._handler = handler
        self._has_handler.set()

    def status(self) -> dict[str, LinkStatus]:
        """Return the state of each link, by partner."""
        return {partner: self._status(partner, peer) for partner, peer in self._peers.items()}

    def _status(self, partner: str, peer: Peer) -> LinkStatus:
        if self._system is None:
            raise Unavailable("the links have not been started", code="nats_server")
        connected, since = self._system.leaf(names.out_account(partner))
        incoming, _ = self._system.leaf(names.in_account(partner))
        return LinkStatus(connected=connected, incoming=incoming, since=since, last_error=peer.last_error)

    async def _wait_handler(self) -> Handler:
        await self._has_handler.wait()
        assert self._handler is not None  # noqa: S101 - set before the event
        return self._handler

    def _write_secrets(self) -> None:
        write_private(self._files.seed, config.seed_text(self._settings.nkey_seed))
        own_ca = self._settings.ca_file.read_text(encoding="ascii")
        trusted = [own_ca, *(partner.ca_pem for partner in self._partners)]
        write_private(self._files.trusted, "\n".join(trusted))
        for partner in self._partners:
            write_private(self._files.partner_ca(partner.org_id), partner.ca_pem)

    def _render(self) -> "functools.partial[str]":
        for account in config.accounts(self._partners):
            self._seeds.setdefault(account, nkey.new_seed())
        internal = {account: nkey.public(seed) for account, seed in self._seeds.items()}
        return functools.partial(_build, self._settings, self._partners, self._files, internal)

    async def _reload(self, system: System) -> None:
        try:
            await system.reload()
        except Unavailable as error:
            _LOG.info("%s; starting it again instead", error)
            await self._server.restart()

    def _start_peers(self) -> None:
        for partner in self._partners:
            if partner.org_id not in self._peers:
                self._peers[partner.org_id] = self._peer(partner.org_id)
                self._peers[partner.org_id].start()

    def _peer(self, partner: str) -> Peer:
        return Peer(
            me=self._settings.org_id,
            partner=partner,
            client_url=self.client_url,
            in_seed=self._seeds[names.in_account(partner)],
            out_seed=self._seeds[names.out_account(partner)],
            quota=self._settings.quota,
            handler=self._wait_handler,
        )


def _build(
    settings: LinkSettings,
    partners: tuple[Partner, ...],
    files: config.Files,
    internal: dict[str, str],
    ports: config.Ports,
) -> str:
    return config.build(settings, partners, files=files, ports=ports, internal=internal)
