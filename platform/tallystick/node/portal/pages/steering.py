"""What people do to a whole execution while it runs: signal, suspend, resume, cancel, retry."""

from starlette.responses import RedirectResponse, Response

from tallystick.core.errors import Invalid
from tallystick.node.portal.pages.collaborations import field_of, given_reason, json_object, page
from tallystick.node.portal.rendering import Visit


async def signal(visit: Visit) -> Response:
    """Send a signal with its data."""
    form = await visit.request.form()
    name, data = str(form.get("signal") or "").strip(), str(form.get("data") or "{}")
    try:
        if not name:
            raise Invalid("name the signal", code="missing", pointer="/signal")
        await visit.services.signal_execution(visit.who, _key(visit), name, json_object(data, "/data"))
    except Invalid as error:
        wrong = "signal-data" if field_of(error, ("data",), "") else "signal-name"
        return await page(visit, _key(visit), error, wrong=wrong, typed={"signal": name, "data": data})
    return _back(_key(visit))


async def suspend(visit: Visit) -> Response:
    """Let nothing follow for now."""
    try:
        await visit.services.suspend_execution(visit.who, _key(visit), await given_reason(visit))
    except Invalid as error:
        return await page(visit, _key(visit), error, wrong="suspend-reason")
    return _back(_key(visit))


async def resume(visit: Visit) -> Response:
    """Let it go on."""
    await visit.services.resume_execution(visit.who, _key(visit))
    return _back(_key(visit))


async def cancel(visit: Visit) -> Response:
    """Withdraw what is open and undo what was done."""
    try:
        await visit.services.cancel_execution(visit.who, _key(visit), await given_reason(visit))
    except Invalid as error:
        return await page(visit, _key(visit), error, wrong="cancel-reason")
    return _back(_key(visit))


async def retry(visit: Visit) -> Response:
    """Try a held task again."""
    found = await visit.services.retry_task(visit.who, str(visit.request.path_params["task_id"]))
    return _back(str(found["execution_id"]))


def _key(visit: Visit) -> str:
    return str(visit.request.path_params["execution_id"])


def _back(execution: str) -> Response:
    return RedirectResponse(f"/collaborations/{execution}", 303)
