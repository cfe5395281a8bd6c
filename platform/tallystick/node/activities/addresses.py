"""Which addresses an activity may reach: public ones, and what the organisation's settings allow by name.

The check stands between resolving and connecting, and the connection goes to the very address that was checked: a name
that answers differently the second time (DNS rebinding) gains nothing.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpcore2

from tallystick.node.activities.failing import ActivityFailed

Resolver = Callable[[str, int], Awaitable[list[str]]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
MAX_ADDRESSES = 4  # tried one after the other
# Threads of their own: a name server that does not answer holds up nothing but the activities that ask it.
_RESOLVERS = ThreadPoolExecutor(max_workers=32, thread_name_prefix="resolver")

# Beyond what `is_global` refuses: forms that carry an IPv4 address to where its own check would not look, and ranges
# that older Pythons count as global.
_REFUSED = tuple(
    ipaddress.ip_network(one)
    for one in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # 6to4 relays
        "::/96",  # IPv4-compatible
        "::ffff:0:0/96",  # IPv4-mapped
        "::ffff:0:0:0/96",  # IPv4-translated
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",  # local NAT64
        "2001::/23",  # protocol assignments, Teredo among them
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fec0::/10",  # site-local
    )
)


def is_public(text: str) -> bool:
    """Whether an address is one that anybody on the Internet could reach; what is no address is not."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    special = address.is_multicast or address.is_private or address.is_reserved or address.is_unspecified
    return address.is_global and not special and not any(address in network for network in _REFUSED)


async def resolve(host: str, port: int) -> list[str]:
    """The host's addresses as the system knows them; a literal address is its own."""
    try:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(_RESOLVERS, partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        raise ActivityFailed(f"{host} has no address", code="unreachable") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections for an HTTP client: resolves once, checks every address, connects to a checked one."""

    def __init__(self, allowed: Iterable[str], resolver: Resolver = resolve) -> None:
        self._allowed = frozenset(one.lower() for one in allowed)
        self._resolver = resolver
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the client's interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to one of the host's addresses; ``not_allowed`` when any of them is not public."""
        addresses = await self._checked(host, port)
        last: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in addresses[:MAX_ADDRESSES]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                last = error
        raise last

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """No activity reaches a socket of this machine."""
        raise ActivityFailed("sockets of this machine are out of reach", code="not_allowed")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def _checked(self, host: str, port: int) -> list[str]:
        addresses = await self._resolver(host, port)
        name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if name.lower() in self._allowed:
            return addresses
        # One private address among public ones is no accident of ours, so the whole name is refused.
        if not all(is_public(one) for one in addresses):
            detail = f"{name} lies at an address that is not public; activities.http.allowed_hosts may allow it"
            raise ActivityFailed(detail, code="not_allowed")
        return addresses
