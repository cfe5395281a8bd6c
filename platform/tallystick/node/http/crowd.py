"""Who is connected to the HTTP port: no more in all, and no more from one address, than the settings allow.

1. One address has at most so many connections; further ones are ended before anything is read from them.
2. When the port is full, a newcomer takes the place of a connection of whichever address has the most, unless its own
   has as many: a flood from few addresses locks nobody else out.
3. A connection that has not asked for anything in time is ended.

What is left to others: how long a request's headers may take on a connection that has asked before
(:mod:`tallystick.node.http.server`), bodies (:mod:`tallystick.node.api.limits`), and who may have work done without a
session (:mod:`tallystick.node.http.attending`).
"""

import asyncio
import logging
import resource
from collections import Counter, defaultdict
from collections.abc import Collection

from tallystick.node.http.settings import HttpSettings

logger = logging.getLogger(__name__)
Peer = tuple[str, int]  # address and port, as in an ASGI scope's ``client``

# Descriptors for databases, nats-servers, partners and files, and for connections that were accepted and are about to
# be ended; admitted ones get what is left.
SPARE_FILES = 512
BETWEEN_WARNINGS_S = 60.0


class Crowd:
    """The connections of one port, by address; used on one event loop only.

    ``most`` lowers the settings' number where the system gives fewer files; ``vouched_for`` are addresses of proxies.
    """

    def __init__(self, settings: HttpSettings, *, most: int | None = None, vouched_for: Collection[str] = ()) -> None:
        self._most = min(settings.connections, most or settings.connections)
        self._most_each = settings.connections_per_address
        self._first_request_s = settings.first_request_seconds
        self._vouched_for = frozenset(vouched_for)
        self._transports: dict[Peer, asyncio.WriteTransport] = {}
        self._by_address: defaultdict[str, dict[Peer, None]] = defaultdict(dict)  # the oldest first
        self._silent: dict[Peer, asyncio.TimerHandle] = {}
        self._refused: Counter[str] = Counter()
        self._warned_at = float("-inf")

    def __len__(self) -> int:
        """How many there are."""
        return len(self._transports)

    def admit(self, peer: Peer, transport: asyncio.WriteTransport) -> bool:
        """Count a new connection, or say that there is no place for it."""
        address = peer[0]
        own = len(self._by_address[address]) if address in self._by_address else 0
        if own >= self._most_each and address not in self._vouched_for:
            return self._refuse(address)
        if len(self._transports) >= self._most and not self._make_room(own):
            return self._refuse(address)
        self._transports[peer] = transport
        self._by_address[address][peer] = None
        self._silent[peer] = asyncio.get_running_loop().call_later(self._first_request_s, transport.abort)
        return True

    def asked(self, peer: Peer) -> None:
        """Somebody's request has come."""
        if waiting := self._silent.pop(peer, None):
            waiting.cancel()

    def cut(self, peer: Peer) -> None:
        """End somebody's connection, whatever is under way: who serves it finds it ended and cleans up."""
        if transport := self._transports.get(peer):
            transport.abort()

    def gone(self, peer: Peer, transport: asyncio.WriteTransport) -> None:
        """A connection has ended; one that had to make room is not counted any more."""
        if self._transports.get(peer) is not transport:
            return
        del self._transports[peer]
        self.asked(peer)
        del self._by_address[peer[0]][peer]
        if not self._by_address[peer[0]]:
            del self._by_address[peer[0]]

    def _make_room(self, own: int) -> bool:
        theirs = max(self._by_address.values(), key=len)
        if len(theirs) <= own + 1:
            return False
        peer = next((one for one in theirs if one in self._silent), None) or next(reversed(theirs))
        transport = self._transports[peer]
        transport.abort()
        self.gone(peer, transport)
        return True

    def _refuse(self, address: str) -> bool:
        self._refused[address] += 1
        now = asyncio.get_running_loop().time()
        if now - self._warned_at > BETWEEN_WARNINGS_S:
            worst, number = self._refused.most_common(1)[0]
            logger.warning("%d connections refused, %d of them from %s", self._refused.total(), number, worst)
            self._warned_at = now
            self._refused.clear()
        return False


def room(ports: int) -> int:
    """How many connections each of so many ports may have; asks the system for as many files as it gives."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    files = wanted if soft == resource.RLIM_INFINITY else soft
    return max(16, (files - SPARE_FILES) // ports)
