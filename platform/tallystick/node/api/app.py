"""The HTTP application of one organisation's node: the REST API under ``/api/v1`` and the portal everywhere else."""

from collections.abc import Awaitable, Callable
from importlib.metadata import version

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from tallystick.core.errors import TallystickError
from tallystick.node.api import docs, openapi, problems
from tallystick.node.api.caching import cached
from tallystick.node.api.events import Streams
from tallystick.node.api.headers import SecurityHeaders
from tallystick.node.api.limits import BodyLimit
from tallystick.node.api.operation import Parts, routes
from tallystick.node.api.ports import Accounts, Services
from tallystick.node.api.table import operations
from tallystick.node.portal.app import create_portal
from tallystick.tenants import did


def create_app(
    services: Services, accounts: Accounts, partner_api: ASGIApp | None = None, *, https: bool = False
) -> Starlette:
    """The ASGI application; ``https`` marks cookies ``Secure`` and asks browsers to stay on TLS.

    ``partner_api`` is what partners' nodes speak to.
    """
    streams = Streams(services)
    return Starlette(
        routes=[
            *_probes(services),
            *_description(streams),
            Route("/.well-known/did.json", _did_document(services)),
            *([Mount("/partner/v1", app=partner_api)] if partner_api else []),
            Mount("/api/v1", app=_api(services, accounts, streams)),
            Mount("/", app=create_portal(services, accounts, streams, https=https)),
        ],
        middleware=[Middleware(SecurityHeaders, https=https), Middleware(BodyLimit)],
        exception_handlers={TallystickError: problems.handle, HTTPException: problems.handle},
    )


def _api(services: Services, accounts: Accounts, streams: Streams) -> Starlette:
    parts = Parts(services, accounts)
    handlers = dict.fromkeys((TallystickError, HTTPException, Exception), problems.handle)
    return Starlette(routes=routes(operations(streams), parts), exception_handlers=handlers)


def _probes(services: Services) -> list[Route]:
    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        """Ready means that the organisation's database answers; the chain may be down, work goes on without it."""
        await services.organisation()
        return JSONResponse({"status": "ready"})

    return [Route("/healthz", healthz), Route("/readyz", readyz)]


def _did_document(services: Services) -> Callable[[Request], Awaitable[Response]]:
    async def did_json(request: Request) -> Response:
        document = await services.did_document()
        return cached(request, msgspec.json.encode(document, order="sorted"), did.MEDIA_TYPE)

    return did_json


def _description(streams: Streams) -> list[Route]:
    description = openapi.describe(operations(streams), version=version("tallystick"))
    html = docs.page(description)

    async def openapi_json(_: Request) -> Response:
        return JSONResponse(description)

    async def docs_page(_: Request) -> Response:
        return HTMLResponse(html)

    return [Route("/openapi.json", openapi_json), Route("/docs", docs_page)]
