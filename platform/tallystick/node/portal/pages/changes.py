"""Changed proposals: what one differs in from what it replaces, and the form that proposes the next."""

import json
from typing import Any

from starlette.responses import RedirectResponse, Response

from tallystick.core.definition.observing import OBSERVER
from tallystick.core.errors import Invalid
from tallystick.core.policy import DIRECT
from tallystick.node.definitions import wording
from tallystick.node.portal.language import chosen
from tallystick.node.portal.pages.collaborations import field_of, json_object
from tallystick.node.portal.rendering import Visit

_NUMBERS = ("retention_days", "sequencing_ms", "skew_ms")


async def show(visit: Visit) -> Response:
    """The differences, and the definition to change."""
    return await _page(visit, {}, None)


async def propose(visit: Visit) -> Response:
    """Propose what was entered; what is wrong comes back with the text as it was."""
    form = {name: str(value) for name, value in (await visit.request.form()).items()}
    try:
        definition = json_object(form.get("definition", ""), "/definition")
        reason = form.get("reason", "").strip() or None
        await visit.services.propose_change(visit.who, _key(visit), definition, _terms(form), reason)
    except Invalid as error:
        return await _page(visit, form, error)
    return RedirectResponse(f"/collaborations/{_key(visit)}", 303)


def _terms(form: dict[str, str]) -> dict[str, Any]:
    """The terms that were filled in; whoever leaves a field as it was proposes no other."""
    given: dict[str, int] = {}
    for name in _NUMBERS:
        text = form.get(name, "").strip()
        if text and not (text.isascii() and text.isdecimal() and len(text) <= 10):
            raise Invalid("a whole number is expected", code="ill_typed", pointer=f"/terms/{name}")
        if text:
            given[name] = int(text)
    days = {"retention_days": given.pop("retention_days")} if "retention_days" in given else {}
    policy = json_object(form.get("anchoring", "").strip() or "{}", "/terms/anchoring")
    terms = {"limits": given, "anchoring": policy}
    return {**days, **{name: members for name, members in terms.items() if members}}


async def _page(visit: Visit, form: dict[str, str], error: Invalid | None) -> Response:
    key = _key(visit)
    found = await visit.services.collaboration(visit.who, key)
    language = chosen(visit.request, visit.who.language)
    changes = await visit.services.changes(visit.who, key, language)
    signed = await visit.services.agreement(visit.who, key)
    agreement, source = signed["agreement"], signed["source"]
    text = json.dumps(source, ensure_ascii=False, indent=2) if source else ""
    policy = agreement["anchoring"] or {}
    policy = {name: policy[name] for name in DIRECT if name in policy}
    now = {
        "definition": text,
        "anchoring": json.dumps(policy),
        "retention_days": agreement["retention_days"],
        "reason": "",
    }
    now |= agreement["limits"]
    return await visit.page(
        "changes.html",
        code=422 if error else 200,
        collaboration=found,
        changes=changes,
        anchoring=[wording.term(name, value, language) for name, value in policy.items()],
        form={**now, **form},
        wrong=field_of(error, (*_NUMBERS, "anchoring"), "definition"),
        open=_may_change(found, (await visit.services.organisation())["id"], visit),
        error=error,
    )


def _may_change(found: dict[str, Any], me: str, visit: Visit) -> bool:
    """Whether the service would take a change from us, as far as the status tells."""
    ours = next((one for one in found["participants"] if one["org_id"] == me), None)
    if found["status"] != "created" or ours is None or ours["role"] == OBSERVER:
        return False
    answers = ours["consent"] == "pending" or found["proposed_by"] == me
    return answers and visit.may("create_collaboration") and visit.may("give_consent")


def _key(visit: Visit) -> str:
    return str(visit.request.path_params["collaboration_id"])
