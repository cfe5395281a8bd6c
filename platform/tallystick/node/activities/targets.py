"""Reading the URL of a request: one meaning, the same for the check and for the connection."""

from typing import NamedTuple
from urllib.parse import urlsplit

import httpcore2

from tallystick.node.activities.call import invalid

_PORTS = {"http": 80, "https": 443}


class Target(NamedTuple):
    """Where a request goes; ``name`` is host and port, ``origin`` as RFC 6454 writes it."""

    scheme: str
    host: str
    port: int
    url: httpcore2.URL

    @property
    def name(self) -> str:
        """``host:port``, as the settings write it."""
        return f"{_bracketed(self.host)}:{self.port}"

    @property
    def host_header(self) -> bytes:
        """The port is left out where it is the scheme's own."""
        host = _bracketed(self.host)
        return (host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}").encode()

    @property
    def origin(self) -> str:
        """Scheme, host and, unless it is the scheme's own, port."""
        return f"{self.scheme}://{self.host_header.decode()}"


def read_target(url: str) -> Target:
    """The target of an absolute http or https URL in ASCII; anything that could be read in two ways is refused."""
    if not url.isascii() or not url.isprintable() or any(one in url for one in ' \\<>"^`{|}'):
        raise invalid("must hold printable ASCII without blanks; encode anything else", "/url")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise invalid("is not a URL", "/url") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise invalid("must begin with https:// or http:// and a host", "/url")
    if "@" in parts.netloc:
        raise invalid("must not name a user; use a credential of the settings", "/url")
    if port == 0 or "%" in parts.netloc:
        raise invalid("names no host and port that can be reached", "/url")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    number = _PORTS[parts.scheme] if port is None else port
    address = httpcore2.URL(scheme=parts.scheme, host=parts.hostname, port=number, target=target)
    return Target(parts.scheme, parts.hostname, number, address)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
