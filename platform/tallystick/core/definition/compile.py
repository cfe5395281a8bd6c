"""From what people write to what everyone signs: ``compile_definition``.

In this order: the source is JSON that can be signed; its members are read; then what only shows when all is read:
routes, paths to an end, what decisions read, and what the organisations are able to do. Faults of all stages are told
together.
"""

from typing import Any

import msgspec

from tallystick.core import canonical
from tallystick.core.definition.draft import Draft
from tallystick.core.definition.faults import Faults, at
from tallystick.core.definition.forms import is_approval
from tallystick.core.definition.full import compile_steps
from tallystick.core.definition.readable import check_expressions
from tallystick.core.definition.reading import MAX_ID, MAX_NAME, Members, is_integer
from tallystick.core.definition.short import compile_tasks
from tallystick.core.definition.sound import check_soundness
from tallystick.core.definition.source import check_source
from tallystick.core.definition.steps import INITIALIZE, Step

VERSION = 1
MAX_PARTICIPANTS = 50
MAX_BYTES = 500_000  # compiled; the agreement around it must fit into one message of 900,000

Organisations = dict[str, "OrgFacts"] | None


class OrgFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the compiler must know of an organisation."""

    is_active: bool = True
    capabilities: list[str] = []


def compile_definition(source: Any, organisations: Organisations = None) -> dict[str, Any]:
    """The compiled form of a short or full definition; every fault at once in :class:`DefinitionErrors`.

    With ``organisations`` the rules of names.md are applied too: participants must be known and active, and able to do
    what their tasks need.
    """
    faults = Faults()
    check_source(source, faults)
    members = Members(source, "", faults)
    if not isinstance(source, dict):
        faults.refuse()
    form = "short" if "tasks" in source else "full"
    head = _head(members)
    participants = _participants(members, organisations)
    draft = (compile_tasks if form == "short" else compile_steps)(members, participants, faults)
    members.close()
    check_soundness(draft, faults)
    check_expressions(draft, faults)
    _check_capabilities(draft, organisations, faults)
    faults.raise_any()
    compiled = {**head, "participants": participants, "source_form": form, "start": INITIALIZE, "steps": draft.steps}
    _check_size(compiled, faults)
    return compiled


def _head(members: Members) -> dict[str, Any]:
    members.text("created_by", default="", most=MAX_NAME)
    return {
        "v": VERSION,
        "id": members.identifier(),
        "name": members.text("name", most=MAX_NAME),
        "description": members.text("description", default=""),
        "version": _version(members),
        "metadata": members.document("metadata") or {},
        "input_properties": None,
    }


def _version(members: Members) -> str:
    """A number is as good as a text."""
    value = members.raw("version")
    return str(value) if is_integer(value) else members.text("version", default="1", most=MAX_NAME)


def _participants(members: Members, organisations: Organisations) -> list[str]:
    found: list[str] = []
    for index, item in enumerate(members.items("participants", most=MAX_PARTICIPANTS)):
        one = Members(item, at("/participants", index), members.faults)
        org = one.text("org_id", most=MAX_ID)
        one.text("role", default="participant", most=MAX_NAME)
        one.boolean("can_terminate", default=False)
        one.boolean("need_activity_notifications", default=False)
        one.close()
        if org in found:
            one.fault("org_id", "repeated_id", f"{org} takes part twice")
        elif org:
            found.append(org)
            _check_participant(one, org, organisations)
    if members.raw("participants") in (None, []):
        members.fault("participants", "required", "a definition names its participants")
    return found


def _check_participant(one: Members, org: str, organisations: Organisations) -> None:
    if organisations is None:
        return
    if org not in organisations:
        pointer = at(one.pointer, "org_id")
        one.faults.unknown(pointer, "unknown_organisation", "organisation", org, organisations)
    elif not organisations[org].is_active:
        one.fault("org_id", "inactive_organisation", f"{org} is not active")


def _check_capabilities(draft: Draft, organisations: Organisations, faults: Faults) -> None:
    for name, step in draft.steps.items():
        needed, org = _capability(step), step["assigned_org"]
        facts = (organisations or {}).get(org)
        if needed and facts and needed not in facts.capabilities:
            pointer = at(draft.place(name), "assigned_org")
            faults.add(pointer, "missing_capability", f"{org} lacks the capability {needed}")


def _capability(step: Step) -> str | None:
    if step["step_type"] == "user_task" and is_approval(step["form"]):
        return "approval"
    return "data_exchange" if step["activity_type"] == "data_exchange" else None


def _check_size(compiled: dict[str, Any], faults: Faults) -> None:
    size = len(canonical.encode(compiled))
    if size > MAX_BYTES:
        faults.add("", "too_large", f"the definition takes {size} bytes, {MAX_BYTES} are allowed")
        faults.refuse()
