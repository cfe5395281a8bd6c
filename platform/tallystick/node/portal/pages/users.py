"""The organisation's users, the groups that they are in, and what only an administrator may say."""

from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from tallystick.core.errors import Invalid, WrongState
from tallystick.node.api.language import LANGUAGES
from tallystick.node.portal.pages.access_tokens import lines
from tallystick.node.portal.rendering import Visit
from tallystick.tenants.permissions import Role

SHORTEST = 12  # characters of a password, as over the API


async def show(visit: Visit) -> Response:
    """Everyone."""
    return await _page(visit)


async def add(visit: Visit) -> Response:
    """Add a user; what is wrong comes back beside what was entered, except the password."""
    form = await visit.request.form()
    name, password = str(form.get("username") or ""), str(form.get("password") or "")
    try:
        if len(password) < SHORTEST:
            raise Invalid(f"a password has at least {SHORTEST} characters", code="bad_password", pointer="/password")
        await visit.portal.accounts.add_user(
            username=name,
            password=password,
            display_name=str(form.get("display_name") or name),
            roles=[str(one) for one in form.getlist("roles")],
            groups=lines(form, "groups"),
            language=str(form.get("language") or LANGUAGES[0]),
        )
    except (Invalid, WrongState) as error:
        return await _page(visit, code=422 if isinstance(error, Invalid) else 409, error=error, entered=form)
    return RedirectResponse("/users", 303)


async def set_groups(visit: Visit) -> Response:
    """Replace a user's groups."""
    form = await visit.request.form()
    await visit.portal.accounts.set_groups(str(visit.request.path_params["username"]), lines(form, "groups"))
    return RedirectResponse("/users", 303)


async def accept_clock(visit: Visit) -> Response:
    """Say that the machine's clock is right."""
    await visit.services.accept_clock(visit.who)
    return RedirectResponse("/users", 303)


async def _page(
    visit: Visit,
    *,
    code: int = 200,
    error: Invalid | WrongState | None = None,
    entered: FormData | None = None,
) -> Response:
    everyone = list(await visit.portal.accounts.users())
    choices = {"roles": [one.value for one in Role], "languages": LANGUAGES}
    chosen = [str(one) for one in entered.getlist("roles")] if entered else [Role.OPERATOR.value]
    return await visit.page(
        "users.html", code=code, users=everyone, error=error, entered=entered or {}, chosen=chosen, **choices
    )
