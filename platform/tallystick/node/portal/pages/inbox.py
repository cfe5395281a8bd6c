"""The inbox: what waits for this organisation's people, and the forms that answer it."""

from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.responses import RedirectResponse, Response

from tallystick.core.errors import Invalid, NotFound, Unavailable
from tallystick.node.api.files import media_type
from tallystick.node.portal import forms
from tallystick.node.portal.rendering import Visit
from tallystick.node.portal.uploads import chunks

WHOSE = ("mine", "everybodys")
ORDERS = ("since", "due")
STATES = ("open", "answered", "completed", "failed", "cancelled", "timed_out")


async def home(_: Visit) -> Response:
    """The start page is the inbox."""
    return RedirectResponse("/inbox", 303)


async def show(visit: Visit) -> Response:
    """Tasks in one state; unless more is asked for, those still to be done that this person may take or has taken."""
    asked = visit.request.query_params
    status = _choice(visit, "status", STATES)
    whose = _choice(visit, "whose", WHOSE if status == "open" else tuple(reversed(WHOSE)))
    order = _choice(visit, "order", ORDERS)
    page = await visit.services.tasks(
        visit.who, status=status, cursor=asked.get("cursor"), mine=whose == "mine", order=order
    )
    choices: dict[str, Any] = {"states": STATES, "all_whose": WHOSE, "orders": ORDERS}
    return await visit.page("inbox.html", tasks=page, status=status, whose=whose, order=order, **choices)


def _choice(visit: Visit, name: str, options: tuple[str, ...]) -> str:
    """The query's word, the first option when it has none."""
    found = visit.request.query_params.get(name, options[0])
    if found not in options:
        raise Invalid(f"there is no '{found[:40]}' here", pointer=f"/{name}")
    return found


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
