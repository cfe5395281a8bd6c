"""The portal's session: one cookie that scripts cannot read, and a token that other sites cannot send."""

import hashlib
import hmac
import time
from urllib.parse import urlsplit

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from tallystick.core.errors import Forbidden
from tallystick.node.api.ports import Session, Unauthenticated

CSRF_FIELD = "csrf"


def cookie_name(request: Request, *, https: bool) -> str:
    """Cookies do not keep ports apart (RFC 6265 §8.5), and several organisations may run on one machine."""
    prefix = "__Host-" if https else ""
    return f"{prefix}tally_{request.url.port or 'default'}"


def remember(response: Response, request: Request, session: Session, *, https: bool) -> None:
    """Set the session cookie until the session ends."""
    seconds = max(0, session.expires_at // 1000 - int(time.time()))
    response.set_cookie(
        cookie_name(request, https=https),
        session.token,
        max_age=seconds,
        secure=https,
        httponly=True,
        samesite="strict",
    )


def forget(response: Response, request: Request, *, https: bool) -> None:
    """Remove the session cookie."""
    response.delete_cookie(cookie_name(request, https=https), secure=https, httponly=True, samesite="strict")


def token(request: Request, *, https: bool) -> str:
    """The session token of the request's cookie."""
    found = request.cookies.get(cookie_name(request, https=https))
    if not found:
        raise Unauthenticated("sign in first")
    return found


def csrf_token(session_token: str) -> str:
    """What every form must send back; only a page that knows the session can compute it."""
    return hashlib.sha256(b"tallystick/csrf/v1\0" + session_token.encode()).hexdigest()


def check_csrf(session_token: str, form: FormData) -> None:
    """Refuse a form that this session's own pages did not make."""
    given = form.get(CSRF_FIELD)
    if not isinstance(given, str) or not hmac.compare_digest(given, csrf_token(session_token)):
        raise Forbidden("this form was not sent from this page; reload it and try again", code="forged_form")


def check_origin(request: Request) -> None:
    """Refuse a form from another site even where there is no session yet (sign-in, language)."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    foreign_site = site is not None and site not in ("same-origin", "none")
    foreign_origin = origin not in (None, "null") and urlsplit(str(origin)).netloc != request.headers.get("host")
    if foreign_site or foreign_origin:
        raise Forbidden("this form was sent from another site", code="forged_form")
