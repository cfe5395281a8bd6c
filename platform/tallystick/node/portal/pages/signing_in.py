"""Signing in (with a password or a one-time link), signing out, and the language switch."""

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tallystick.core.errors import TallystickError
from tallystick.node.api.language import supported
from tallystick.node.portal import session
from tallystick.node.portal.language import COOKIE
from tallystick.node.portal.rendering import Portal, Visit, render
from tallystick.tenants.sessions import NotSignedIn

A_YEAR_S = 365 * 24 * 3600


def local(target: object) -> str:
    """A path of this portal to go on to; anything that could leave it becomes the start page."""
    path = str(target or "/")
    parts = urlsplit(path)
    is_local = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc and not parts.scheme
    return path if is_local and path.isprintable() else "/"


async def show(portal: Portal, request: Request) -> Response:
    """The sign-in page. A link's secret comes in the fragment, so no server log or Referer ever holds it."""
    return await _page(portal, request, 200)


async def submit(portal: Portal, request: Request) -> Response:
    """Sign in and go on to the page that was wanted."""
    session.check_origin(request)
    async with request.form(max_files=0, max_fields=10) as form:
        link, username, password = (str(form.get(name) or "") for name in ("link", "username", "password"))
        target = local(form.get("next"))
    try:
        made = await (portal.accounts.sign_in_with_link(link) if link else portal.accounts.sign_in(username, password))
    except NotSignedIn as error:
        return await _page(portal, request, 401, error, username)
    response = RedirectResponse(target, 303)
    session.remember(response, request, made, https=portal.https)
    return response


async def sign_out(visit: Visit) -> Response:
    """End the session here and at the node."""
    await visit.portal.accounts.sign_out(visit.token)
    response = RedirectResponse("/sign-in", 303)
    session.forget(response, visit.request, https=visit.portal.https)
    return response


async def language(portal: Portal, request: Request) -> Response:
    """Remember the language that was switched to and go back."""
    session.check_origin(request)
    async with request.form(max_files=0, max_fields=10) as form:
        wanted, target = supported(str(form.get("language") or "")), local(form.get("next"))
    response = RedirectResponse(target, 303)
    if wanted:
        response.set_cookie(COOKIE, wanted, max_age=A_YEAR_S, secure=portal.https, httponly=True, samesite="lax")
    return response


async def _page(
    portal: Portal, request: Request, status: int, error: TallystickError | None = None, username: str = ""
) -> Response:
    organisation = await portal.services.organisation()
    following = local(request.query_params.get("next"))
    return render(
        portal, request, "sign_in.html", code=status,
        error=error, username=username, following=following, organisation=organisation,
    )  # fmt: skip
