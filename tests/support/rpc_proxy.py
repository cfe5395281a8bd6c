"""A real HTTP endpoint in front of a chain's own, which misbehaves as it is told to.

``async with RpcProxy(anvil.url) as proxy`` passes every JSON-RPC request on until ``proxy.fault`` is set to one of the
faults below, or to any function of a request and of what passes it on. A fault may be set and taken away at any moment;
requests that hang are let go when it changes. Batches of requests are taken apart, so that a fault sees each by itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from aiohttp import ClientSession, ClientTimeout, web

from support.listening import Listening
from tallystick.ledger.hashing import keccak, to_hex, unhex

Request = dict[str, Any]
Answer = dict[str, Any]
Forward = Callable[[Request], Awaitable[Answer]]
Fault = Callable[[Request, Forward], Awaitable[Answer]]
# Where each method names the block that it asks about.
TAGGED = {
    "eth_getTransactionCount": 1,
    "eth_getBalance": 1,
    "eth_getCode": 1,
    "eth_call": 1,
    "eth_estimateGas": 1,
    "eth_getBlockByNumber": 0,
    "eth_getBlockReceipts": 0,
    "eth_getStorageAt": 2,
    "eth_getProof": 2,
}


class Cut(Exception):
    """Raised by a fault: the connection ends without an answer."""


class Status(Exception):
    """Raised by a fault: the request ends with this HTTP status and body instead of a JSON-RPC answer."""

    def __init__(self, status: int, body: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers


class RpcProxy(Listening):
    """See the module; ``port`` stays the same over ``stop`` and ``start``.

    ``seen`` counts requests by method, ``sent`` are the raw bytes of every transaction that came by.
    """

    def __init__(self, upstream: str) -> None:
        super().__init__()
        self.upstream = upstream
        self.seen: dict[str, int] = {}
        self.sent: set[str] = set()
        self._fault: Fault | None = None
        self._changed = asyncio.Event()
        self._client: ClientSession | None = None

    @property
    def fault(self) -> Fault | None:
        """What it does wrong; None for nothing."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault | None) -> None:
        self._fault = fault
        self._changed.set()
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Listen, and speak to the chain."""
        await super().start()
        self._client = ClientSession(timeout=ClientTimeout(total=30))

    async def stop(self) -> None:
        """Refuse connections from now on."""
        self.fault = self._fault  # lets go what hangs
        await super().stop()
        if self._client is not None:
            await self._client.close()
        self._client = None

    async def hang(self) -> None:
        """Wait until the fault changes; for faults that do not answer."""
        await self._changed.wait()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """What the chain says, unless the fault says otherwise."""
        said = json.loads(await request.text())
        try:
            if isinstance(said, list):
                answer: Any = [await self._one(each) for each in said]
            else:
                answer = await self._one(said)
        except Cut:
            if request.transport is not None:
                request.transport.close()
            return web.Response(status=500)
        except Status as wanted:
            return web.Response(status=wanted.status, text=wanted.body, headers=wanted.headers)
        return web.json_response(answer)

    async def _one(self, request: Request) -> Answer:
        method = str(request.get("method"))
        self.seen[method] = self.seen.get(method, 0) + 1
        if method == "eth_sendRawTransaction":
            self.sent.add(str(request["params"][0]))
        if self._fault is None:
            return await self.forward(request)
        return await self._fault(request, self.forward)

    async def forward(self, request: Request) -> Answer:
        """The chain's own answer."""
        if self._client is None:
            raise Cut
        try:
            async with self._client.post(self.upstream, json=request) as response:
                answer: Answer = await response.json(content_type=None)
        except (OSError, TimeoutError, ValueError) as error:
            raise Status(502, f"the chain behind does not answer: {error}") from error
        return answer


def answer_to(request: Request, result: Any) -> Answer:
    """A JSON-RPC answer."""
    return {"jsonrpc": "2.0", "id": request.get("id"), "result": result}


def refusal_of(request: Request, message: str, code: int = -32000) -> Answer:
    """A JSON-RPC error."""
    return {"jsonrpc": "2.0", "id": request.get("id"), "error": {"code": code, "message": message}}


