"""Sending messages to partners over their partner API.

An endpoint comes from a partner's card, so it is an outsider's word: it is reached over TLS at public addresses, unless
the settings allow its ``host:port`` by name; no redirect is followed, no proxy asked for, and every answer is bounded
in size and time. TLS trusts the system's authorities and the settings' file, or the one authority that the
administrator pinned for the partner.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

import httpcore2
import msgspec

from tallystick.core.errors import Invalid, TallystickError, Unavailable
from tallystick.core.keys import SigningKey
from tallystick.node.activities.addresses import GuardedBackend, Resolver, resolve
from tallystick.node.activities.targets import Target, read_target
from tallystick.node.logs import shown
from tallystick.node.partner_api import rules
from tallystick.node.partner_api.settings import PartnerApiSettings
from tallystick.node.partner_api.signing import signed_headers
from tallystick.node.record.messages import MAX_MESSAGE

logger = logging.getLogger(__name__)
SECONDS = 30.0  # for one message and its answer: a large one is committed and its chunk kept before the answer
MAX_ANSWER = 64_000  # bytes
IDLE_S = 30.0  # that a connection is kept; the node of a partner keeps it longer
_TRANSPORT = (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError, OSError, TimeoutError)


class _Answer(msgspec.Struct):
    """What a partner says of a message; from outside, so that only these members are read."""

    outcome: str = ""
    code: str = ""
    detail: str = ""


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """A partner's endpoint, and the authority pinned for it (PEM)."""

    org_id: str
    endpoint_url: str
    ca_pem: str | None = None


class HttpsClient:
    """Keeps a connection to each partner that is sent to."""

    def __init__(
        self,
        settings: PartnerApiSettings,
        data_dir: Path,
        *,
        org_id: str,
        keys: Callable[[], Sequence[SigningKey]],
        now: Callable[[], int],
        resolver: Resolver = resolve,
    ) -> None:
        self._settings = settings
        self._data_dir = data_dir
        self._org_id = org_id
        self._keys = keys
        self._now = now
        self._backend = GuardedBackend(settings.allowed_hosts, resolver)
        self.states: dict[str, tuple[int, str | None]] = {}  # since when (ms), and what is wrong, by partner
        self._pools: dict[str, tuple[Recipient, httpcore2.AsyncConnectionPool]] = {}

    async def send(self, to: Recipient, payload: bytes) -> None:
        """Return when the partner has settled the message; raise `Unavailable` when it may succeed later."""
        if len(payload) > MAX_MESSAGE:
            raise Invalid(f"{len(payload)} bytes are more than the {MAX_MESSAGE} of a message", code="too_large")
        try:
            target = self._target(to)
            try:
                async with asyncio.timeout(SECONDS):
                    await self._settled(to, target, payload)
            except _TRANSPORT as error:
                raise Unavailable(f"{target.name} does not answer: {_words(error)}", code="no_answer") from error
        except TallystickError as error:
            self._note(to.org_id, error.detail)
            raise
        self._note(to.org_id, None)

    async def close(self) -> None:
        """Close all connections."""
        for _, pool in self._pools.values():
            await pool.aclose()
        self._pools.clear()

    def _note(self, partner: str, trouble: str | None) -> None:
        since, before = self.states.get(partner, (0, None))
        is_same = since and (before is None) == (trouble is None)
        self.states[partner] = (since if is_same else self._now(), trouble)

    async def _settled(self, to: Recipient, target: Target, payload: bytes) -> None:
        pool = await self._pool(to, target)
        # After a rotation a partner may not have our newest card yet: an older key speaks for us as long as its card
        # says so, and where all of those were revoked, the root key that signs the card itself.
        for key in self._keys():
            status, answer = await self._ask(pool, target, key, payload)
            if status not in {401, 403} or answer.code != "bad_signature":
                break
        if answer.outcome == "reject":
            logger.warning("%s refuses a message: %s: %s", to.org_id, answer.code, answer.detail)
        elif status not in {200, 202}:
            told = f": {answer.code}: {answer.detail}" if answer.code else ""
            raise Unavailable(f"{to.org_id} answers {status}{told}", code="not_taken")

    async def _ask(
        self, pool: httpcore2.AsyncConnectionPool, target: Target, key: SigningKey, payload: bytes
    ) -> tuple[int, _Answer]:
        url = target.origin + target.url.target.decode("ascii")
        signed = signed_headers(key, self._org_id, url, payload, self._now())
        lines = [(b"host", target.host_header), (b"accept-encoding", b"identity")]
        lines += [(name.encode(), value.encode()) for name, value in signed.items()]
        async with pool.stream("POST", target.url, headers=lines, content=payload) as response:
            body = bytearray()
            async for part in response.aiter_stream():
                body += part
                if len(body) > MAX_ANSWER:
                    raise Unavailable(f"{target.name} answers with more than {MAX_ANSWER} bytes", code="no_answer")
        return response.status, _read(bytes(body))

    async def _pool(self, to: Recipient, target: Target) -> httpcore2.AsyncConnectionPool:
        held = self._pools.get(to.org_id)
        if held is not None and held[0] == to:
            return held[1]
        context = await asyncio.to_thread(self._context, to) if target.scheme == "https" else None
        pool = httpcore2.AsyncConnectionPool(
            network_backend=self._backend, ssl_context=context, max_connections=2, keepalive_expiry=IDLE_S
        )
        self._pools[to.org_id] = (to, pool)
        if held is not None:
            await held[1].aclose()
        return pool

    def _target(self, to: Recipient) -> Target:
        try:
            target = read_target(rules.inbox_url(to.endpoint_url))
        except TallystickError as error:
            raise Unavailable(f"the endpoint of {to.org_id} {error.detail}", code="bad_endpoint") from error
        if target.scheme != "https" and target.name.lower() not in self._allowed:
            detail = f"{target.name} has no TLS; partner_api.allowed_hosts may allow it"
            raise Unavailable(detail, code="not_allowed")
        return target

    @property
    def _allowed(self) -> set[str]:
        return {one.lower() for one in self._settings.allowed_hosts}

    def _context(self, to: Recipient) -> ssl.SSLContext:
        if to.ca_pem is not None:
            return ssl.create_default_context(cadata=to.ca_pem)
        context = ssl.create_default_context()
        if self._settings.ca_file:
            context.load_verify_locations(self._data_dir / self._settings.ca_file)
        return context


def _read(body: bytes) -> _Answer:
    """What a partner says; its words are kept and shown, so nothing in them may steer a terminal or a log."""
    try:
        said = msgspec.json.decode(body, type=_Answer)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return _Answer()
    return msgspec.structs.replace(said, code=shown(said.code[:100]), detail=shown(said.detail[:300]))


def _words(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:200]
