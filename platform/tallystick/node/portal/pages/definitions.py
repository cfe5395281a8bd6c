"""Definitions that this organisation keeps: their versions, what starts them, and a start by hand."""

from starlette.responses import RedirectResponse, Response

from tallystick.core.errors import Invalid, WrongState
from tallystick.node.portal.pages.collaborations import json_object
from tallystick.node.portal.rendering import Visit


async def show(visit: Visit) -> Response:
    """All versions, newest first."""
    return await _list(visit)


async def add(visit: Visit) -> Response:
    """Keep what was entered; what is wrong comes back with the text as it was."""
    text = str((await visit.request.form()).get("definition") or "")
    try:
        made = await visit.services.add_definition(visit.who, json_object(text, "/definition"))
    except (Invalid, WrongState) as error:
        return await _list(visit, code=422 if isinstance(error, Invalid) else 409, definition=text, error=error)
    return RedirectResponse(f"/definitions/{made['definition_id']}", 303)


async def one(visit: Visit) -> Response:
    """One definition."""
    return await _one(visit)


async def start(visit: Visit) -> Response:
    """Start an execution of a version by its api trigger."""
    form = await visit.request.form()
    version, text = str(form.get("version") or "") or None, str(form.get("input") or "{}")
    try:
        made = await visit.services.start_definition(
            visit.who, _key(visit), json_object(text, "/input"), version=version
        )
    except (Invalid, WrongState) as error:
        return await _one(visit, code=422 if isinstance(error, Invalid) else 409, entered=text, error=error)
    return RedirectResponse(f"/collaborations/{made['collaboration_id']}", 303)


async def deprecate(visit: Visit) -> Response:
    """Let nothing more start from a version."""
    version = str((await visit.request.form()).get("version") or "")
    if not version:
        raise Invalid("choose a version", code="missing", pointer="/version")
    await visit.services.deprecate_definition(visit.who, _key(visit), version)
    return RedirectResponse(f"/definitions/{_key(visit)}", 303)


async def _list(
    visit: Visit, *, code: int = 200, definition: str = "", error: Invalid | WrongState | None = None
) -> Response:
    page = await visit.services.definitions(visit.who, cursor=visit.request.query_params.get("cursor"))
    return await visit.page("definitions.html", code=code, definitions=page, definition=definition, error=error)


async def _one(
    visit: Visit, *, code: int = 200, entered: str = "{}", error: Invalid | WrongState | None = None
) -> Response:
    cursor = visit.request.query_params.get("cursor")
    found = await visit.services.definition(visit.who, _key(visit), limit=20, cursor=cursor)
    startable = [version["version"] for version in found["items"] if _startable(version)]
    facts = {"definition": found, "startable": startable, "entered": entered, "error": error}
    return await visit.page("definition.html", code=code, **facts)


def _startable(version: dict[str, object]) -> bool:
    triggers = version["triggers"]
    by_api = isinstance(triggers, list) and any(one["trigger_type"] == "api" for one in triggers)
    return by_api and version["deprecated_at"] is None


def _key(visit: Visit) -> str:
    return str(visit.request.path_params["definition_id"])
