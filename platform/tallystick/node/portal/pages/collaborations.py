"""Collaborations: the list, a proposal, and one collaboration with its consents."""

from collections.abc import Sequence
from typing import Any

from starlette.responses import RedirectResponse, Response

from tallystick.core import canonical
from tallystick.core.errors import Invalid
from tallystick.node.portal.rendering import MAX_SEARCH, Visit

STATES = ("created", "ready", "in_progress", "completed", "failed", "terminated")
ENDED = ("completed", "failed", "terminated")


async def show(visit: Visit) -> Response:
    """The collaborations that this organisation takes part in."""
    query = visit.request.query_params
    status = query.get("status") or None
    text = (query.get("text") or "")[:MAX_SEARCH]
    page = await visit.services.collaborations(visit.who, status=status, text=text or None, cursor=query.get("cursor"))
    return await visit.page("collaborations.html", collaborations=page, status=status, text=text, states=STATES)


async def new(visit: Visit) -> Response:
    """An empty proposal."""
    return await visit.page("collaboration_new.html", definition="", input="{}", anchoring="{}")


async def propose(visit: Visit) -> Response:
    """Propose what was entered; what is wrong comes back with the text as it was."""
    form = await visit.request.form()
    definition, values = str(form.get("definition") or ""), str(form.get("input") or "{}")
    policy = str(form.get("anchoring") or "{}")
    typed = {"definition": definition, "input": values, "anchoring": policy}
    try:
        asked = json_object(policy, "/terms/anchoring")
        made = await visit.services.propose(
            visit.who,
            json_object(definition, "/definition"),
            json_object(values, "/input"),
            terms={"anchoring": asked} if asked else {},
        )
    except Invalid as error:
        wrong = field_of(error, ("input", "anchoring"), "definition")
        return await visit.page("collaboration_new.html", code=422, **typed, error=error, wrong=wrong)
    return RedirectResponse(f"/collaborations/{made['collaboration_id']}", 303)


async def one(visit: Visit) -> Response:
    """One collaboration."""
    return await page(visit, _key(visit))


async def page(visit: Visit, key: str, error: Invalid | None = None, **shown: Any) -> Response:
    """One collaboration; ``shown`` with an error are the field that is ``wrong`` and what was ``typed``."""
    found = await visit.services.collaboration(visit.who, key)
    facts = {"collaboration": found, "ended": found["status"] in ENDED, "error": error, **shown}
    return await visit.page("collaboration.html", code=422 if error else 200, **facts)


async def consent(visit: Visit) -> Response:
    """Accept or reject."""
    form = await visit.request.form()
    decision = str(form.get("decision") or "")
    if decision not in ("accepted", "rejected"):
        raise Invalid("choose to accept or to reject", pointer="/decision")
    try:
        await visit.services.consent(visit.who, _key(visit), decision, str(form.get("reason") or "") or None)
    except Invalid as error:
        return await page(visit, _key(visit), error, wrong="consent-reason")
    return _back(visit)


async def start(visit: Visit) -> Response:
    """Start."""
    typed = str((await visit.request.form()).get("input") or "{}")
    try:
        await visit.services.start(visit.who, _key(visit), json_object(typed, "/input"))
    except Invalid as error:
        return await page(visit, _key(visit), error, wrong="start-input", typed={"input": typed})
    return _back(visit)


async def terminate(visit: Visit) -> Response:
    """End it early."""
    try:
        await visit.services.terminate(visit.who, _key(visit), await given_reason(visit))
    except Invalid as error:
        return await page(visit, _key(visit), error, wrong="reason")
    return _back(visit)


async def given_reason(visit: Visit) -> str:
    """Why, in the words of whoever sent the form; Invalid without any."""
    reason = str((await visit.request.form()).get("reason") or "").strip()
    if not reason:
        raise Invalid("say why", code="missing", pointer="/reason")
    return reason


def field_of(error: Invalid | None, fields: Sequence[str], otherwise: str) -> str:
    """The one of a form's fields that an error's pointer leads to."""
    parts = (error.pointer or "").split("/") if error else []
    return next((one for one in fields if one in parts[1:3]), otherwise)


def json_object(text: str, pointer: str) -> dict[str, Any]:
    """The JSON object that somebody typed into the field at ``pointer``."""
    try:
        value = canonical.parse(text.encode())
    except Invalid as error:
        raise Invalid(f"this {error.detail}", code=error.code, pointer=pointer) from error
    if not isinstance(value, dict):
        raise Invalid("this is not a JSON object", code="ill_typed", pointer=pointer)
    return value


def _key(visit: Visit) -> str:
    return str(visit.request.path_params["collaboration_id"])


def _back(visit: Visit) -> Response:
    return RedirectResponse(f"/collaborations/{_key(visit)}", 303)
