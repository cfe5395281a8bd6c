"""What an operation of the API is, and how a request becomes one call of its handler."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallystick.core.errors import Forbidden
from tallystick.node.api import reading
from tallystick.node.api.ports import Accounts, Person, Services, Unauthenticated
from tallystick.node.services.repeats import Asked


@dataclass(frozen=True)
class Parts:
    """What handlers may use."""

    services: Services
    accounts: Accounts


@dataclass(frozen=True)
class Call:
    """One authenticated, permitted, fully read request."""

    request: Request
    parts: Parts
    path: dict[str, str]
    body: Any
    query: Any
    person: Person | None
    asked: Asked | None = None  # set where a repeated request is to get its first answer

    @property
    def services(self) -> Services:
        """The facade of this organisation's node."""
        return self.parts.services

    @property
    def who(self) -> Person:
        """The signed-in user; only operations marked ``public`` may be called without one."""
        if self.person is None:
            raise Unauthenticated("sign in first")
        return self.person


Handler = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One row of the API's table; routing, authorisation, reading and OpenAPI all come from it."""

    method: str
    path: str
    handler: Handler
    summary: str
    permission: str | tuple[str, ...] | None = "read"  # of several, one is enough to be heard
    public: bool = False
    body: Any = None
    raw: str | None = None  # media type of a body that the handler streams itself
    query: type | None = None
    status: int = 200
    returns: str = "application/json"
    problems: Sequence[str] = field(default=())
    idempotent_by_key: bool = False

    @property
    def name(self) -> str:
        """The operation id: ``POST /tasks/{task_id}/claim`` is ``post_tasks_claim``."""
        words = [part for part in self.path.split("/") if part and not part.startswith("{")]
        single = ["one"] if self.path.endswith("}") else []
        return "_".join([self.method.lower(), *words, *single])

    @property
    def permissions(self) -> tuple[str, ...]:
        """The permissions of which one is needed; none where every signed-in user may."""
        if self.permission is None:
            return ()
        return (self.permission,) if isinstance(self.permission, str) else self.permission

    @property
    def tag(self) -> str:
        """The first word of the path groups operations in the documentation."""
        return self.path.split("/")[1]


def bearer(request: Request) -> str:
    """The bearer token of RFC 6750; the API reads no cookie, so a browser cannot be made to send one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("send an access token as 'Authorization: Bearer …'")
    return token.strip()


async def perform(operation: Operation, request: Request, parts: Parts) -> Response:
    """Authenticate, authorise, read, call, answer: in that order, so that strangers learn nothing."""
    person = None if operation.public else await parts.accounts.who(bearer(request))
    needed = operation.permissions
    if person is not None and needed and not any(parts.accounts.may(person, one) for one in needed):
        raise Forbidden(f"this needs the permission {' or '.join(needed)}")
    query = reading.query(request, operation.query) if operation.query else None
    body = await reading.json_body(request, operation.body) if operation.body else None
    path = dict(request.path_params)
    key = request.headers.get("idempotency-key") if operation.idempotent_by_key else None
    asked = None
    if person is not None and key is not None:
        asked = Asked.of(person.id, key, msgspec.json.encode([operation.name, path, msgspec.to_builtins(body)]))
    return respond(operation, await operation.handler(Call(request, parts, path, body, query, person, asked)))


def respond(operation: Operation, result: Any) -> Response:
    """What a handler returned as a response; a handler that needs more builds its own."""
    if isinstance(result, Response):
        return result
    if result is None:
        return Response(status_code=204)
    return Response(msgspec.json.encode(result), status_code=operation.status, media_type=operation.returns)


def routes(operations: Sequence[Operation], parts: Parts) -> list[Route]:
    """One route a path, so that a wrong method is answered with every method that is right."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    return [_route(path, methods, parts) for path, methods in by_path.items()]


def _route(path: str, methods: dict[str, Operation], parts: Parts) -> Route:
    async def endpoint(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await perform(methods[method], request, parts)

    return Route(path, endpoint, methods=list(methods))
