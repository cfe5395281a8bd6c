"""One URL that speaks Ethereum's JSON-RPC: each request in bounded time and size, each failure one of our errors.

What it says is not to be trusted: not its chain, its length, its depth, nor its head. URLs carry access keys, so that
only :attr:`Endpoint.label` (scheme, host and port) is ever shown, and no error of the HTTP client is passed on.
"""

import itertools
import time
from typing import Any, Literal

import msgspec
from aiohttp import (
    ClientError,
    ClientOSError,
    ClientSession,
    ClientTimeout,
    ServerDisconnectedError,
    TraceConfig,
)

from . import jsonrpc
from .errors import ChainUnavailable, Reverted, RpcRefused, WrongChain
from .hashing import unhex
from .urls import check_url, label_of

TIMEOUT_S = 10.0
MAX_ANSWER = 8 * 2**20  # bytes; a receipt or block of the largest chains has under one
EXECUTION_REVERTED = 3  # JSON-RPC error code that clients give for a revert, with its data
PAUSE_S, MAX_PAUSE_S = 1.0, 60.0  # an endpoint that failed is passed over for so long; doubles with each failure
HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}

Condition = Literal["unknown", "good", "behind", "disagree", "unreachable", "wrong_chain", "reset"]


class EndpointStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How an endpoint does; ``since`` in milliseconds since 1970, ``head`` the newest block that it named."""

    endpoint: str
    state: Condition
    since: int
    head: int | None
    trouble: str | None


class Endpoint:
    """One URL and how it does. ``verify`` before relying on it: it may come back as another chain."""

    def __init__(self, url: str, chain_id: int, *, timeout_s: float = TIMEOUT_S) -> None:
        check_url(url)
        self.label = label_of(url)
        self.head: int | None = None
        self.verified = False
        self._url = url
        self._chain_id = chain_id
        self._timeout = ClientTimeout(total=timeout_s)
        self._session: ClientSession | None = None
        self._ids = itertools.count(1)
        self._state: Condition = "unknown"
        self._since = _now()
        self._trouble: str | None = None
        self._failures = 0
        self._ready_at = 0.0

    @property
    def state(self) -> Condition:
        """How it does."""
        return self._state

    @property
    def refused(self) -> bool:
        """Whether it serves another chain than the one pinned."""
        return self._state in {"wrong_chain", "reset"}

    @property
    def ready_at(self) -> float:
        """Not to be asked before this moment of the monotonic clock, if another one can be."""
        return self._ready_at

    def status(self) -> EndpointStatus:
        """What a person wants to know."""
        return EndpointStatus(
            endpoint=self.label, state=self._state, since=self._since, head=self.head, trouble=self._trouble
        )

    def becomes(self, state: Condition, trouble: str | None = None) -> None:
        """Note how it does; ``since`` moves with the state only."""
        if state != self._state:
            self._state, self._since = state, _now()
        self._trouble = trouble

    async def close(self) -> None:
        """End its connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ask(self, method: str, *parameters: Any) -> Any:
        """One request's result; ChainUnavailable, Reverted or RpcRefused otherwise."""
        try:
            answer = await self._answer(method, parameters)
        except ChainUnavailable as error:
            self._failures += 1
            self._ready_at = time.monotonic() + min(PAUSE_S * 2 ** min(self._failures - 1, 10), MAX_PAUSE_S)
            self.verified = False
            self.becomes("unreachable", error.detail)
            raise
        self._failures, self._ready_at = 0, 0.0
        if self._state in {"unknown", "unreachable"}:
            self.becomes("good")
        if answer.get("error"):
            raise _refused(method, answer["error"])
        return answer.get("result")

    async def verify(self, genesis: str | None) -> str:
        """The hash of its first block; WrongChain unless chain id and, where known, that hash are the pinned ones."""
        self.verified = False
        found = quantity("eth_chainId", await self.ask("eth_chainId"))
        if found != self._chain_id:
            raise self._other(WrongChain(f"{self.label} serves chain {found}, not {self._chain_id}"))
        first = await self.ask("eth_getBlockByNumber", "0x0", False)
        name = str(first.get("hash")).lower() if isinstance(first, dict) else None
        if name is None or len(name) != 66:
            raise ChainUnavailable(f"{self.label} has no first block")
        if genesis is not None and name != genesis.lower():
            said = f"{self.label} serves chain {found} with another first block ({name}): it was reset, or is another"
            raise self._other(WrongChain(said, code="chain_reset"))
        self.verified = True
        if self.refused:
            self.becomes("good")
        return name

    async def newest(self) -> int:
        """Its head. A lower one than before counts only where the block that it named before is gone."""
        number = quantity("eth_blockNumber", await self.ask("eth_blockNumber"))
        if self.head is not None and number < self.head:
            kept = await self.ask("eth_getBlockByNumber", hex(self.head), False)
            number = self.head if isinstance(kept, dict) else number
        self.head = number
        return number

    async def _answer(self, method: str, parameters: tuple[Any, ...]) -> dict[str, Any]:
        sent = msgspec.json.encode(jsonrpc.call(next(self._ids), method, *parameters))
        try:
            connection: dict[str, bool] = {}
            try:
                status, body = await self._post(sent, connection)
            except (ServerDisconnectedError, ClientOSError):
                # A connection that was kept may have ended with its server. Saying it again does no harm: even signed
                # bytes are one transaction, however often they are sent.
                if not connection or not method.startswith("eth_"):
                    raise
                status, body = await self._post(sent, {})
        except jsonrpc.TooLong as error:
            raise ChainUnavailable(f"{self.label} answers {method} with {error}") from None
        except (TimeoutError, OSError, ClientError, ValueError) as error:
            # Its text may hold the URL, so that only its kind is passed on.
            raise ChainUnavailable(f"{self.label} does not answer {method} ({type(error).__name__})") from None
        return self._read(method, status, body)

    async def _post(self, data: bytes, connection: dict[str, bool]) -> tuple[int, bytes]:
        if self._session is None:
            self._session = ClientSession(timeout=self._timeout, headers=HEADERS, trace_configs=[_tracing()])
        # A redirect would carry the key of the URL to somebody else.
        request = self._session.post(self._url, data=data, allow_redirects=False, trace_request_ctx=connection)
        async with request as response:
            return response.status, await jsonrpc.body(response.content, MAX_ANSWER)

    def _read(self, method: str, status: int, body: bytes) -> dict[str, Any]:
        try:
            answer = jsonrpc.read(body)
        except ValueError:
            answer = None
        # Some clients answer a refusal with a status other than 200.
        if not isinstance(answer, dict) or not (answer.get("error") or "result" in answer):
            said = f"HTTP status {status}" if status >= 300 else "no JSON-RPC answer"
            raise ChainUnavailable(f"{self.label} answers {method} with {said}")
        return answer

    def _other(self, error: WrongChain) -> WrongChain:
        self.becomes("reset" if error.code == "chain_reset" else "wrong_chain", error.detail)
        return error


