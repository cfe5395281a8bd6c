"""The portal: the table of its pages, who may see them, and how its errors look."""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tallystick.core.errors import Forbidden, TallystickError
from tallystick.node.api import problems
from tallystick.node.api.events import Streams
from tallystick.node.api.language import preferred
from tallystick.node.api.ports import Accounts, Services
from tallystick.node.portal import session
from tallystick.node.portal.pages import (
    access_tokens,
    changes,
    collaborations,
    definitions,
    documents,
    executions,
    inbox,
    keys,
    live,
    notifications,
    partners,
    signing_in,
    steering,
    task_queues,
    users,
    verify,
    waits,
)
from tallystick.node.portal.pages import chain as chain_page
from tallystick.node.portal.rendering import Portal, Visit, environment, render
from tallystick.tenants.sessions import NotSignedIn

log = logging.getLogger(__name__)

STATIC_FOLDER = Path(__file__).with_name("static")
Page = Callable[[Visit], Awaitable[Response]]
OpenPage = Callable[[Portal, Request], Awaitable[Response]]

# path, page, permission: what is read
PAGES: tuple[tuple[str, Page, str], ...] = (
    ("/", inbox.home, "read"),
    ("/inbox", inbox.show, "read"),
    ("/tasks/{task_id}", inbox.task, "read"),
    ("/collaborations", collaborations.show, "read"),
    ("/collaborations/new", collaborations.new, "create_collaboration"),
    ("/collaborations/{collaboration_id}", collaborations.one, "read"),
    ("/collaborations/{collaboration_id}/changes", changes.show, "read"),
    ("/definitions", definitions.show, "read"),
    ("/definitions/{definition_id}", definitions.one, "read"),
    ("/executions", executions.show, "read"),
    ("/executions/{execution_id}", executions.one, "read"),
    ("/waiting", waits.show, "read"),
    ("/executions/{execution_id}/evidence", executions.evidence, "verify"),
    ("/documents", documents.show, "read"),
    ("/documents/{document_id}/content", documents.content, "read"),
    ("/notifications", notifications.show, "read"),
    ("/verify", verify.show, "verify"),
    ("/chain", chain_page.show, "read"),
    ("/task-queues", task_queues.show, "work_on_queues"),
    ("/task-queues/tasks", task_queues.one, "read"),
    ("/access-tokens", access_tokens.show, "administer"),
    ("/users", users.show, "administer"),
    ("/keys", keys.show, "read"),
    ("/keys/{kid}/compromise", keys.compromise, "verify"),
    ("/partners", partners.show, "read"),
    ("/partners/{org_id}", partners.one, "read"),
    ("/partners/{org_id}/answer", partners.answer_file, "administer"),
    ("/partners/invitations/{invitation_id}/file", partners.invitation_file, "administer"),
    ("/events", live.events, "read"),
)

