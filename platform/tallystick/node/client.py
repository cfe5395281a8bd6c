"""A member of staff at a node's REST API: what a browser or an integration may do, and nothing else."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx2

from tallystick.core.errors import TallystickError, Unavailable

API = "/api/v1"
TIMEOUT = 20.0
POLL = 0.1
T = TypeVar("T")


class Refused(TallystickError):
    """The node answered with a problem document (RFC 9457): `status`, `code` and `detail` are what it said."""

    default_code = "refused"

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(
            str(problem.get("detail") or problem.get("title") or status), code=str(problem.get("code", ""))
        )
        self.status = status


class Client:
    """One person's session with one node. Use as a context manager."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._credentials: tuple[str, str] | None = None
        self._http = httpx2.AsyncClient(base_url=url + API, timeout=TIMEOUT, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def sign_in(self, username: str, password: str) -> None:
        """Open a session; its token goes with every later request, and a new one replaces it when it has expired."""
        self._credentials = (username, password)
        self._http.headers.pop("authorization", None)
        session = await self.post("/sessions", {"username": username, "password": password})
        self._http.headers["authorization"] = f"Bearer {session['access_token']}"

    async def get(self, path: str, **query: str | int) -> Any:
        return await self._send("GET", path, params=query)

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return await self._send("POST", path, json=dict(body or {}))

    async def put(self, path: str, body: Mapping[str, Any]) -> Any:
        return await self._send("PUT", path, json=dict(body))

    async def send(self, method: str, path: str, body: Any) -> Any:
        """Any request; no body at all for None."""
        return await self._send(method, path, **({} if body is None else {"json": body}))

    async def upload(self, name: str, media_type: str, data: bytes) -> dict[str, Any]:
        """Store a document at the node; the answer's `document_id` is what task data refers to."""
        answer: dict[str, Any] = await self._send(
            "POST", f"/documents?name={quote(name)}", content=data, headers={"content-type": media_type}
        )
        return answer

    async def items(self, path: str, **query: str | int) -> list[dict[str, Any]]:
        """Every item of a list, page by page."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = await self.get(path, **query, **({"cursor": cursor} if cursor else {}))
            found.extend(page["items"])
            cursor = page.get("next_cursor")
            if not cursor:
                return found

    async def _send(self, method: str, path: str, **rest: Any) -> Any:
        response = await self._request(method, path, **rest)
        if response.status_code == HTTPStatus.UNAUTHORIZED and self._credentials and path != "/sessions":
            await self.sign_in(*self._credentials)
            response = await self._request(method, path, **rest)
        if response.is_success:
            return response.json() if response.content else None
        if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            raise Unavailable(str(_problem(response).get("detail")), code="node_unavailable")
        raise Refused(response.status_code, _problem(response))

    async def _request(self, method: str, path: str, **rest: Any) -> httpx2.Response:
        try:
            return await self._http.request(method, path, **rest)
        except httpx2.TransportError as error:
            raise Unavailable(f"{self.url} does not answer: {error}", code="node_unreachable") from error


def _problem(response: httpx2.Response) -> Mapping[str, Any]:
    if "json" in response.headers.get("content-type", ""):
        body = response.json()
        if isinstance(body, dict):
            return body
    return {"title": response.reason_phrase, "detail": response.text[:500]}


async def until(what: str, look: Callable[[], Awaitable[T | None]], *, within: float = 30.0) -> T:
    """What `look` finds, once it finds something; raises `Unavailable` naming `what` when time is up.

    A node that does not answer is one more thing to wait for.
    """
    deadline = time.monotonic() + within
    while True:
        with contextlib.suppress(Unavailable):
            found = await look()
            if found is not None:
                return found
        if time.monotonic() > deadline:
            raise Unavailable(f"{what} did not happen within {within:.0f} s", code="too_slow")
        await asyncio.sleep(POLL)
