"""Templates and what every page knows."""

import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from jinja2 import ChainableUndefined, Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse

from tallystick.node.api.events import Streams
from tallystick.node.api.ports import Accounts, Person, Services
from tallystick.node.portal import forms, session
from tallystick.node.portal.language import Speech, chosen
from tallystick.tenants.groups import may_take

TEMPLATE_FOLDER = Path(__file__).with_name("templates")
MAX_SEARCH = 200  # characters


def environment() -> Environment:
    """Jinja with autoescaping; facts that a view lacks show as nothing rather than break the page."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATE_FOLDER),
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["pretty"] = pretty
    made.filters["short"] = short
    made.filters["bytes"] = size
    made.filters["ether"] = ether
    made.tests["file"] = forms.is_file
    return made


def pretty(value: Any) -> str:
    """A value as indented JSON, in its own script."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def short(value: Any, length: int = 12) -> str:
    """The beginning of a hash; the whole stands in the element's title."""
    text = str(value or "")
    return text if len(text) <= length else f"{text[:length]}…"


def size(value: Any) -> str:
    """A number of bytes in the nearest unit (IEC 80000-13)."""
    amount = float(value or 0)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def ether(wei: Any) -> str:
    """An amount of wei, given as text, in ether to a millionth: enough to see whether fees can be paid."""
    return f"{Decimal(str(wei)) / 10**18:.6f}"


@dataclass(frozen=True)
class Portal:
    """What the pages are made from."""

    services: Services
    accounts: Accounts
    streams: Streams
    templates: Environment
    https: bool


@dataclass(frozen=True)
class Visit:
    """One request of one signed-in person."""

    portal: Portal
    request: Request
    who: Person
    token: str

    @property
    def services(self) -> Services:
        """The facade of this organisation's node."""
        return self.portal.services

    def may(self, permission: str) -> bool:
        """Whether the person may do what ``permission`` names; pages hide what would be refused."""
        return self.portal.accounts.may(self.who, permission)

    def takes(self, task: dict[str, Any]) -> bool:
        """Whether a task is one for this person: pages offer no claim that would be refused."""
        return self.may("work_on_tasks") and may_take(self.who, task.get("candidate_groups") or ())

    async def page(self, template: str, *, code: int = 200, **facts: Any) -> HTMLResponse:
        """Render ``template`` for this person."""
        facts |= {
            "who": self.who,
            "may": self.may,
            "takes": self.takes,
            "csrf_token": session.csrf_token(self.token),
            "organisation": await self.services.organisation(),
        }
        return render(self.portal, self.request, template, self.who.language, code=code, **facts)


def render(
    portal: Portal, request: Request, template: str, preference: str | None = None, *, code: int = 200, **facts: Any
) -> HTMLResponse:
    """Render ``template`` in the reader's language.

    ``path`` is where the page is found again, when that is not what was asked for: what answers a form has no address.
    """
    facts = {"path": request.url.path, "query": request.url.query if request.method == "GET" else "", **facts}
    speech = Speech(chosen(request, preference))
    html = portal.templates.get_template(template).render(
        t=speech.text, label=speech.label, when=speech.when, ago=speech.ago, number=speech.number,
        speech=speech, **facts,
    )  # fmt: skip
    headers = {"content-language": speech.language, "vary": "Cookie, Accept-Language"}
    return HTMLResponse(html, status_code=code, headers=headers)
