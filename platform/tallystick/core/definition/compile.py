"""From what people write to what everyone signs: ``compile_definition``."""

from typing import Any

import msgspec

from tallystick.core.definition.faults import Faults, at
from tallystick.core.definition.full import compile_steps
from tallystick.core.definition.reading import MAX_NAME, Members
from tallystick.core.definition.short import INITIALIZE, compile_tasks
from tallystick.core.definition.sound import check_soundness
from tallystick.core.definition.steps import Step

VERSION = 1
MAX_PARTICIPANTS = 50


class OrgFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the compiler must know of an organisation."""

    is_active: bool = True
    capabilities: list[str] = []


def compile_definition(source: Any, organisations: dict[str, OrgFacts] | None = None) -> dict[str, Any]:
    """The compiled form of a short or full definition; every fault at once in :class:`DefinitionErrors`.

    With ``organisations`` the rules of names.md are applied too: participants must be known and active, and able to do
    what their tasks need.
    """
    faults = Faults()
    members = Members(source, "", faults)
    faults.raise_any()
    participants = _participants(members, organisations, faults)
    form = "short" if "tasks" in source else "full"
    head = {
        "v": VERSION,
        "id": members.identifier(),
        "name": members.text("name", most=MAX_NAME),
        "description": members.text("description", default=""),
        "version": str(members.raw("version") or "1")[:MAX_NAME],
        "participants": participants,
        "source_form": form,
        "metadata": members.document("metadata") or {},
        "input_properties": None,
    }
    members.raw("created_by")
    compile_form = compile_tasks if form == "short" else compile_steps
    steps = compile_form(members, participants, faults)
    members.close()
    faults.raise_any()
    start = INITIALIZE
    check_soundness(steps, start, faults)
    _check_capabilities(steps, organisations, faults)
    faults.raise_any()
    return {**head, "start": start, "steps": steps}


def _participants(members: Members, organisations: dict[str, OrgFacts] | None, faults: Faults) -> list[str]:
    found: list[str] = []
    for index, item in enumerate(members.items("participants", most=MAX_PARTICIPANTS)):
        one = Members(item, at("/participants", index), faults)
        org = one.text("org_id", most=64)
        one.text("role", default="participant", most=MAX_NAME)
        one.boolean("can_terminate", default=False)
        one.boolean("need_activity_notifications", default=False)
        one.close()
        if org in found:
            faults.add(one.pointer, "repeated_id", f"{org} takes part twice")
        if organisations is not None and org not in organisations:
            faults.unknown(at(one.pointer, "org_id"), "unknown_organisation", "organisation", org, organisations)
        elif organisations is not None and not organisations[org].is_active:
            faults.add(at(one.pointer, "org_id"), "inactive_organisation", f"{org} is not active")
        found.append(org)
    if not found:
        faults.add("/participants", "no_participants", "a collaboration needs participants")
    return found


def _check_capabilities(steps: dict[str, Step], organisations: dict[str, OrgFacts] | None, faults: Faults) -> None:
    for name, step in steps.items():
        needed = _capability(step)
        org = step["assigned_org"]
        if organisations and needed and org in organisations and needed not in organisations[org].capabilities:
            faults.add(at("/steps", name), "missing_capability", f"{org} lacks the capability {needed}")


def _capability(step: Step) -> str | None:
    if step["step_type"] == "user_task" and any(field["id"] == "approval_decision" for field in step["form"]):
        return "approval"
    return "data_exchange" if step["activity_type"] == "data_exchange" else None