# path, page, permission: what changes something; every one is a form that carries the session's token
FORMS: tuple[tuple[str, Page, str], ...] = (
    ("/tasks/{task_id}/claim", inbox.claim, "work_on_tasks"),
    ("/tasks/{task_id}/release", inbox.release, "work_on_tasks"),
    ("/tasks/{task_id}/complete", inbox.complete, "work_on_tasks"),
    ("/tasks/{task_id}/fail", inbox.fail, "work_on_tasks"),
    ("/tasks/{task_id}/cancel", inbox.cancel, "work_on_tasks"),
    ("/tasks/{task_id}/approve", inbox.approve, "work_on_tasks"),
    ("/tasks/{task_id}/reject", inbox.reject, "work_on_tasks"),
    ("/collaborations", collaborations.propose, "create_collaboration"),
    ("/collaborations/{collaboration_id}/consent", collaborations.consent, "give_consent"),
    ("/collaborations/{collaboration_id}/changes", changes.propose, "create_collaboration"),
    ("/collaborations/{collaboration_id}/start", collaborations.start, "create_collaboration"),
    ("/collaborations/{collaboration_id}/terminate", collaborations.terminate, "create_collaboration"),
    ("/definitions", definitions.add, "create_collaboration"),
    ("/definitions/{definition_id}/executions", definitions.start, "create_collaboration"),
    ("/definitions/{definition_id}/deprecate", definitions.deprecate, "create_collaboration"),
    ("/executions/{execution_id}/verify", executions.verify, "verify"),
    ("/executions/{execution_id}/signals", steering.signal, "work_on_tasks"),
    ("/executions/{execution_id}/suspend", steering.suspend, "create_collaboration"),
    ("/executions/{execution_id}/resume", steering.resume, "create_collaboration"),
    ("/executions/{execution_id}/cancel", steering.cancel, "create_collaboration"),
    ("/tasks/{task_id}/retry", steering.retry, "work_on_tasks"),
    ("/notifications/{notification_id}/acknowledge", notifications.acknowledge, "work_on_tasks"),
    ("/clock", users.accept_clock, "administer"),
    ("/verify", verify.check, "verify"),
    ("/access-tokens", access_tokens.add, "administer"),
    ("/access-tokens/{token_id}/remove", access_tokens.remove, "administer"),
    ("/users", users.add, "administer"),
    ("/users/{username}/groups", users.set_groups, "administer"),
    ("/keys", keys.rotate, "administer"),
    ("/keys/link", keys.rotate_link, "administer"),
    ("/keys/{kid}/revoke", keys.revoke, "administer"),
    ("/partners/invitations", partners.invite, "administer"),
    ("/partners/invitations/{invitation_id}/withdraw", partners.withdraw, "administer"),
    ("/partners/accept", partners.accept, "administer"),
    ("/partners/answers", partners.answer, "administer"),
    ("/partners/{org_id}/confirm", partners.confirm, "administer"),
    ("/partners/{org_id}/suspend", partners.suspend, "administer"),
    ("/partners/{org_id}/resume", partners.resume, "administer"),
    ("/partners/{org_id}/remove", partners.remove, "administer"),
    ("/partners/{org_id}/transport", partners.transport, "administer"),
    ("/sign-out", signing_in.sign_out, ""),
)

OPEN: tuple[tuple[str, str, OpenPage], ...] = (
    ("GET", "/sign-in", signing_in.show),
    ("POST", "/sign-in", signing_in.submit),
    ("POST", "/language", signing_in.language),
)


def create_portal(services: Services, accounts: Accounts, streams: Streams, *, https: bool) -> Starlette:
    """The portal as an ASGI application with error pages of its own."""
    portal = Portal(services, accounts, streams, environment(), https)

    async def on_error(request: Request, error: Exception) -> Response:
        return await _error(portal, request, error)

    return Starlette(
        routes=[
            Mount("/static", app=StaticFiles(directory=STATIC_FOLDER)),
            *[Route(path, _open(portal, page), methods=[method]) for method, path, page in OPEN],
            *[Route(path, _page(portal, page, needs), methods=["GET"]) for path, page, needs in PAGES],
            *[Route(path, _form(portal, page, needs), methods=["POST"]) for path, page, needs in FORMS],
        ],
        exception_handlers={TallystickError: on_error, HTTPException: on_error, Exception: on_error},
    )


def _open(portal: Portal, page: OpenPage) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await page(portal, request)

    return endpoint


def _page(portal: Portal, page: Page, permission: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await page(await _visit(portal, request, permission))

    return endpoint


def _form(portal: Portal, page: Page, permission: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        visit = await _visit(portal, request, permission)
        session.check_origin(request)
        async with request.form(max_files=20, max_fields=400, max_part_size=1024 * 1024) as form:
            session.check_csrf(visit.token, form)
            return await page(visit)

    return endpoint


async def _visit(portal: Portal, request: Request, permission: str) -> Visit:
    token = session.token(request, https=portal.https)
    visit = Visit(portal, request, await portal.accounts.who(token), token)
    if permission and not visit.may(permission):
        raise Forbidden(f"this needs the permission {permission}")
    return visit


async def _error(portal: Portal, request: Request, error: Exception) -> Response:
    """An error as a page; whoever is not signed in is asked to sign in and comes back."""
    if isinstance(error, NotSignedIn):
        return _to_sign_in(request)
    if problems.problem_of(error).code == "internal":
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    language = preferred(request.cookies.get("language"), accept=request.headers.get("accept-language"))
    document = problems.document(error, language)
    return render(portal, request, "error.html", code=document["status"], problem=document)


def _to_sign_in(request: Request) -> Response:
    if request.headers.get("hx-request"):
        # A fragment cannot become the sign-in page; htmx is told to leave the whole page for it.
        return Response(status_code=401, headers={"hx-redirect": "/sign-in"})
    if request.method == "GET" and request.url.path not in ("/", "/events"):
        return RedirectResponse(f"/sign-in?next={request.url.path}", 303)
    return RedirectResponse("/sign-in", 303)
