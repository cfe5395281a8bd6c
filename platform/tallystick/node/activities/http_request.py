"""``http_request``: one HTTP request to where this organisation lets its activities go."""

import asyncio
import base64
import json
import re
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Literal

import httpcore2
import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from tallystick.core.canonical import MAX_DEPTH, MAX_INTEGER, bound_depth
from tallystick.core.errors import Invalid, TallystickError
from tallystick.node.activities.addresses import GuardedBackend, Resolver, resolve
from tallystick.node.activities.call import Call, Input, invalid, read_input
from tallystick.node.activities.failing import ActivityFailed
from tallystick.node.activities.settings import HttpSettings
from tallystick.node.activities.targets import Target, read_target
from tallystick.tenants.files import read_private

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}\Z")
_VALUE = re.compile(r"[\x20-\x7e\x80-\xff]{0,4000}\Z")
_OURS = ("host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect")
_OURS_TOO = ("accept-encoding", "idempotency-key", "proxy-authorization", "proxy-connection", "keep-alive")
_TOLD = ("content-type", "etag", "last-modified", "location", "retry-after")  # never Set-Cookie, which is a secret
_TRY_AGAIN = (408, 425, 429)
_MAX_DEPTH = MAX_DEPTH - 4  # the answer stands inside a document of the record
Status = Annotated[int, Meta(ge=200, le=599)]


class HttpRequest(Input, frozen=True):
    """Its input. ``body`` is text, ``json`` any value; without ``expected_statuses`` every 2xx is good.

    ``credential`` names one of the settings' credentials, which is added to the headers.
    """

    url: Annotated[str, Meta(min_length=1, max_length=4000)]
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    headers: Annotated[dict[str, str], Meta(max_length=50)] = field(default_factory=dict)
    body: Annotated[str, Meta(max_length=500_000)] | None = None
    json: Any | UnsetType = UNSET
    expected_statuses: Annotated[list[Status], Meta(max_length=50)] = field(default_factory=list)
    timeout_seconds: Annotated[int, Meta(ge=1, le=3600)] | None = None
    credential: str | None = None


class HttpAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Its result: one of ``json`` (decimals as strings), ``body`` (text) and ``body_base64``, when there is a body."""

    status: int
    headers: dict[str, str]
    json: Any | UnsetType = UNSET
    body: str | UnsetType = UNSET
    body_base64: str | UnsetType = UNSET


class HttpActivity:
    """The activity of one organisation; it follows no redirect, asks the environment for no proxy, keeps no cookie."""

    def __init__(self, settings: HttpSettings, data_dir: Path, *, resolver: Resolver = resolve) -> None:
        self._settings = settings
        self._data_dir = data_dir
        self._backend = GuardedBackend(settings.allowed_hosts, resolver)
        self._tls: ssl.SSLContext | None = None

    async def __call__(self, call: Call) -> dict[str, Any]:
        """Send the request; the token of the call goes with it as ``Idempotency-Key``."""
        asked = read_input(call.input, HttpRequest)
        target = read_target(asked.url)
        content = _content(asked)
        headers = {**_headers(asked), "idempotency-key": call.token, **await self._credential(asked, target)}
        seconds = min(asked.timeout_seconds or self._settings.max_seconds, self._settings.max_seconds)
        try:
            async with asyncio.timeout(seconds):
                answer = await self._exchange(asked, target, headers, content)
        except (TimeoutError, httpcore2.TimeoutException) as error:
            raise ActivityFailed(f"{target.name} did not answer within {seconds} s", code="too_slow") from error
        except httpcore2.ProtocolError as error:
            raise ActivityFailed(f"{target.name} does not speak HTTP", code="bad_answer") from error
        except (httpcore2.NetworkError, OSError) as error:
            raise ActivityFailed(f"{target.name} is not reached", code="unreachable") from error
        built: dict[str, Any] = msgspec.to_builtins(answer)
        return built

    async def _exchange(
        self, asked: HttpRequest, target: Target, headers: dict[str, str], content: bytes | None
    ) -> HttpAnswer:
        lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        lines = [(b"host", target.host_header), *lines, (b"accept-encoding", b"identity"), (b"connection", b"close")]
        context = await asyncio.to_thread(self._context) if target.scheme == "https" else None
        async with (
            httpcore2.AsyncConnectionPool(network_backend=self._backend, ssl_context=context) as pool,
            pool.stream(asked.method, target.url, headers=lines, content=content) as response,
        ):
            _check_status(asked, target, response.status)
            return await self._read(target, response)

    async def _read(self, target: Target, response: httpcore2.Response) -> HttpAnswer:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise ActivityFailed(f"{target.name} compressed its answer unasked", code="bad_answer")
        body = bytearray()
        stream: AsyncIterator[bytes] = response.aiter_stream()
        async for part in stream:
            body += part
            if len(body) > self._settings.max_bytes:
                detail = f"{target.name} answered with more than {self._settings.max_bytes} bytes"
                raise ActivityFailed(detail, code="too_large")
        told = {name: headers[name][:1000] for name in _TOLD if name in headers}
        return HttpAnswer(status=response.status, headers=told, **_body(bytes(body), headers.get("content-type", "")))

    async def _credential(self, asked: HttpRequest, target: Target) -> dict[str, str]:
        if asked.credential is None:
            return {}
        credential = self._settings.credentials.get(asked.credential)
        if credential is None:
            raise ActivityFailed("the settings hold no credential of that name", code="not_configured")
        if credential.origin.rstrip("/").lower() != target.origin:
            raise ActivityFailed("that credential is for another origin", code="not_allowed")
        path = self._data_dir / credential.file
        try:
            data = await asyncio.to_thread(read_private, path, max_bytes=4000)
            value = data.decode().strip()
        except (OSError, UnicodeDecodeError, TallystickError) as error:
            raise ActivityFailed("the credential's file cannot be read", code="not_configured") from error
        if not _VALUE.match(value):
            raise ActivityFailed("the credential's file holds more than one header value", code="not_configured")
        return {credential.header.lower(): value}

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            context = ssl.create_default_context()
            if self._settings.ca_file:
                context.load_verify_locations(self._data_dir / self._settings.ca_file)
            self._tls = context
        return self._tls


def _content(asked: HttpRequest) -> bytes | None:
    if asked.json is not UNSET:
        if asked.body is not None:
            raise invalid("body and json exclude each other", "/json")
        return msgspec.json.encode(asked.json)
    return None if asked.body is None else asked.body.encode()


def _headers(asked: HttpRequest) -> dict[str, str]:
    headers: dict[str, str] = {} if asked.json is UNSET else {"content-type": "application/json"}
    for name, value in asked.headers.items():
        if not _TOKEN.match(name) or name.lower() in {*_OURS, *_OURS_TOO}:
            raise invalid("is not a header that a step can set", f"/headers/{name[:100]}")
        if not _VALUE.match(value):
            raise invalid("has a character that no header holds", f"/headers/{name}")
        headers[name.lower()] = value
    return headers


def _check_status(asked: HttpRequest, target: Target, status: int) -> None:
    good = status in asked.expected_statuses if asked.expected_statuses else 200 <= status < 300
    if not good:
        again = status >= 500 or status in _TRY_AGAIN
        raise ActivityFailed(f"{target.name} answered {status}", code="server_error" if again else "unexpected_status")


def _body(body: bytes, content_type: str) -> dict[str, Any]:
    media_type = content_type.partition(";")[0].strip().lower()
    if not body:
        return {}
    if media_type == "application/json" or media_type.endswith("+json"):
        return {"json": _json(body)}
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}


def _json(body: bytes) -> Any:
    """The record holds no floats and no wider integers than 53 bits: those become strings of their digits."""

    def integer(digits: str) -> int | str:
        return int(digits) if len(digits) < 18 and abs(int(digits)) <= MAX_INTEGER else digits

    try:
        bound_depth(body, _MAX_DEPTH)  # the parser recurses in C: a hostile answer would end the whole node
        return json.loads(body, parse_float=str, parse_int=integer, parse_constant=str)
    except (ValueError, RecursionError, Invalid) as error:
        raise ActivityFailed("the answer says that it is JSON and is not", code="bad_answer") from error
