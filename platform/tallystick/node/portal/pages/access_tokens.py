"""Access tokens of external workers: a new one is shown once, and each can be revoked."""

from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from tallystick.core.errors import Invalid, WrongState
from tallystick.node.portal.rendering import Visit

DAYS = 365
LONGEST = 200  # characters of a queue's name
MANY = 100  # queues of one token


async def show(visit: Visit) -> Response:
    """All of them, without their secrets."""
    return await _page(visit)


async def add(visit: Visit) -> Response:
    """Create one; the page that answers is the only one that ever shows it, so it is not redirected to."""
    form = await visit.request.form()
    try:
        text, kept = await visit.portal.accounts.add_token(
            visit.who, name=str(form.get("name") or "").strip(), queues=lines(form, "queues") or None, days=_days(form)
        )
    except (Invalid, WrongState) as error:
        return await _page(visit, code=422 if isinstance(error, Invalid) else 409, error=error, entered=form)
    return await _page(visit, code=201, made=text, made_name=kept.name)


async def remove(visit: Visit) -> Response:
    """Revoke one."""
    await visit.portal.accounts.remove_token(str(visit.request.path_params["token_id"]))
    return RedirectResponse("/access-tokens", 303)


def lines(form: FormData, name: str) -> list[str]:
    """The lines of a text area, without empty ones."""
    found = [line.strip() for line in str(form.get(name) or "").splitlines()]
    given = [line for line in found if line]
    if len(given) > MANY or any(len(line) > LONGEST for line in given):
        raise Invalid(f"at most {MANY} lines of at most {LONGEST} characters", code="too_many", pointer=f"/{name}")
    return given


def _days(form: FormData) -> int:
    text = str(form.get("days") or DAYS)
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise Invalid("must be a number of days", code="bad_lifetime", pointer="/days")
    return int(text)


async def _page(
    visit: Visit,
    *,
    code: int = 200,
    made: str | None = None,
    made_name: str = "",
    error: Invalid | WrongState | None = None,
    entered: FormData | None = None,
) -> Response:
    facts = {"made": made, "made_name": made_name, "error": error, "entered": entered or {"days": str(DAYS)}}
    return await visit.page("access_tokens.html", code=code, tokens=list(await visit.portal.accounts.tokens()), **facts)
