"""What people do to a whole execution while it runs: signal, suspend, resume, cancel, retry."""

from starlette.responses import RedirectResponse, Response

from tallystick.core.errors import Invalid
from tallystick.node.portal.pages.collaborations import json_object
from tallystick.node.portal.rendering import Visit


async def signal(visit: Visit) -> Response:
    """Send a signal with its data."""
    form = await visit.request.form()
    name = str(form.get("signal") or "").strip()
    if not name:
        raise Invalid("name the signal", code="missing", pointer="/signal")
    data = json_object(str(form.get("data") or "{}"), "/data")
    await visit.services.signal_execution(visit.who, _key(visit), name, data)
    return _back(_key(visit))


async def suspend(visit: Visit) -> Response:
    """Let nothing follow for now."""
    await visit.services.suspend_execution(visit.who, _key(visit), await _reason(visit))
    return _back(_key(visit))


async def resume(visit: Visit) -> Response:
    """Let it go on."""
    await visit.services.resume_execution(visit.who, _key(visit))
    return _back(_key(visit))


async def cancel(visit: Visit) -> Response:
    """Withdraw what is open and undo what was done."""
    await visit.services.cancel_execution(visit.who, _key(visit), await _reason(visit))
    return _back(_key(visit))


async def retry(visit: Visit) -> Response:
    """Try a held task again."""
    found = await visit.services.retry_task(visit.who, str(visit.request.path_params["task_id"]))
    return _back(str(found["execution_id"]))


async def _reason(visit: Visit) -> str:
    reason = str((await visit.request.form()).get("reason") or "").strip()
    if not reason:
        raise Invalid("say why", code="missing", pointer="/reason")
    return reason


def _key(visit: Visit) -> str:
    return str(visit.request.path_params["execution_id"])


def _back(execution: str) -> Response:
    return RedirectResponse(f"/collaborations/{execution}", 303)
