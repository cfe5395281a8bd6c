"""Partners: who they are, how their links stand, meeting new ones and parting."""

from collections.abc import Awaitable
from typing import Any

from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse, Response

from tallystick.core.errors import Forbidden, Invalid, NotFound, TallystickError, Unavailable, WrongState
from tallystick.node.api import files
from tallystick.node.partner_api.transports import Transport
from tallystick.node.portal.rendering import Visit
from tallystick.tenants.invitation import MAX_TOKEN

CODES: dict[type[TallystickError], int] = {Invalid: 422, WrongState: 409, NotFound: 404, Forbidden: 403}


async def show(visit: Visit) -> Response:
    """Everybody known here; for administrators also how to meet somebody."""
    return await _list(visit)


async def one(visit: Visit) -> Response:
    """One organisation."""
    return await _one(visit)


async def invite(visit: Visit) -> Response:
    """Make an invitation and show what to pass on."""
    form = await visit.request.form()
    hours, note = str(form.get("hours") or "72"), str(form.get("note") or "")
    try:
        if not hours.isdecimal() or len(hours) > 4:
            raise Invalid("is a number of hours", pointer="/hours")
        made = await visit.services.invite(visit.who, int(hours), note)
    except Invalid as error:
        wrong = "note" if error.pointer == "/note" else "hours"
        return await _list(visit, error=error, wrong=wrong, typed={"hours": hours, "note": note})
    return await _list(visit, made=made)


async def invitation_file(visit: Visit) -> Response:
    """An invitation as a file."""
    name = str(visit.request.path_params["invitation_id"])
    text = (await visit.services.invitation(name))["invitation"]
    headers = {"content-disposition": files.attachment(f"invitation-{name[:16]}.txt")}
    return Response(text + "\n", media_type="text/plain", headers=headers)


async def answer_file(visit: Visit) -> Response:
    """Our answer to an invitation as a file, for carrying it to an inviter whose node is not reached."""
    found = await visit.services.partner(visit.who, _key(visit))
    if not found.get("answer"):
        raise NotFound("there is no answer of ours to this organisation")
    headers = {"content-disposition": files.attachment(f"answer-to-{found['id']}.txt")}
    return Response(found["answer"] + "\n", media_type="text/plain", headers=headers)


async def withdraw(visit: Visit) -> Response:
    """Let nobody answer an invitation any more."""
    await visit.services.withdraw_invitation(visit.who, str(visit.request.path_params["invitation_id"]))
    return RedirectResponse("/partners", 303)


async def accept(visit: Visit) -> Response:
    """Accept an invitation that was pasted, uploaded or named by its link."""
    try:
        found = await visit.services.accept_invitation(visit.who, await _given(visit))
    except TallystickError as error:
        return await _list(visit, error=error, wrong="accept-text", typed=await _typed(visit, "text"))
    return RedirectResponse(f"/partners/{found['id']}", 303)


async def answer(visit: Visit) -> Response:
    """Take in an answer that was carried here."""
    try:
        await visit.services.answer_invitation(await _given(visit))
    except TallystickError as error:
        return await _list(visit, error=error, wrong="answer-text", typed=await _typed(visit, "text"))
    return RedirectResponse("/partners", 303)


async def confirm(visit: Visit) -> Response:
    """Confirm the fingerprint."""
    given = str((await visit.request.form()).get("fingerprint") or "")[:200]
    change = visit.services.confirm_partner(visit.who, _key(visit), given)
    return await _change(visit, change, wrong="fingerprint", typed={"fingerprint": given})


async def suspend(visit: Visit) -> Response:
    """Keep its messages out."""
    return await _change(visit, visit.services.suspend_partner(visit.who, _key(visit)))


async def resume(visit: Visit) -> Response:
    """Work with it again."""
    return await _change(visit, visit.services.resume_partner(visit.who, _key(visit)))


async def transport(visit: Visit) -> Response:
    """Choose how messages go to it."""
    form = await visit.request.form()
    wanted, pem = str(form.get("transport") or ""), str(form.get("ca_pem") or "").strip()
    way: Transport | None = "https" if wanted == "https" else "nats" if wanted == "nats" else None
    if way is None:
        return await _one(visit, error=Invalid("is nats or https", pointer="/transport"), wrong="transport")
    change = visit.services.set_transport(visit.who, _key(visit), way, pem + "\n" if pem else None)
    return await _change(visit, change, wrong="ca_pem", typed={"ca_pem": pem})


async def remove(visit: Visit) -> Response:
    """Part with it."""
    force = (await visit.request.form()).get("force") == "yes"
    try:
        await visit.services.remove_partner(visit.who, _key(visit), force=force)
    except WrongState as error:
        return await _one(visit, error=error, wrong="force")
    return RedirectResponse("/partners", 303)


async def _change(visit: Visit, change: Awaitable[Any], **shown: Any) -> Response:
    try:
        await change
    except Invalid as error:
        return await _one(visit, error=error, **shown)
    except WrongState as error:
        return await _one(visit, error=error)  # its field may be gone from the page
    return RedirectResponse(f"/partners/{_key(visit)}", 303)


async def _given(visit: Visit) -> str:
    form = await visit.request.form()
    file = form.get("file")
    if isinstance(file, UploadFile) and file.filename:
        data = await file.read(MAX_TOKEN + 2)
        text = data.decode("ascii", "replace")
    else:
        text = str(form.get("text") or "")
    if not text.strip():
        raise Invalid("choose a file, or paste the text or the link", code="missing", pointer="/invitation")
    return text.strip()


async def _typed(visit: Visit, *names: str) -> dict[str, str]:
    form = await visit.request.form()
    return {name: str(form.get(name) or "") for name in names}


async def _list(visit: Visit, *, error: TallystickError | None = None, **shown: Any) -> Response:
    """``shown``: an invitation just made, or with an error the field that is ``wrong`` and what was ``typed``."""
    administers = visit.may("administer")
    invitations = await visit.services.invitations(visit.who) if administers else {"items": []}
    facts = {"partners": await visit.services.partners(visit.who), "invitations": invitations["items"]}
    return await visit.page("partners.html", code=_code(error), error=error, worded=True, **facts, **shown)


async def _one(visit: Visit, *, error: TallystickError | None = None, **shown: Any) -> Response:
    found = await visit.services.partner(visit.who, _key(visit))
    return await visit.page("partner.html", code=_code(error), error=error, worded=True, partner=found, **shown)


def _code(error: TallystickError | None) -> int:
    if error is None:
        return 200
    if isinstance(error, Unavailable):
        return 503
    return next((code for kind, code in CODES.items() if isinstance(error, kind)), 500)


def _key(visit: Visit) -> str:
    return str(visit.request.path_params["org_id"])
