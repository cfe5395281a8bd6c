"""What reading a step needs to know of the definition around it."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from tallystick.core.definition.draft import Draft, Read
from tallystick.core.definition.faults import at
from tallystick.core.definition.model import SHARED, Audience
from tallystick.core.definition.reading import Members


class Context(NamedTuple):
    """Who takes part, in which roles, what was read so far, and the definitions of sub-workflows by id."""

    participants: list[str]
    roles: dict[str, list[str]]
    draft: Draft
    definitions: Collection[str] = ()
    time_zones: Collection[str] | None = None

    def expression(self, members: Members, name: str, reader: str, *, names: Collection[str] = ()) -> str:
        """A required expression, whose reading is checked when all steps are known."""
        text = members.text(name)
        if text:
            self.draft.reads.append(Read(reader, at(members.pointer, name), text, names))
        return text

    def owner(self, members: Members) -> str:
        """Who does a step: ``assigned_org``, or ``assigned_role`` where one participant has it."""
        org, role = members.raw("assigned_org"), members.raw("assigned_role")
        if org is None and role is None:
            members.missing("assigned_org")
            return ""
        by_role = None if role is None else self._by_role(members, role)
        if org is None:
            return by_role or ""
        if not isinstance(org, str) or org not in self.participants:
            pointer = at(members.pointer, "assigned_org")
            members.faults.unknown(pointer, "unknown_organisation", "participant", org, self.participants)
            return ""
        if by_role not in {None, org}:
            members.fault("assigned_role", "contradiction", f"the step is assigned to {org}, which is not the {role}")
        return org

    def audience(self, members: Members, name: str, org: str) -> Audience:
        """``shared``, or organisations and roles, beside ``org`` itself."""
        value = members.raw(name)
        if value is None or value == SHARED:
            return "shared"
        known = {*self.participants, *self.roles}
        named = members.names(name, known, "organisation")
        return only(org, (one for each in named for one in self._orgs(each)))

    def _orgs(self, name: str) -> list[str]:
        """An organisation by its id, which goes first, or those of a role."""
        return [name] if name in self.participants else self.roles[name]

    def _by_role(self, members: Members, role: object) -> str | None:
        orgs = self.roles.get(role, []) if isinstance(role, str) else []
        if not orgs:
            pointer = at(members.pointer, "assigned_role")
            members.faults.unknown(pointer, "unknown_role", "role", role, self.roles)
        elif len(orgs) > 1:
            members.fault("assigned_role", "ambiguous_role", f"{' and '.join(orgs)} have the role {role}")
        return orgs[0] if len(orgs) == 1 else None


def only(org: str, readers: Iterable[str]) -> list[str]:
    """The audience of ``readers`` and of ``org``, which does the step."""
    return sorted({*readers, *([org] if org else [])})
