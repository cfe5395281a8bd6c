"""From what people write to what everyone signs: ``compile_definition``.

In this order: the source is JSON that can be signed; its members are read; then what only shows when all is read:
routes, paths to an end, what expressions read, and what the organisations are able to do. Faults of all stages are
told together.
"""

from collections.abc import Collection, Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from tallystick.core import canonical
from tallystick.core.definition.context import Context
from tallystick.core.definition.document import document
from tallystick.core.definition.draft import Draft
from tallystick.core.definition.faults import DefinitionErrors, Faults, at
from tallystick.core.definition.forms import is_approval
from tallystick.core.definition.full import compile_steps
from tallystick.core.definition.model import (
    MAX_ID,
    MAX_NAME,
    MAX_NESTING,
    MAX_PARTICIPANTS,
    MAX_STEPS,
    SHARED,
    AnyStep,
    CompiledDefinition,
    DataExchange,
    UserTask,
)
from tallystick.core.definition.observing import OBSERVER, actors
from tallystick.core.definition.readable import check_expressions
from tallystick.core.definition.reading import Members, is_integer
from tallystick.core.definition.schemas import schema
from tallystick.core.definition.short import compile_tasks
from tallystick.core.definition.sound import check_soundness
from tallystick.core.definition.source import MAX_DEPTH, check_source
from tallystick.core.definition.triggers import triggers
from tallystick.core.definition.words import INITIALIZE

MAX_BYTES = 500_000  # compiled; the agreement around it must fit into one message of 900,000


class OrgFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the compiler must know of an organisation."""

    is_active: bool = True
    capabilities: list[str] = []


class World(NamedTuple):
    """What the compiler may know beside the source; what it does not know it does not check."""

    organisations: Mapping[str, OrgFacts] | None = None
    time_zones: Collection[str] | None = None


def compile_definition(
    source: Any, organisations: Mapping[str, OrgFacts] | None = None, time_zones: Collection[str] | None = None
) -> dict[str, Any]:
    """The compiled form, as a plain document, of a short or full definition; every fault in :class:`DefinitionErrors`.

    With ``organisations`` the rules of names.md are applied too: participants must be known and active, and able to do
    what their tasks need. With ``time_zones`` the time zones must be among them.
    """
    return document(compile_typed(source, organisations, time_zones))


def compile_typed(
    source: Any, organisations: Mapping[str, OrgFacts] | None = None, time_zones: Collection[str] | None = None
) -> CompiledDefinition:
    """The compiled form of a short or full definition; every fault at once in :class:`DefinitionErrors`."""
    faults = Faults()
    check_source(source, faults)
    found = _compile(source, faults, World(organisations, time_zones))
    faults.raise_any()
    _check_observers(source["participants"], found, faults)
    compiled = document(found)
    check_source(compiled, faults, MAX_DEPTH)
    size = len(canonical.encode(compiled))
    if size > MAX_BYTES:
        faults.add("", "too_large", f"the definition takes {size} bytes, {MAX_BYTES} are allowed")
    faults.raise_any()
    return found


def audiences(compiled: dict[str, Any]) -> dict[str, Any]:
    """Who sees the data of each step that somebody does (an agreement's ``visibility``)."""
    steps = compiled["steps"].items()
    return {name: step.get("visible_to", SHARED) for name, step in steps if "assigned_org" in step}


def _compile(
    source: Any, faults: Faults, world: World, above: list[str] | None = None, level: int = 0
) -> CompiledDefinition:
    members = Members(source, "", faults)
    if not isinstance(source, dict):
        faults.refuse()
    form: Literal["short", "full"] = "short" if "tasks" in source else "full"
    roles: dict[str, list[str]] = {}
    participants = _participants(members, world, roles, above)
    definitions = _definitions(members, world, participants, level)
    draft = Draft(faults)
    context = Context(participants, roles, draft, definitions, world.time_zones)
    members.text("created_by", default="", most=MAX_NAME)
    head: dict[str, Any] = {
        "id": members.identifier(),
        "name": members.text("name", most=MAX_NAME),
        "description": members.text("description", default=""),
        "version": _version(members),
        "metadata": members.document("metadata") or {},
        "input_schema": schema(members, "input_schema"),
        "triggers": triggers(members, context),
    }
    (compile_tasks if form == "short" else compile_steps)(members, context)
    members.close()
    check_soundness(draft, INITIALIZE)
    check_expressions(draft, head["input_schema"])
    _check_capabilities(draft, world, faults)
    return CompiledDefinition(
        v=1, **head, participants=participants, source_form=form, steps=draft.steps, definitions=definitions
    )


def _version(members: Members) -> str:
    """A number is as good as a text."""
    value = members.raw("version")
    return str(value) if is_integer(value) else members.text("version", default="1", most=MAX_NAME)


def _participants(members: Members, world: World, roles: dict[str, list[str]], above: list[str] | None) -> list[str]:
    """Those who take part, and by ``roles`` who has which; a sub-workflow's are its parent's, or some of them."""
    found: list[str] = []
    for index, item in enumerate(members.items("participants", most=MAX_PARTICIPANTS)):
        one = Members(item, at("/participants", index), members.faults)
        org = one.text("org_id", most=MAX_ID)
        role = one.text("role", default="participant", most=MAX_NAME)
        one.boolean("can_terminate", default=False)
        one.boolean("need_activity_notifications", default=False)
        one.close()
        if org in found:
            one.fault("org_id", "repeated_id", f"{org} takes part twice")
        elif org:
            found.append(org)
            roles.setdefault(role, []).append(org)
            _check_participant(one, org, world.organisations if above is None else dict.fromkeys(above, OrgFacts()))
    if members.raw("participants") in (None, []):
        members.fault("participants", "required", "a definition names its participants")
    return found


def _check_participant(one: Members, org: str, organisations: Mapping[str, OrgFacts] | None) -> None:
    if organisations is None:
        return
    if org not in organisations:
        pointer = at(one.pointer, "org_id")
        one.faults.unknown(pointer, "unknown_organisation", "organisation", org, organisations)
    elif not organisations[org].is_active:
        one.fault("org_id", "inactive_organisation", f"{org} is not active")


def _definitions(members: Members, world: World, participants: list[str], level: int) -> dict[str, CompiledDefinition]:
    """The definitions of sub-workflows; without participants of their own they have those of this one."""
    found: dict[str, CompiledDefinition] = {}
    items = members.items("definitions", most=MAX_STEPS)
    if items and level >= MAX_NESTING:
        members.fault("definitions", "too_deep", f"sub-workflows nest at most {MAX_NESTING} deep")
        return found
    for index, item in enumerate(items):
        pointer, inner = at("/definitions", index), Faults()
        inherited = {"participants": members.raw("participants")}
        is_bare = isinstance(item, dict) and item.get("participants") is None
        try:
            one = _compile({**item, **inherited} if is_bare else item, inner, world, participants, level + 1)
            inner.raise_any()
        except DefinitionErrors as errors:
            for fault in errors.below(pointer).errors:
                members.faults.add(fault.pointer, fault.code, fault.detail, fault.suggestion)
            name = item.get("id") if isinstance(item, dict) else None
            if isinstance(name, str) and name not in found:
                found[name] = _UNREAD  # it is there, whatever is wrong with it
            continue
        if one.id in found:
            members.faults.add(at(pointer, "id"), "repeated_id", f"the id {one.id} is taken")
        found[one.id] = one
    return found


def _check_capabilities(draft: Draft, world: World, faults: Faults) -> None:
    for name, step in draft.steps.items():
        needed, org = _capability(step), getattr(step, "assigned_org", "")
        facts = (world.organisations or {}).get(org)
        if needed and facts and needed not in facts.capabilities:
            faults.add(draft.where(name, "assigned_org"), "missing_capability", f"{org} lacks the capability {needed}")


def _capability(step: AnyStep) -> str | None:
    if isinstance(step, UserTask) and is_approval(step.form):
        return "approval"
    return "data_exchange" if isinstance(step, DataExchange) else None


def _check_observers(participants: list[dict[str, Any]], found: CompiledDefinition, faults: Faults) -> None:
    """Whoever only observes has nothing to do, and cannot end what others do."""
    busy = actors(found)
    for index, one in enumerate(participants):
        if one.get("role") != OBSERVER:
            continue
        pointer = at("/participants", index)
        if one.get("can_terminate"):
            faults.add(at(pointer, "can_terminate"), "observes_only", "an observer terminates nothing")
        if one["org_id"] in busy:
            detail = f"{one['org_id']} observes: no step, data, message or signal is for it"
            faults.add(at(pointer, "role"), "observes_only", detail, "give it another role")


_UNREAD = CompiledDefinition(v=1, id="x", name="", participants=[], steps={})
