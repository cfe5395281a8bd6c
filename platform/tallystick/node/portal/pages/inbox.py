"""The inbox: what waits for this organisation's people, and the forms that answer it."""

from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.responses import RedirectResponse, Response

from tallystick.core.errors import Invalid, NotFound, Unavailable
from tallystick.node.api.files import media_type
from tallystick.node.portal import forms
from tallystick.node.portal.rendering import Visit
from tallystick.node.portal.uploads import chunks

STATES = ("open", "answered", "completed", "failed", "cancelled", "timed_out")


async def home(_: Visit) -> Response:
    """The start page is the inbox."""
    return RedirectResponse("/inbox", 303)


async def show(visit: Visit) -> Response:
    """Tasks in one state; open ones, with those that somebody has claimed, unless another is asked for."""
    status = visit.request.query_params.get("status", "open")
    if status not in STATES:
        raise Invalid(f"there are no tasks in the state '{status[:40]}'", pointer="/status")
    page = await visit.services.tasks(visit.who, status=status, cursor=visit.request.query_params.get("cursor"))
    return await visit.page("inbox.html", tasks=page, status=status, states=STATES)


async def task(visit: Visit) -> Response:
    """One task with its form."""
    return await _page(visit)


async def claim(visit: Visit) -> Response:
    """Take the task."""
    await visit.services.claim(visit.who, _key(visit))
    return _back(visit)


async def release(visit: Visit) -> Response:
    """Give the task back."""
    await visit.services.release(visit.who, _key(visit))
    return _back(visit)


async def complete(visit: Visit) -> Response:
    """Answer with the form's values; a wrong one comes back beside its field."""
    form = await visit.request.form()
    found = await visit.services.task(visit.who, _key(visit))

    async def store(upload: UploadFile) -> dict[str, Any]:
        kind = media_type(upload.content_type)
        stored: dict[str, Any] = await visit.services.put_document(
            visit.who, upload.filename or "document", kind, chunks(upload)
        )
        return stored

    try:
        data = await forms.read(found, form, store)
        await visit.services.complete(visit.who, _key(visit), data)
    except Invalid as error:
        return await _page(visit, status=422, error=error, entered=form)
    return _done()


async def fail(visit: Visit) -> Response:
    """Say why the task cannot be done."""
    form = await visit.request.form()
    await visit.services.fail(visit.who, _key(visit), _text(form, "code") or "failed", _text(form, "message"))
    return _done()


async def cancel(visit: Visit) -> Response:
    """Cancel the task with a reason."""
    reason = _text(await visit.request.form(), "reason")
    if not reason:
        raise Invalid("say why", code="missing", pointer="/reason")
    await visit.services.cancel(visit.who, _key(visit), reason)
    return _done()


async def approve(visit: Visit) -> Response:
    """Approve."""
    await visit.services.approve(visit.who, _key(visit), _text(await visit.request.form(), "comments"))
    return _done()


async def reject(visit: Visit) -> Response:
    """Reject."""
    await visit.services.reject(visit.who, _key(visit), _text(await visit.request.form(), "comments"))
    return _done()


async def _page(
    visit: Visit, *, status: int = 200, error: Invalid | None = None, entered: FormData | None = None
) -> Response:
    found = await visit.services.task(visit.who, _key(visit))
    try:
        held = await visit.services.data(visit.who, found["execution_id"])
    except (NotFound, Unavailable):  # the task can be answered without the data that came before it
        held = {"items": []}
    return await visit.page(
        "task.html", code=status, task=found, fields=forms.fields(found), data=held["items"],
        error=error, entered=entered or {},
    )  # fmt: skip


def _key(visit: Visit) -> str:
    return str(visit.request.path_params["task_id"])


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value.strip()[:4000] if isinstance(value, str) else ""


def _back(visit: Visit) -> Response:
    return RedirectResponse(f"/tasks/{_key(visit)}", 303)


def _done() -> Response:
    return RedirectResponse("/inbox", 303)
