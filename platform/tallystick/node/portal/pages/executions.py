"""Executions: who signed what and when, what the chain holds, what is waited for."""

from functools import partial

from starlette.responses import RedirectResponse, Response

from tallystick.core import canonical
from tallystick.node.api.files import attachment
from tallystick.node.definitions import wording
from tallystick.node.portal.language import chosen
from tallystick.node.portal.rendering import MAX_SEARCH, Visit

TIMELINE_PAGE = 500  # as many entries as the facade gives at once
STATES = ("running", "completed", "failed", "cancelled", "suspended", "terminated")


async def show(visit: Visit) -> Response:
    """The executions that this organisation takes part in."""
    query = visit.request.query_params
    status = query.get("status") or None
    text = (query.get("text") or "")[:MAX_SEARCH]
    page = await visit.services.executions(visit.who, status=status, text=text or None, cursor=query.get("cursor"))
    return await visit.page("executions.html", executions=page, status=status, text=text, states=STATES)


async def one(visit: Visit) -> Response:
    """One execution; htmx asks for the same page again and keeps its live part."""
    key, services, who = _key(visit), visit.services, visit.who
    after = visit.request.query_params.get("after", "-1")
    timeline = (await services.timeline(who, key, after=int(after) if after.isdecimal() else -1))["items"]
    stored = await services.verifications(who, key) if visit.may("verify") else {"items": []}
    return await visit.page(
        "execution.html",
        execution=await services.execution(who, key),
        timeline=timeline,
        timeline_more=timeline[-1]["seq"] if len(timeline) >= TIMELINE_PAGE else None,
        data=(await services.data(who, key))["items"],
        anchors=(await services.anchors(who, key))["items"],
        waiting=(await services.waiting(who, key))["items"],
        verifications=stored["items"],
        policy=partial(wording.term, language=chosen(visit.request, who.language)),
    )


async def evidence(visit: Visit) -> Response:
    """The evidence bundle as a file, in the canonical bytes that the verifier asks for."""
    bundle = await visit.services.evidence(visit.who, _key(visit))
    headers = {"content-disposition": attachment(f"evidence-{_key(visit)[:16]}.json")}
    return Response(canonical.encode(bundle), headers=headers, media_type="application/json")


async def verify(visit: Visit) -> Response:
    """Verify now; the result is stored and shown with the execution."""
    await visit.services.verify_execution(visit.who, _key(visit))
    return RedirectResponse(f"/executions/{_key(visit)}#verifications", 303)


def _key(visit: Visit) -> str:
    return str(visit.request.path_params["execution_id"])
