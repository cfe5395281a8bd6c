"""The links of one organisation to its partners.

A message travels: ``send`` → own server, account ``OUT_P`` → leafnode → partner's server, account ``IN_us`` → its
stream → its ``receive`` handler. JetStream is transport: the sender's outbox and the receiver's inbox table are the
record.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from tallystick.core.errors import Invalid, NotFound, Unavailable
from tallystick.node.links import config, names
from tallystick.node.links.handling import Handler
from tallystick.node.links.server import Server
from tallystick.node.links.settings import WATCH_S, LinkSettings, Partner
from tallystick.tenants import nkey, tls
from tallystick.tenants.files import private_folder, write_private

if TYPE_CHECKING:  # the NATS client takes 10 MB: only who has a partner loads it
    from tallystick.node.links.peer import Peer
    from tallystick.node.links.system import System

_LOG = logging.getLogger(__name__)
_ANSWERED_S = 1.0  # over a new link most requests are answered within this


class LinkStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one link: ``connected`` our leafnode at the partner, ``incoming`` the partner's leafnode here.

    ``since`` is when ``connected`` became what it is, ``seen_at`` when the partner's leafnode was last here in this
    life of the node; both in milliseconds since 1970.
    """

    connected: bool
    incoming: bool
    since: int
    last_error: str | None
    seen_at: int | None = None


