"""The links of one organisation over a cluster of nats-servers that somebody else operates.

The node starts no server and changes no configuration: `cluster` makes what the cluster's operator has to load, again
after each new partner. Until that is done, a link waits. The node's own users in the accounts follow from its leafnode
seed, so that every life and every replica of the node has the same ones and nothing more has to be kept.
"""

import asyncio
import hashlib
import hmac
import ssl
import time
from collections.abc import Callable, Iterable

from tallystick.core.errors import Invalid, NotFound, Unavailable
from tallystick.node.links import config, names
from tallystick.node.links.handling import Handler
from tallystick.node.links.link import LinkStatus
from tallystick.node.links.peer import Peer
from tallystick.node.links.settings import External, LinkSettings, Partner
from tallystick.tenants import nkey

_KEY_TAG = "tallystick/nats-user/v1"
_RETRY_S = 2.0  # a cluster that does not know an account yet is not to be asked five times a second


def own_keys(settings: LinkSettings, account: str) -> list[bytes]:
    """Return the 32 secret bytes of each of the node's own users in ``account``, oldest first.

    One follows from each of our leafnode keys that is held: the cluster knows a newer one only when its operator has
    loaded the files again.
    """
    text = f"{_KEY_TAG}|{settings.org_id}|{account}".encode()
    seeds = [*(one.nkey_seed for one in settings.former), settings.nkey_seed]
    return [hmac.new(seed.encode(), text, hashlib.sha256).digest() for seed in seeds]


def own_key(settings: LinkSettings, account: str) -> bytes:
    """Return the secret bytes of the user that the node is: the oldest, which the cluster knows for certain."""
    return own_keys(settings, account)[0]


class ExternalLinks:
    """The same calls as `Links`, to servers that are somebody else's."""

    def __init__(self, settings: LinkSettings, partners: Iterable[Partner] = ()) -> None:
        if settings.external is None:
            raise Invalid("there is no cluster in the settings", code="no_cluster")
        self._settings = settings
        self._cluster: External = settings.external
        self._partners = config.check_partners(settings, partners)
        self._peers: dict[str, Peer] = {}
        self._since: dict[str, tuple[bool, int]] = {}
        self._is_wanted = False
        self._handler: Handler | None = None
        self._has_handler = asyncio.Event()
        self._changing = asyncio.Lock()

    @property
    def leaf_url(self) -> str:
        """Return the address that partners' leafnodes connect to."""
        return self._cluster.leaf_url

    @property
    def server_pid(self) -> int | None:
        """Return None: the servers are somebody else's."""
        return None

    async def start(self) -> None:
        """Begin connecting; returns at once, whether the cluster answers or not."""
        async with self._changing:
            self._is_wanted = True
            self._start_peers()

    async def stop(self) -> None:
        """Close all connections."""
        async with self._changing:
            self._is_wanted = False
            await self._stop_peers(self._peers)

    async def set_partners(self, partners: Iterable[Partner]) -> None:
        """Make ``partners`` the partners from now on; a new one's link waits for the cluster's operator."""
        checked = config.check_partners(self._settings, partners)
        async with self._changing:
            self._partners = checked
            await self._stop_peers(self._peers.keys() - {partner.org_id for partner in config.linked(checked)})
            if self._is_wanted:
                self._start_peers()

    async def renewed(self) -> None:
        """Nothing: the cluster's certificates are its operator's."""

    async def rekeyed(self, settings: LinkSettings) -> None:
        """Log in with the users that follow from these settings; what leafnodes show, the cluster's operator loads."""
        async with self._changing:
            self._settings = settings
            await self._stop_peers(self._peers)
            if self._is_wanted:
                self._start_peers()

    def check_partners(self, partners: Iterable[Partner]) -> None:
        """As `Links.check_partners`."""
        config.check_partners(self._settings, partners)

    async def send(
        self,
        partner_org_id: str,
        message_id: str,
        payload: bytes,
        *,
        timeout: float = 5.0,  # noqa: ASYNC109
    ) -> None:
        """As `Links.send`."""
        peer = self._peers.get(partner_org_id)
        if peer is None and any(one.org_id == partner_org_id for one in self._partners):
            raise Unavailable(f"{partner_org_id} is suspended by this organisation", code="partner_suspended")
        if peer is None:
            raise NotFound(f"{partner_org_id!r} is not a partner", code="partner")
        await peer.send(message_id, payload, within=timeout)

    async def receive(self, handler: Handler) -> None:
        """As `Links.receive`."""
        self._handler = handler
        self._has_handler.set()

    def listen(self, listener: Callable[[str], None]) -> None:
        """As `Links.listen`, but never called: only the cluster's operator sees a link come up; sending retries."""

    def status(self) -> dict[str, LinkStatus]:
        """Return the state of each link as it shows from here.

        ``connected`` is whether the cluster lets the node into the partner's account and the last message went through;
        only its operator sees leafnodes, so ``incoming`` is the same.
        """
        return {partner: self._status(partner, peer) for partner, peer in self._peers.items()}

    def _status(self, partner: str, peer: Peer) -> LinkStatus:
        connected = peer.is_connected and peer.last_error is None
        held = self._since.get(partner)
        if held is None or held[0] != connected:
            held = self._since[partner] = (connected, time.time_ns() // 1_000_000)
        error = peer.last_error or (None if peer.is_connected else "the cluster does not let this node in")
        return LinkStatus(connected=connected, incoming=connected, since=held[1], last_error=error)

    async def _wait_handler(self) -> Handler:
        await self._has_handler.wait()
        assert self._handler is not None  # noqa: S101 - set before the event
        return self._handler

    async def _stop_peers(self, partners: Iterable[str]) -> None:
        await asyncio.gather(*(self._peers.pop(partner).stop() for partner in list(partners)))

    def _start_peers(self) -> None:
        for partner in config.linked(self._partners):
            if partner.org_id not in self._peers:
                peer = self._peers[partner.org_id] = self._peer(partner.org_id)
                peer.start()

    def _peer(self, partner: str) -> Peer:
        seeds = [own_key(self._settings, account(partner)) for account in (names.in_account, names.out_account)]
        return Peer(
            me=self._settings.org_id,
            partner=partner,
            client_url=self._cluster.url,
            in_seed=nkey.seed_text(seeds[0]),
            out_seed=nkey.seed_text(seeds[1]),
            quota=self._settings.quota,
            handler=self._wait_handler,
            replicas=self._cluster.replicas,
            tls=self._tls(),
            retry_s=_RETRY_S,
            checks_account=True,
        )

    def _tls(self) -> ssl.SSLContext | None:
        if not self._cluster.url.startswith("tls://"):
            return None
        context = ssl.create_default_context()
        if self._cluster.ca_file is not None:
            context.load_verify_locations(self._cluster.ca_file)
        return context
