"""What differs between two definitions, by what they compile to: how they are written does not matter."""

from collections.abc import Iterator
from typing import Any

import msgspec

from tallystick.core.definition.faults import at
from tallystick.core.definition.model import CompiledDefinition

_BY_ID = ("steps", "definitions")
_LISTS = {
    "form": "id",
    "branches": "id",
    "catches": "code",
    "next_steps": "outcome",
}  # lists whose elements have a name


class Change(msgspec.Struct, frozen=True):
    """One difference: ``added``, ``removed`` or ``changed``, where in the compiled form, and the two values."""

    kind: str
    pointer: str
    before: Any = None
    after: Any = None

    def __str__(self) -> str:
        """A line for people."""
        sign = {"added": "+", "removed": "-", "changed": "~"}[self.kind]
        what = self.pointer.strip("/").replace("/", " › ").replace("~1", "/").replace("~0", "~") or "definition"
        if self.kind == "changed":
            return f"{sign} {what}: {shown(self.before)} → {shown(self.after)}"
        return f"{sign} {what}: {shown(self.after if self.kind == 'added' else self.before)}"


def differences(before: CompiledDefinition, after: CompiledDefinition) -> list[Change]:
    """Everything that differs, defaults counting as what they stand for."""
    return list(_members(msgspec.to_builtins(_full(before)), msgspec.to_builtins(_full(after)), ""))


def _full(definition: CompiledDefinition) -> Any:
    """With every default spelt out, so that a member that goes away shows what it becomes."""
    return _spelt(definition)


def _spelt(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        config = value.__struct_config__
        found = {config.tag_field: config.tag} if config.tag_field else {}
        return found | {name: _spelt(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {key: _spelt(member) for key, member in value.items()}
    return [_spelt(member) for member in value] if isinstance(value, list) else value


def _members(before: dict[str, Any], after: dict[str, Any], pointer: str) -> Iterator[Change]:
    for name in [*before, *(name for name in after if name not in before)]:
        where = at(pointer, name)
        if name not in after:
            yield Change("removed", where, before=before[name])
        elif name not in before:
            yield Change("added", where, after=after[name])
        elif before[name] != after[name] or type(before[name]) is not type(after[name]):
            yield from _values(before[name], after[name], where, name)


def _values(before: Any, after: Any, pointer: str, name: str) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict) and before.get("step_type") == after.get("step_type"):
        yield from _members(before, after, pointer)
        return
    key = _LISTS.get(name)
    if key and isinstance(before, list) and isinstance(after, list):
        ones, others = _named(before, key), _named(after, key)
        if len(ones) == len(before) and len(others) == len(after):
            found = list(_members(ones, others, pointer))
            yield from found or [Change("changed", pointer, before, after)]  # only their order differs
            return
    yield Change("changed", pointer, before, after)


def _named(elements: list[Any], key: str) -> dict[str, Any]:
    return {str(one.get(key) or "otherwise"): one for one in elements}


def shown(value: Any) -> str:
    """A value on one line, without what is empty in it."""
    if isinstance(value, dict):
        if "step_type" in value and value.get("name"):
            return f"{value['step_type']} “{value['name']}”" + _by(value)
        if "steps" in value:
            return f"“{value.get('name', '')}” with {len(value['steps'])} steps"
        inner = ", ".join(f"{key}: {shown(one)}" for key, one in value.items() if one not in (None, [], {}, ""))
        return "{" + inner + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(shown, value)) + "]"
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _by(step: dict[str, Any]) -> str:
    org = step.get("assigned_org")
    return f" by {org}" if org else ""