class Links:
    """Runs this organisation's nats-server and moves messages to and from its partners."""

    def __init__(self, settings: LinkSettings, partners: Iterable[Partner] = ()) -> None:
        names.check_org_id(settings.org_id)
        self._settings = settings
        self._partners = config.check_partners(settings, partners)
        self._files = config.Files(folder=settings.data_dir.absolute())
        self._server = Server(
            files=self._files,
            leaf_host=settings.leaf_host,
            wanted=config.Ports(client=settings.client_port, leaf=settings.leaf_port),
            binary=settings.nats_server,
        )
        config.seed_text(settings)  # raises at once if it is none
        # The node's own keys, by account, live in memory only; every life of the node makes new ones.
        self._own_keys: dict[str, bytes] = {}
        self._peers: dict[str, Peer] = {}
        self._system: System | None = None
        self._is_wanted = False
        self._handler: Handler | None = None
        self._has_handler = asyncio.Event()
        self._listeners: list[Callable[[str], None]] = []
        self._changing = asyncio.Lock()

    @property
    def leaf_url(self) -> str:
        """Return the address that partners connect to, as soon as the server runs."""
        private_folder(self._files.folder)
        return f"tls://{self._settings.leaf_host}:{self._server.ports.leaf}"

    @property
    def client_url(self) -> str:
        """Return the address of the loopback client listener; raise `Unavailable` before the first start."""
        return f"nats://127.0.0.1:{self._server.ports.client}"

    @property
    def server_pid(self) -> int | None:
        """Return the process id of nats-server while it runs."""
        return self._server.pid

    async def start(self) -> None:
        """Start the server and all links; return when the server answers, linked or not.

        Without a partner there is nothing to link, and the server waits for the first one.
        """
        async with self._changing:
            self._is_wanted = True
            await self._run_if_needed()

    async def stop(self) -> None:
        """Stop all links and the server."""
        async with self._changing:
            self._is_wanted = False
            await self._stop_peers(self._peers)
            if self._system is not None:
                await self._system.stop()
                self._system = None
            await self._server.stop()

    async def set_partners(self, partners: Iterable[Partner]) -> None:
        """Make ``partners`` the partners from now on; links that stay the same keep flowing.

        Raises `Invalid`, and changes nothing, if one of them cannot be linked with.
        """
        checked = config.check_partners(self._settings, partners)
        async with self._changing:
            if self._system is not None:
                await self._change(self._system, checked)
            self._partners = checked
            await self._run_if_needed()

    async def renewed(self) -> None:
        """Take up certificates that were renewed in place: links that stand go on, new ones show the new ones."""
        async with self._changing:
            if self._system is not None:
                await self._write_again(self._system)

    async def rekeyed(self, settings: LinkSettings) -> None:
        """Show the nkey and the certificates in ``settings`` from now on; everything else in them stays as it was.

        Links that stand go on until their partner knows us by another key.
        """
        config.seed_text(settings, self._partners)
        async with self._changing:
            before, self._settings = self._settings, settings
            try:
                if self._system is not None:
                    await self._write_again(self._system)
            except Invalid:
                self._settings = before
                raise

    def check_partners(self, partners: Iterable[Partner]) -> None:
        """Raise `Invalid` if `set_partners` would refuse them, as far as that shows without asking the server."""
        config.check_partners(self._settings, partners)

    async def send(
        self,
        partner_org_id: str,
        message_id: str,
        payload: bytes,
        *,
        timeout: float = 5.0,  # noqa: ASYNC109
    ) -> None:
        """Put ``payload`` into the partner's inbox stream; return when that stream has it on disk.

        Raises `NotFound` for an organisation that is no partner, `Invalid` for a message that no stream takes, and
        `Unavailable` when the same call may succeed later; ``partner_suspended`` is its code for one that we suspended.
        """
        peer = self._peers.get(partner_org_id)
        if peer is None and any(one.org_id == partner_org_id for one in self._partners):
            raise Unavailable(f"{partner_org_id} is suspended by this organisation", code="partner_suspended")
        if peer is None:
            raise NotFound(f"{partner_org_id!r} is not a partner", code="partner")
        await peer.send(message_id, payload, within=timeout)

    async def receive(self, handler: Handler) -> None:
        """Install ``handler`` for what all partners send, and return.

        It is called for the messages of one partner in order, and for the next ones while it still waits in others; for
        those of several partners at once. What it does not settle comes again, at the latest in the next life of the
        node.
        """
        self._handler = handler
        self._has_handler.set()

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call ``listener`` with a partner whenever our link to it has come up: what failed may be sent at once."""
        self._listeners.append(listener)

    def status(self) -> dict[str, LinkStatus]:
        """Return the state of each link, by partner."""
        return {partner: self._status(partner, peer) for partner, peer in self._peers.items()}

    async def _run_if_needed(self) -> None:
        if not self._is_wanted or self._system is not None or not self._partners:
            return
        from tallystick.node.links.system import System  # noqa: PLC0415

        private_folder(self._files.folder)
        self._write_secrets(self._partners)
        await self._server.start(self._settings.org_id, self._render(self._partners))
        self._system = System(self.client_url, self._seed(names.SYSTEM_ACCOUNT), self._came)
        self._system.start()
        self._start_peers(self._partners)

    def _came(self, account: str) -> None:
        for partner, peer in self._peers.items():
            if account == names.out_account(partner):
                # It came after the last look: what was asked since then may be under way, and gets some time.
                now = time.monotonic()
                peer.interrupt(now - WATCH_S)
                asyncio.get_running_loop().call_later(_ANSWERED_S, peer.interrupt, now)
                for listener in self._listeners:
                    listener(partner)

    def _status(self, partner: str, peer: "Peer") -> LinkStatus:
        if self._system is None:
            raise Unavailable("the links have not been started", code="nats_server")
        connected, since = self._system.leaf(names.out_account(partner))
        incoming, _ = self._system.leaf(names.in_account(partner))
        return LinkStatus(
            connected=connected, incoming=incoming, since=since, last_error=peer.last_error,
            seen_at=self._system.seen_at(names.in_account(partner)),
        )  # fmt: skip

    async def _wait_handler(self) -> Handler:
        await self._has_handler.wait()
        assert self._handler is not None  # noqa: S101 - set before the event
        return self._handler

    async def _write_again(self, system: "System") -> None:
        """Have the server take up what has changed on our side; nobody's link is cut off."""
        self._write_secrets(self._partners)
        await self._server.configure(self._render(self._partners))
        await self._take_up(system, set())

    def _write_secrets(self, partners: tuple[Partner, ...]) -> None:
        write_private(self._files.seed, config.seed_text(self._settings, partners).encode())
        own = self._settings.ca_file.read_text(encoding="ascii")
        tls.write_bundle(self._files.trusted, [own, *(partner.ca_pem for partner in config.linked(partners))])
        for partner in partners:
            write_private(self._files.authority(partner), partner.ca_pem.encode())

    def _render(self, partners: tuple[Partner, ...]) -> Callable[[config.Ports], str]:
        for account in config.accounts(partners):
            self._own_keys.setdefault(account, os.urandom(32))
        internal = {account: nkey.public_text(seed) for account, seed in self._own_keys.items()}

        def render(ports: config.Ports) -> str:
            return config.build(self._settings, partners, files=self._files, ports=ports, internal=internal)

        return render

    def _seed(self, account: str) -> str:
        return nkey.seed_text(self._own_keys[account])

    async def _change(self, system: "System", partners: tuple[Partner, ...]) -> None:
        self._write_secrets(partners)
        await self._server.configure(self._render(partners))
        await self._stop_peers(self._peers.keys() - {partner.org_id for partner in config.linked(partners)})
        await self._forget({partner.org_id for partner in self._partners} - {partner.org_id for partner in partners})
        # A partner with a new key or authority is one partner gone and one come.
        await self._take_up(system, {names.in_account(gone.org_id) for gone in set(self._partners) - set(partners)})
        self._start_peers(partners)

    async def _forget(self, gone: Iterable[str]) -> None:
        """Drop the streams of partners that were removed: whoever bears the id later must not find them."""
        from tallystick.node.links.peer import drop_stream  # noqa: PLC0415

        for partner in gone:
            try:
                await drop_stream(self.client_url, self._seed(names.in_account(partner)), partner)
            except Unavailable as error:
                _LOG.warning("what %s had sent is still on the disk: %s", partner, error)

    async def _take_up(self, system: "System", gone: set[str]) -> None:
        """Have the running server take up the configuration, and cut off the accounts that are ``gone``."""
        try:
            await system.reload()
            await system.kick(gone)
        except Unavailable as error:
            _LOG.info("%s; starting it again instead", error)
            await self._server.restart()

    async def _stop_peers(self, partners: Iterable[str]) -> None:
        await asyncio.gather(*(self._peers.pop(partner).stop() for partner in list(partners)))

    def _start_peers(self, partners: Iterable[Partner]) -> None:
        for partner in config.linked(partners):
            if partner.org_id not in self._peers:
                self._peers[partner.org_id] = self._peer(partner.org_id)
                self._peers[partner.org_id].start()

    def _peer(self, partner: str) -> "Peer":
        from tallystick.node.links.peer import Peer  # noqa: PLC0415

        return Peer(
            me=self._settings.org_id,
            partner=partner,
            client_url=self.client_url,
            in_seed=self._seed(names.in_account(partner)),
            out_seed=self._seed(names.out_account(partner)),
            quota=self._settings.quota,
            handler=self._wait_handler,
        )