def other_chain(chain_id: int) -> Fault:
    """Claims to serve another chain."""

    async def fault(request: Request, forward: Forward) -> Answer:
        if request["method"] in {"eth_chainId", "net_version"}:
            return answer_to(request, hex(chain_id) if request["method"] == "eth_chainId" else str(chain_id))
        return await forward(request)

    return fault


def silent(proxy: RpcProxy, methods: Collection[str] = ()) -> Fault:
    """Takes requests (of these methods, or all) and never answers."""

    async def fault(request: Request, forward: Forward) -> Answer:
        if methods and request["method"] not in methods:
            return await forward(request)
        await proxy.hang()
        raise Cut

    return fault


def answers_lost(methods: Collection[str]) -> Fault:
    """Does what is asked, and cuts the connection instead of answering."""

    async def fault(request: Request, forward: Forward) -> Answer:
        answer = await forward(request)
        if request["method"] in methods:
            raise Cut
        return answer

    return fault


def forgetful() -> Fault:
    """Accepts transactions, names their hashes, and passes none on."""

    async def fault(request: Request, forward: Forward) -> Answer:
        if request["method"] == "eth_sendRawTransaction":
            return answer_to(request, to_hex(keccak(unhex(request["params"][0]))))
        return await forward(request)

    return fault


def failing(status: int = 503, body: str = "overloaded", headers: dict[str, str] | None = None) -> Fault:
    """Answers everything with an HTTP status: 429 and 503 are what busy providers send."""

    async def fault(request: Request, forward: Forward) -> Answer:
        raise Status(status, body, headers)

    return fault


def garbled(body: str = "<html>gateway</html>") -> Fault:
    """Answers with something that is no JSON."""
    return failing(200, body)


def refusing(methods: Collection[str], message: str = "internal error", code: int = -32603) -> Fault:
    """Answers these methods with a JSON-RPC error."""

    async def fault(request: Request, forward: Forward) -> Answer:
        return refusal_of(request, message, code) if request["method"] in methods else await forward(request)

    return fault


def lying(method: str, change: Callable[[list[Any], Any], Any]) -> Fault:
    """Changes one method's results: ``change`` takes the parameters and the true result."""

    async def fault(request: Request, forward: Forward) -> Answer:
        answer = await forward(request)
        if request["method"] == method and "result" in answer:
            return answer_to(request, change(request.get("params", []), answer["result"]))
        return answer

    return fault


def lagging(blocks: int) -> Fault:
    """Knows the chain only as it was ``blocks`` blocks ago; transactions it passes on."""

    async def fault(request: Request, forward: Forward) -> Answer:
        method, parameters = request["method"], list(request.get("params", []))
        newest = int(
            (await forward({"jsonrpc": "2.0", "id": 0, "method": "eth_blockNumber", "params": []}))["result"], 16
        )
        known = max(0, newest - blocks)
        if method == "eth_blockNumber":
            return answer_to(request, hex(known))
        place = TAGGED.get(method)
        if place is not None:
            parameters += ["latest"] * (place + 1 - len(parameters))
            tag = parameters[place]
            if tag in {"latest", "pending"}:
                parameters[place] = hex(known)
            elif str(tag).startswith("0x") and len(str(tag)) < 66 and int(tag, 16) > known:
                return answer_to(request, None)
            return await forward({**request, "params": parameters})
        answer = await forward(request)
        if method in {"eth_getTransactionReceipt", "eth_getTransactionByHash", "eth_getBlockByHash"}:
            found = answer.get("result") or {}
            number = found.get("blockNumber", found.get("number"))
            if number is not None and int(number, 16) > known:
                return answer_to(request, None)
        return answer

    return fault


def taking_turns(first: Fault | None, second: Fault | None) -> Fault:
    """Behaves in two ways by turns, as a balancer in front of two nodes does; None is good behaviour."""
    turn = False

    async def fault(request: Request, forward: Forward) -> Answer:
        nonlocal turn
        turn = not turn
        chosen = first if turn else second
        return await forward(request) if chosen is None else await chosen(request, forward)

    return fault
