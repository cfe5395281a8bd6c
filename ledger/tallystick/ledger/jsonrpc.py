"""JSON-RPC over HTTP with servers that nobody vouches for: an answer's size and depth are bounded before it is read."""

from typing import Any

import msgspec
from aiohttp import StreamReader

from tallystick.core.canonical import bound_depth
from tallystick.core.errors import Invalid

MAX_DEPTH = 32
CHUNK = 2**16


class TooLong(ValueError):
    """An answer of more bytes than are taken."""


def call(number: int, method: str, *parameters: Any) -> dict[str, Any]:
    """A request."""
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}


async def body(content: StreamReader, most: int) -> bytes:
    """All of an answer's bytes; TooLong for more than ``most``."""
    data = bytearray()
    async for chunk in content.iter_chunked(CHUNK):
        data += chunk
        if len(data) > most:
            raise TooLong(f"more than {most} bytes")
    return bytes(data)


def read(data: bytes) -> Any:
    """What the bytes say, whatever form it has; ValueError when they are no JSON, or too deep."""
    try:
        bound_depth(data, MAX_DEPTH)  # the reader recurses in C: a deep answer would end the process
        return msgspec.json.decode(data)
    except (Invalid, msgspec.DecodeError) as error:
        raise ValueError(str(error)) from error
