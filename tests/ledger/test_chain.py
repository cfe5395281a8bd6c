"""Whatever an endpoint answers, it is a value or one of our errors, in bounded time."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tallystick.ledger.accounts import Account
from tallystick.ledger.chain import Chain
from tallystick.ledger.contracts import EXECUTION_LEDGER, ORG_REGISTRY
from tallystick.ledger.errors import ChainUnavailable, LedgerError, Reverted, RpcRefused, WrongChain

NOWHERE = "0x" + "11" * 20
GARBAGE: list[Any] = [None, "", "0x", "0xzz", "0x1", 7, [], {}, {"code": "x"}, "0x" + "ff" * 31]
QUESTIONS: list[Callable[[Chain], Awaitable[Any]]] = [
    lambda chain: chain.check(),
    lambda chain: chain.block_number(),
    lambda chain: chain.balance(NOWHERE),
    lambda chain: chain.code(NOWHERE),
    lambda chain: chain.block("latest"),
    lambda chain: chain.view(NOWHERE, EXECUTION_LEDGER, "logOf", bytes(32)),
    lambda chain: chain.view(NOWHERE, ORG_REGISTRY, "adminOf", bytes(32)),
    lambda chain: chain.state_proof(NOWHERE, bytes(32), 1),
]


@contextlib.asynccontextmanager
async def _endpoint(body: bytes, *, hang: bool = False) -> AsyncIterator[Chain]:
    """Serve one body to every request, or nothing at all."""
    connections: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        await reader.readuntil(b"\r\n\r\n")
        if not hang:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n")
            writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
        await reader.read()  # until the client has gone
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    chain = Chain(f"http://127.0.0.1:{port}", 31337, timeout_s=1)
    try:
        yield chain
    finally:
        await chain.close()
        server.close()
        await asyncio.gather(*(each for each in connections if each))


@pytest.mark.parametrize("result", GARBAGE, ids=str)
async def test_garbage_as_a_result_is_one_of_our_errors(result: Any) -> None:
    async with _endpoint(json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode()) as chain:
        for question in QUESTIONS:
            with contextlib.suppress(LedgerError):  # some questions take some garbage for an answer
                await question(chain)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{", b"<html>", b"7", b'{"error": "no"}', b'{"error": []}'])
async def test_what_is_no_answer_is_unavailable(body: bytes) -> None:
    async with _endpoint(body) as chain:
        with pytest.raises((ChainUnavailable, RpcRefused)):
            await chain.block_number()


async def test_an_endpoint_that_hangs_is_unavailable() -> None:
    async with _endpoint(b"", hang=True) as chain:
        with pytest.raises(ChainUnavailable):
            await chain.block_number()


async def test_errors_tell_refusal_from_revert(chain: Chain) -> None:
    with pytest.raises(RpcRefused) as refused:
        await chain.ask("eth_nonsense")
    assert refused.value.number == -32601
    with pytest.raises(Reverted):
        await chain.ask("eth_call", {"data": "0x5f5ffd"}, "latest")  # PUSH0 PUSH0 REVERT


async def test_a_view_of_nothing_is_the_wrong_chain(chain: Chain) -> None:
    with pytest.raises(WrongChain):
        await chain.view(NOWHERE, EXECUTION_LEDGER, "logOf", bytes(32))


async def test_addresses_in_urls_stay_out_of_errors() -> None:
    chain = Chain("http://127.0.0.1:1/secret-project-id", 31337)
    with pytest.raises(ChainUnavailable) as caught:
        await chain.block_number()
    assert "secret" not in str(caught.value)
    await chain.close()


def test_an_account_shows_no_key() -> None:
    private = bytes.fromhex("46" * 32)
    account = Account(private)
    assert account.address == "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F"
    assert "46464646" not in repr(account) + str(vars(account))
    signature = account.sign(bytes(32))
    assert len(signature) == 65
    assert signature[64] in {27, 28}
