"""The partner API as a partner meets it: the same messages as over NATS, into the same inbox, for the same answers.

``POST /partner/v1/inbox`` answers when the outcome is durable:

- 200 ``{"outcome": "confirm"}``, 202 ``{"outcome": "wait", "code", "detail"}``: taken, do not send it again;
- a problem with ``"outcome": "reject"``: refused for good, do not send it again; statements and agreements also get a
  signed refusal by the way that this organisation sends to the partner;
- any other problem: nothing was done; 401 and 403 need somebody's care, 429 and 503 say when to come again.

One message of a partner at a time, in the order of arrival; a few wait, and a partner who sends more suffers alone.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick.core.errors import Invalid, TallystickError, Unavailable
from tallystick.node.api import problems, reading
from tallystick.node.api.language import preferred
from tallystick.node.partner_api import rules
from tallystick.node.partner_api.verifying import Fields, Signed, check_body, check_header
from tallystick.node.record import messages, nonces
from tallystick.node.record.nonces import Nonce
from tallystick.node.record.quota import QuotaExceeded
from tallystick.node.work.committer import Committer
from tallystick.node.work.inbox import Inbox, Outcome
from tallystick.tenants.partners import Partners

logger = logging.getLogger(__name__)
MAX_AT_ONCE = 8  # requests of one partner; the relay of a node sends one after the other
BODY_S = 20.0  # for the largest body that is 45 kB/s
FORGET_MS = 60_000  # between two looks for nonces that no longer matter


class PartnerApi:
    """Takes partners' requests for one organisation, whose own address (``endpoint_url``) they are signed for."""

    def __init__(
        self,
        *,
        org_id: str,
        endpoint_url: str,
        partners: Partners,
        inbox: Inbox,
        committer: Committer,
        now: Callable[[], int],
        card: Callable[[], Awaitable[dict[str, Any]]],
    ) -> None:
        self._org_id = org_id
        self._url = rules.inbox_url(endpoint_url)
        self._partners = partners
        self._inbox = inbox
        self._committer = committer
        self._now = now
        self._card = card
        self._lines: dict[str, _Line] = {}
        self._seen: dict[str, int] = {}
        self._forgot_at = 0

    def app(self) -> Starlette:
        """The ASGI application, to be mounted at ``/partner/v1``."""
        handlers = dict.fromkeys((TallystickError, HTTPException, Exception), problems.handle)
        routes = [Route("/inbox", self._take, methods=["POST"]), Route("/card", self._own_card)]
        return Starlette(routes=routes, exception_handlers=handlers)

    async def _own_card(self, _: Request) -> Response:
        return JSONResponse(await self._card())

    async def _take(self, request: Request) -> Response:
        signed = await asyncio.to_thread(self._opened, request)
        _check_media_type(signed, request)
        async with self._turn(signed.partner):
            body = await _body(request)
            check_body(signed, body)
            name = messages.message_id(self._org_id, body)
            outcome = await self._outcome(signed, name, body)
        return _answer(request, outcome)

    def _opened(self, request: Request) -> Signed:
        """The request's header, if it is that of a partner who may speak and it was not taken before."""
        fields = Fields(request.scope["headers"])
        signed = check_header(request.method, self._url, fields, now_ms=self._now(), key_of=self._partners.key)
        self._partners.card(signed.partner)  # raises for one that is suspended; only the partner itself learns of it
        with self._partners.looking() as session:
            if nonces.is_known(session, _nonce(signed)):
                raise problems.NotSigned("a request under this nonce was taken before", code="replayed")
        return signed

    async def _outcome(self, signed: Signed, name: str, body: bytes) -> Outcome:
        try:
            outcome = await self._inbox.take(signed.partner, name, body, _nonce(signed))
        except nonces.Replayed as error:
            raise problems.NotSigned(error.detail, code=error.code) from error
        except QuotaExceeded as error:
            raise problems.OverQuota(error.detail) from error
        except TallystickError as error:
            logger.warning("message %s from %s is held back: %s", name, signed.partner, error)
            raise Unavailable("this organisation cannot take messages in now", code="unavailable") from error
        if outcome.word == "full":
            raise problems.OverQuota("too many messages of this partner wait here for something else")
        await self._tidy(signed.partner)
        return outcome

    @asynccontextmanager
    async def _turn(self, partner: str) -> AsyncIterator[None]:
        line = self._lines.setdefault(partner, _Line())
        if line.length >= MAX_AT_ONCE:
            raise problems.OverQuota(f"{MAX_AT_ONCE} requests of this partner are under way")
        line.length += 1
        try:
            async with line.lock:
                yield
        finally:
            line.length -= 1

    async def _tidy(self, partner: str) -> None:
        """Now and then: note who was here, and drop nonces that no longer matter."""
        now = self._now()
        self._seen[partner] = now
        if now - self._forgot_at > FORGET_MS:
            self._forgot_at = now
            seen, self._seen = self._seen, {}
            await asyncio.to_thread(self._partners.seen, seen)
            await self._committer.run(lambda unit: nonces.forget(unit, now))


class _Line:
    """A partner's requests that are under way: one is served, the others wait."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.length = 0


def _nonce(signed: Signed) -> Nonce:
    return Nonce(partner=signed.partner, value=signed.nonce, until=signed.until)


def _check_media_type(signed: Signed, request: Request) -> None:
    if signed.covered['"content-type"'].partition(";")[0].strip().lower() != rules.MEDIA_TYPE:
        raise problems.UnsupportedMediaType("a message is application/json")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise problems.UnsupportedMediaType("a message travels without a content coding")


async def _body(request: Request) -> bytes:
    try:
        async with asyncio.timeout(BODY_S):
            return await reading.bounded(request, messages.MAX_MESSAGE)
    except TimeoutError as error:
        raise problems.TooSlow(f"a body comes within {BODY_S:.0f} s") from error


def _answer(request: Request, outcome: Outcome) -> Response:
    error = outcome.error
    if outcome.word == "reject" and isinstance(error, Invalid):
        language = preferred(accept=request.headers.get("accept-language"))
        return problems.answer({**problems.document(error, language), "outcome": "reject"})
    said = {"outcome": outcome.word} | ({"code": error.code, "detail": error.detail[:500]} if error else {})
    return JSONResponse(said, 202 if outcome.word == "wait" else 200)
