"""The organisation's keys and the certificates of its links: rotated, revoked, and what a stolen key signed."""

from datetime import UTC, datetime
from typing import Any

from starlette.responses import RedirectResponse, Response

from tallystick.core.errors import Invalid, TallystickError, WrongState
from tallystick.node.portal.rendering import Visit

REASONS = ("compromised", "lost", "superseded")
POSITIONS = ("proven", "claimed", "after")


async def show(visit: Visit) -> Response:
    """All keys, newest first, and when certificates end."""
    return await _page(visit)


async def rotate(visit: Visit) -> Response:
    """Make a new key the current one."""
    overlap = str((await visit.request.form()).get("overlap") or "")
    try:
        await visit.services.rotate_keys(visit.who, overlap=_number(overlap), sealing=True)
    except Invalid as error:
        return await _page(visit, error, wrong="overlap", overlap=overlap)
    return RedirectResponse("/keys", 303)


async def rotate_link(visit: Visit) -> Response:
    """Replace the key and the authority of the links."""
    try:
        await visit.services.rotate_link(visit.who)
    except WrongState as error:
        return await _page(visit, error, code=409)
    return RedirectResponse("/keys", 303)


async def revoke(visit: Visit) -> Response:
    """End a key."""
    form, kid = await visit.request.form(), visit.request.path_params["kid"]
    try:
        reason = str(form.get("reason") or "")
        if reason not in REASONS:
            raise Invalid("must be one of the reasons", code="bad_reason", pointer="/reason")
        since = _moment(str(form.get("since") or ""))
        await visit.services.revoke_key(visit.who, kid, reason=reason, since=since)
    except Invalid as error:
        return await _page(visit, error, wrong=f"{'since' if error.pointer == '/since' else 'reason'}-{kid}")
    return RedirectResponse("/keys", 303)


async def compromise(visit: Visit) -> Response:
    """A page of what a key signed before and after a moment."""
    kid, query = visit.request.path_params["kid"], visit.request.query_params
    facts: dict[str, Any] = {"org": query.get("org"), "cursor": query.get("cursor")}
    error = None
    try:
        facts["since"] = int(query["at"]) if query.get("at", "").isdecimal() else _moment(query.get("since", ""))
        report = await visit.services.compromise_report(visit.who, kid, **facts)
    except (Invalid, ValueError) as wrong:
        error = wrong if isinstance(wrong, TallystickError) else Invalid("must be a moment", pointer="/since")
        report = await visit.services.compromise_report(visit.who, kid)
    return await visit.page("compromise.html", code=422 if error else 200, report=report, error=error, wrong="since")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise Invalid("must be a number of entries", code="bad_overlap", pointer="/overlap")
    return int(text)


def _moment(text: str) -> int | None:
    """What the browser's field for a date and a time gives, in UTC."""
    if not text:
        return None
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise Invalid("must be a date and a time", code="bad_since", pointer="/since") from error


async def _page(visit: Visit, error: TallystickError | None = None, *, code: int = 422, **shown: str) -> Response:
    keys = await visit.services.keys(visit.who)
    organisation = await visit.services.organisation()
    facts = {"certificates": organisation.get("certificates", []), "reasons": REASONS, "error": error, **shown}
    return await visit.page("keys.html", code=code if error else 200, keys=keys, **facts)
