"""One partner, as seen from here: the inbox stream that it fills, and the way into its own."""

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import msgspec
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig

from tallystick.core.errors import Invalid, Unavailable
from tallystick.node.links import acknowledgement, names
from tallystick.node.links.connection import connected
from tallystick.node.links.handling import Handler, Verdict
from tallystick.node.links.pulling import Pull
from tallystick.node.links.settings import MAX_MESSAGE_BYTES, Quota
from tallystick.node.links.tasks import end_tasks

_LOG = logging.getLogger(__name__)

MAX_MESSAGE_ID = 128  # characters; a statement id is 64
_ID_HEADER = "Nats-Msg-Id"
_TRANSPORT_ERRORS = (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError)
_CONSUMER = "node"
_ACK_WAIT_S = 60.0
_DUPLICATE_WINDOW_S = 120.0
_RETRY_S = 0.2
_DROP_S = 5.0
_HANDLER_FAILED_S = 5.0
_NOT_NOW_S = 0.2  # until a message comes again that could not be taken in


class _User(msgspec.Struct, frozen=True):
    account: str = ""


class _UserInfo(msgspec.Struct):
    """What a server says of the connection that asks."""

    data: _User = _User()


class Peer:
    """Keeps the two connections of one partner and moves its messages."""

    def __init__(
        self, *, me: str, partner: str, client_url: str, in_seed: str, out_seed: str, quota: Quota,
        handler: Callable[[], Awaitable[Handler]], replicas: int = 1, tls: ssl.SSLContext | None = None,
        retry_s: float = _RETRY_S, checks_account: bool = False,
    ) -> None:  # fmt: skip
        self.partner = partner
        self.last_error: str | None = None
        self._me = me
        self._url = client_url
        self._in_seed = in_seed
        self._out_seed = out_seed
        self._quota = quota
        self._handler = handler
        self._replicas = replicas
        self._tls = tls
        self._retry_s = retry_s
        self._checks_account = checks_account
        self._out: Client | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._asking: dict[asyncio.Future[Msg], float] = {}  # when each was asked

    def start(self) -> None:
        """Begin connecting; returns at once."""
        self._tasks = [
            asyncio.create_task(self._for_ever(self._inbox), name=f"inbox of {self.partner}"),
            asyncio.create_task(self._for_ever(self._outlet), name=f"link to {self.partner}"),
        ]

    async def stop(self) -> None:
        """Stop and wait for everything that was started."""
        await end_tasks(*self._tasks)
        self._tasks = []

    @property
    def is_connected(self) -> bool:
        """Whether the node reaches its server for this partner."""
        return self._out is not None and self._out.is_connected

    async def send(self, message_id: str, payload: bytes, *, within: float) -> None:
        """Put ``payload`` into the partner's inbox stream, as `Links.send` has it; ``within`` is in seconds."""
        if len(payload) > MAX_MESSAGE_BYTES:
            raise Invalid(f"{len(payload)} bytes are more than the {MAX_MESSAGE_BYTES} of a message", code="too_large")
        check_message_id(message_id)
        try:
            answer = await self._request(message_id, payload, within)
            acknowledgement.check(answer, partner=self.partner, stream=names.stream(self._me))
        except Unavailable as error:
            self.last_error = str(error)
            raise
        self.last_error = None

    async def _request(self, message_id: str, payload: bytes, within: float) -> bytes:
        if self._out is None or not self._out.is_connected:
            raise Unavailable("this node's nats-server is not up", code="link_down")
        subject = names.inbox_subject(self.partner, self._me)
        try:
            reply = await self._answer(
                self._out.request(subject, payload, timeout=within, headers={_ID_HEADER: message_id})
            )
        except nats.errors.NoRespondersError as error:
            raise Unavailable(f"{self.partner} is not linked", code="link_down") from error
        except _TRANSPORT_ERRORS as error:
            raise Unavailable(f"{self.partner} did not acknowledge in {within:g} s", code="no_ack") from error
        return reply.data

    async def _answer(self, request: Coroutine[Any, Any, Msg]) -> Msg:
        """The answer; :class:`Unavailable` when the link is known to have lost the request."""
        asking = asyncio.ensure_future(request)
        self._asking[asking] = time.monotonic()
        try:
            return await asking
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # we are cancelled ourselves, whatever became of it
            raise Unavailable(f"the link to {self.partner} was interrupted", code="link_down") from None
        finally:
            self._asking.pop(asking, None)

    def interrupt(self, before: float) -> None:
        """The link is a new one: what was asked ``before`` (monotonic, seconds) it came is asked in vain."""
        for asking in [one for one, asked in self._asking.items() if asked < before]:
            del self._asking[asking]
            asking.cancel()

    async def _for_ever(self, run: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await run()
            except _TRANSPORT_ERRORS as error:
                _LOG.debug("link with %s: %r", self.partner, error)
            await asyncio.sleep(self._retry_s)

    async def _outlet(self) -> None:
        name = names.out_account(self.partner)
        prefix = names.reply_prefix(self._me)
        async with connected(
            self._url,
            self._out_seed,
            name=name,
            inbox_prefix=prefix,
            tls=self._tls,
            reconnected=self._reconnected,
        ) as client:
            await self._check_account(client, name)
            self._out, self.last_error = client, None
            while not client.is_closed:  # noqa: ASYNC110 - the client has no way to wait for this
                await asyncio.sleep(_RETRY_S)

    async def _reconnected(self) -> None:
        self.interrupt(time.monotonic())
        if self._checks_account and self._out is not None:
            client, self._out = self._out, None
            try:
                await self._check_account(client, names.out_account(self.partner))
                self._out = client
            except _TRANSPORT_ERRORS:
                await client.close()

    async def _inbox(self) -> None:
        pull = Pull(names.stream(self.partner), _CONSUMER)
        account = names.in_account(self.partner)
        async with connected(
            self._url, self._in_seed, name=account, tls=self._tls, reconnected=pull.look_again
        ) as client:
            await self._check_account(client, account)
            context = client.jetstream(timeout=5)
            await self._ensure_stream(context)
            await self._fresh_consumer(context)
            handler = await self._handler()
            await pull.run(client, partial(self._deliver, handler))

    async def _check_account(self, client: Client, wanted: str) -> None:
        """A server without the partner's account may let the node into another one, where others listen and answer."""
        if not self._checks_account:
            return
        reply = await client.request("$SYS.REQ.USER.INFO", timeout=5)
        account = msgspec.json.decode(reply.data, type=_UserInfo).data.account
        if account != wanted:
            self.last_error = f"the cluster lets this node into the account {account[:80]!r} instead of {wanted}"
            raise nats.errors.Error(self.last_error)

    async def _ensure_stream(self, context: JetStreamContext) -> None:
        stream = names.stream(self.partner)
        wanted = StreamConfig(
            name=stream,
            subjects=[names.inbox_subject(self._me, self.partner)],
            retention=RetentionPolicy.WORK_QUEUE,
            discard=DiscardPolicy.NEW,
            storage=StorageType.FILE,
            max_bytes=self._quota.max_bytes,
            max_msgs=self._quota.max_messages,
            max_msg_size=self._quota.max_message_bytes,
            duplicate_window=_DUPLICATE_WINDOW_S,
            num_replicas=self._replicas,
        )
        try:
            await context.stream_info(stream)
            await context.update_stream(wanted)
        except nats.js.errors.NotFoundError:
            await context.add_stream(wanted)

    async def _fresh_consumer(self, context: JetStreamContext) -> None:
        """Begin anew with all that is not settled.

        What an earlier life of the node, or a broken connection, had fetched and not settled would otherwise come only
        after ``ack_wait``; coming twice does no harm.
        """
        stream = names.stream(self.partner)
        with contextlib.suppress(nats.js.errors.NotFoundError):
            await context.delete_consumer(stream, _CONSUMER)
        await context.add_consumer(
            stream,
            ConsumerConfig(durable_name=_CONSUMER, ack_policy=AckPolicy.EXPLICIT, ack_wait=_ACK_WAIT_S, max_deliver=-1),
        )

    async def _deliver(self, handler: Handler, message: Msg) -> None:
        message_id = (message.headers or {}).get(_ID_HEADER, "")
        try:
            check_message_id(message_id)
        except Invalid:
            _LOG.warning("dropped a message without a usable id from %s", self.partner)
            await message.term()
            return
        try:
            verdict = await handler(self.partner, message_id, message.data)
        except Exception:  # a message that breaks the handler must not stop those behind it
            _LOG.exception("the handler failed on a message from %s", self.partner)
            verdict = ("retry", _HANDLER_FAILED_S)
        await _settle(message, verdict)


async def _settle(message: Msg, verdict: Verdict) -> None:
    match verdict:
        case "ack":
            await message.ack()
        case "term":
            await message.term()
        case "nak":
            await message.nak(delay=_NOT_NOW_S)
        case ("retry", seconds):
            await message.nak(delay=seconds)


async def drop_stream(client_url: str, in_seed: str, partner: str) -> None:
    """Delete the stream of a partner that is one no more; raise `Unavailable` if that cannot be done now."""
    try:
        async with (
            asyncio.timeout(_DROP_S),
            connected(client_url, in_seed, name=names.in_account(partner)) as client,
        ):
            with contextlib.suppress(nats.js.errors.NotFoundError):
                await client.jetstream(timeout=_DROP_S).delete_stream(names.stream(partner))
    except _TRANSPORT_ERRORS as error:
        raise Unavailable(f"nats-server does not answer: {error!r}", code="nats_server") from error


def check_message_id(message_id: str) -> None:
    """Raise `Invalid` unless ``message_id`` can stand in a header: 1 to 128 printable ASCII characters, no space."""
    if not 1 <= len(message_id) <= MAX_MESSAGE_ID or not all("!" <= character <= "~" for character in message_id):
        raise Invalid("a message id is 1 to 128 printable ASCII characters", code="message_id")