def quantity(method: str, result: Any) -> int:
    """A JSON-RPC quantity; ChainUnavailable for anything else, and for more than 256 bits."""
    try:
        number = int(result, 16)
    except (TypeError, ValueError):
        number = -1
    if not 0 <= number < 2**256:
        raise ChainUnavailable(f"the chain's endpoint answers {method} with no number")
    return number


def _tracing() -> TraceConfig:
    """Notes in a request's context that it went over a connection that was kept."""

    async def reused(session: ClientSession, context: Any, _: Any) -> None:
        context.trace_request_ctx["reused"] = True

    tracing = TraceConfig()
    tracing.on_connection_reuseconn.append(reused)
    return tracing


def _refused(method: str, error: Any) -> RpcRefused | Reverted:
    fields = error if isinstance(error, dict) else {"message": str(error)[:300]}
    message, number, data = str(fields.get("message", ""))[:300], fields.get("code"), fields.get("data")
    if number == EXECUTION_REVERTED or "revert" in message.lower():
        return Reverted(message, data=_custom_error(data))
    return RpcRefused(f"{method}: {message}", number=number if isinstance(number, int) else 0, data=data)


def _custom_error(data: Any) -> bytes | None:
    try:
        return unhex(data)
    except (TypeError, ValueError):
        return None


def _now() -> int:
    return time.time_ns() // 1_000_000
