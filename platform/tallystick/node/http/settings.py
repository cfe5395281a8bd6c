"""How much of the node's HTTP port anybody may hold: the ``http`` section of its settings."""

import ipaddress
from typing import Annotated

import msgspec


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``connections`` at once in all, and ``connections_per_address`` of one address that nobody vouches for.

    ``first_request_seconds`` is how long a new connection may take to ask for something, its headers complete, and
    ``keep_alive_seconds`` how long one may rest between two requests; clients keep an idle connection for a minute,
    and who closes first must not be the one that is about to be asked.

    ``proxies`` are addresses through which others come: a proxy in front bounds each of its own clients, and we bound
    only all of them together. Where ``url`` names a proxy and ``proxies`` does not, it is one on this machine.
    """

    connections: Annotated[int, msgspec.Meta(ge=16, le=100_000)] = 2_000
    connections_per_address: Annotated[int, msgspec.Meta(ge=8, le=100_000)] = 256
    first_request_seconds: Annotated[int, msgspec.Meta(ge=1, le=300)] = 20
    keep_alive_seconds: Annotated[int, msgspec.Meta(ge=1, le=3_600)] = 75
    proxies: Annotated[tuple[str, ...], msgspec.Meta(max_length=16)] = ()

    def __post_init__(self) -> None:
        """Refuse what is no address."""
        for one in self.proxies:
            ipaddress.ip_address(one)  # its ValueError names the text
