"""Requests of this node to another organisation's node: few, small, and only to where an administrator sent them.

An administrator brings the address, or accepts an invitation that names it; it is still somebody else's word. So no
redirect is followed, no proxy of the environment is asked, the answer is bounded, and addresses are checked between
resolving and connecting. A node that is itself reached at a private or loopback address may reach such ones; the
others need ``activities.http.allowed_hosts``. Link-local addresses, where clouds keep their secrets, are out of reach
whatever the settings say.
"""

import asyncio
import ipaddress
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpcore2
import msgspec

from tallystick.core import canonical
from tallystick.core.errors import Invalid, TallystickError, Unavailable
from tallystick.node.activities.addresses import GuardedBackend, Resolver, is_public, resolve
from tallystick.node.activities.failing import ActivityFailed
from tallystick.node.activities.settings import HttpSettings
from tallystick.node.activities.targets import Target, read_target

MAX_ANSWER = 200_000  # bytes: twice the largest invitation
WITHIN_S = 10.0
_MAX_WORDS = 300


class RefusedThere(Invalid):
    """The other node does not take what we brought (``status``); its own code and words are passed on."""

    default_code = "refused_there"

    def __init__(self, status: int, code: str, words: str) -> None:
        super().__init__(f"the other organisation's node refuses: {words}", code=code)
        self.status = status


class Courier:
    """Of the organisation whose node is reached at ``own_url``."""

    def __init__(self, settings: HttpSettings, data_dir: Path, own_url: str, *, resolver: Resolver = resolve) -> None:
        self._settings = settings
        self._data_dir = data_dir
        self._is_near = _is_near(own_url)
        self._resolver = resolver

    async def fetch(self, url: str) -> bytes:
        """What lies at ``url``."""
        return await self._ask("GET", url, None)

    async def bring(self, url: str, body: dict[str, Any]) -> bytes:
        """Post ``body`` as JSON and return the answer.

        Raises :class:`RefusedThere` when the other node refuses, :class:`Unavailable` when it is not reached.
        """
        return await self._ask("POST", url, msgspec.json.encode(body))

    async def _ask(self, method: str, url: str, content: bytes | None) -> bytes:
        try:
            target = read_target(url)
            async with asyncio.timeout(WITHIN_S):
                status, data = await self._exchange(method, target, content)
        except ActivityFailed as error:
            raise (Unavailable if error.retryable else Invalid)(error.detail, code=error.code) from error
        except (TimeoutError, httpcore2.TimeoutException) as error:
            raise Unavailable(f"{target.name} did not answer in {WITHIN_S:.0f} s", code="not_reached") from error
        except (httpcore2.ProtocolError, httpcore2.NetworkError, OSError) as error:
            raise Unavailable(f"{target.name} is not reached", code="not_reached") from error
        if 200 <= status < 300:
            return data
        if 400 <= status < 500:
            raise _refusal(status, data)
        raise Unavailable(f"{target.name} answered {status}", code="not_reached")

    async def _exchange(self, method: str, target: Target, content: bytes | None) -> tuple[int, bytes]:
        lines = [(b"host", target.host_header), (b"accept", b"application/json"), (b"accept-encoding", b"identity")]
        lines += [(b"connection", b"close")]
        lines += [] if content is None else [(b"content-type", b"application/json")]
        context = await asyncio.to_thread(self._context) if target.scheme == "https" else None
        async with (
            httpcore2.AsyncConnectionPool(network_backend=self._backend(target), ssl_context=context) as pool,
            pool.stream(method, target.url, headers=lines, content=content) as response,
        ):
            body = bytearray()
            async for part in response.aiter_stream():
                body += part
                if len(body) > MAX_ANSWER:
                    raise Invalid(f"{target.name} answered with more than {MAX_ANSWER} bytes", code="too_large")
        return response.status, bytes(body)

    def _backend(self, target: Target) -> GuardedBackend:
        allowed = [*self._settings.allowed_hosts, *([target.name] if self._is_near else [])]
        return GuardedBackend(allowed, self._resolved)

    async def _resolved(self, host: str, port: int) -> list[str]:
        found = await self._resolver(host, port)
        if not all(map(_is_reachable, found)):
            raise Invalid(f"{host} lies at an address that no node has", code="not_allowed")
        return found

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._settings.ca_file:
            context.load_verify_locations(self._data_dir / self._settings.ca_file)
        return context


def _is_near(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return not is_public(host)


def _is_reachable(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    plain = getattr(address, "ipv4_mapped", None) or address
    return not (plain.is_link_local or plain.is_multicast or plain.is_unspecified)


def _refusal(status: int, data: bytes) -> TallystickError:
    """A problem document (RFC 9457) as far as it is one; its words are another's, so only a few are passed on."""
    try:
        found = canonical.parse(data, max_bytes=MAX_ANSWER)
    except Invalid:
        found = {}
    told = found if isinstance(found, dict) else {}
    code, words = str(told.get("code", "")), str(told.get("detail") or told.get("title") or status)
    known = code if code.isascii() and code.replace("_", "").isalnum() and len(code) <= 40 else "refused_there"
    return RefusedThere(status, known, "".join(one for one in words[:_MAX_WORDS] if one.isprintable()))
