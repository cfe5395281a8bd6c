"""Answering a repeated POST with the first answer (draft-ietf-httpapi-idempotency-key-header).

Kept in memory: it covers a client that lost an answer, not a restart of the node. After a restart the client asks
`GET` before it repeats.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.responses import Response

from tallystick.core.errors import Invalid

MAX_KEY = 255
MAX_REPLIES = 1000  # the newest; an answer is at most a few kilobytes

Key = tuple[str, str]


@dataclass(frozen=True)
class Reply:
    """The first request's fingerprint and the answer it got, or will get."""

    fingerprint: bytes
    response: asyncio.Future[Response]


class Replies:
    """The first answers, by user and key."""

    def __init__(self, limit: int = MAX_REPLIES) -> None:
        self._limit = limit
        self._replies: OrderedDict[Key, Reply] = OrderedDict()

    async def once(self, key: Key, request: bytes, action: Callable[[], Awaitable[Response]]) -> Response:
        """Run ``action`` for the first request with ``key``; the same request again gets the same answer."""
        if len(key[1]) > MAX_KEY:
            raise Invalid(f"an Idempotency-Key has at most {MAX_KEY} characters", code="invalid")
        fingerprint = hashlib.sha256(request).digest()
        known = self._replies.get(key)
        if known is None:
            return await self._first(key, fingerprint, action)
        if known.fingerprint != fingerprint:
            raise Invalid("this Idempotency-Key was used for another request", code="idempotency_key_reused")
        return await asyncio.shield(known.response)

    async def _first(self, key: Key, fingerprint: bytes, action: Callable[[], Awaitable[Response]]) -> Response:
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._replies[key] = Reply(fingerprint, future)
        while len(self._replies) > self._limit:
            self._replies.popitem(last=False)
        try:
            response = await action()
        except BaseException as error:
            # A refused request changed nothing, so it may be corrected and sent again under the same key.
            self._replies.pop(key, None)
            _settle(future, error)
            raise
        future.set_result(response)
        return response


def _settle(future: asyncio.Future[Response], error: BaseException) -> None:
    if isinstance(error, asyncio.CancelledError):
        future.cancel()
        return
    future.set_exception(error)
    future.exception()  # marked as read: there may be nobody else waiting for it
