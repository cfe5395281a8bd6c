"""Proposing a change of what is proposed, and what a change differs in from what it replaces."""

from typing import Any

import msgspec
from sqlmodel import Session

from tallystick.core import canonical
from tallystick.core.agreement import Agreement, agreement_hash
from tallystick.core.errors import Invalid, WrongState
from tallystick.node.definitions import wording
from tallystick.node.definitions.comparison import compare
from tallystick.node.record import changing, store
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.unit import Reader, Unit
from tallystick.node.services import repeats, views
from tallystick.node.services.agreeing import changed, compiled_for, facts
from tallystick.node.services.base import Service
from tallystick.node.services.repeats import Asked
from tallystick.tenants.models.record import AgreementRow
from tallystick.tenants.permissions import Permission, require
from tallystick.tenants.users import User


class Changes(Service):
    """A signed counter-proposal takes the place of a proposal; everyone answers it anew."""

    async def propose_change(
        self,
        who: User,
        collaboration_id: str,
        definition: dict[str, Any] | None = None,
        terms: dict[str, Any] | None = None,
        reason: str | None = None,
        *,
        asked: Asked | None = None,
    ) -> dict[str, Any]:
        """Propose another definition or other terms instead; what is left out stays as it is."""
        require(who, Permission.GIVE_CONSENT)  # it is this organisation's answer, too

        def work(unit: Unit) -> dict[str, Any]:
            loaded = store.load(unit, collaboration_id)
            self._check_open(loaded)
            source = definition if definition is not None else _source(unit, loaded)
            if source is None:
                raise Invalid("its definition did not come with it; send one", code="missing", pointer="/definition")
            compiled = compiled_for(source, facts(self.parts, source))
            document = changed(self.parts, loaded, source, compiled, terms or {})
            execution = changing.offer(unit, self.parts.context, loaded, document, source, reason or "")
            return {
                "collaboration_id": collaboration_id,
                "replaced_by": execution,
                "agreement_hash": agreement_hash(document),
                "version": document["replaces"]["version"],
                "status": views.collaboration_status(loaded.state.status),
            }

        def once(unit: Unit) -> dict[str, Any]:
            return repeats.once(unit, asked, self.parts.context.now(), work)

        return await self.write(who, Permission.CREATE_COLLABORATION, once)

    def _check_open(self, loaded: Loaded) -> None:
        me, state = self.parts.context.org_id, loaded.state
        ours = loaded.agreement.participant(me)
        if ours is not None and ours.observes:
            raise WrongState("an observer accepts or rejects", state=state.status, code="observes_only")
        if loaded.agreement.parent is not None:
            raise WrongState("a sub-workflow is as its parent's agreement has it", state=state.status)
        if state.status != "created":
            raise WrongState("every participant has answered; what is agreed is not changed", state=state.status)
        consent = state.consents.get(me)
        if consent != "pending" and loaded.agreement.proposer != me:
            raise WrongState(
                "this organisation has answered already", state=consent or state.status, code="already_answered"
            )

    async def changes(self, who: User, collaboration_id: str, language: str = "en") -> dict[str, Any]:
        """What this proposal differs in from the one that it replaces; ``items`` is empty where it replaces none."""

        def work(session: Session) -> dict[str, Any]:
            loaded = store.load(session, collaboration_id)
            place = loaded.agreement.replaces
            before = store.get_agreement(session, place.agreement) if place else None
            found = {
                "collaboration_id": collaboration_id,
                "agreement_hash": loaded.row.agreement_hash,
                "version": loaded.agreement.version,
                "replaces": msgspec.to_builtins(place),
                "known": place is None or before is not None,  # who joins with the change has not seen what it replaces
            }
            return {**found, "items": _items(before, loaded.agreement, language) if before else []}

        return await self.read(who, work)

    async def agreement(self, who: User, collaboration_id: str) -> dict[str, Any]:
        """The agreement as signed, and its definition as it was written where that is known."""

        def work(session: Session) -> dict[str, Any]:
            loaded = store.load(session, collaboration_id)
            row = session.get_one(AgreementRow, loaded.row.agreement_hash)
            source = canonical.parse(row.source) if row.source else None
            return {"agreement_hash": row.hash, "agreement": canonical.parse(row.document), "source": source}

        return await self.read(who, work)


def _items(before: Agreement, after: Agreement, language: str) -> list[dict[str, Any]]:
    return [
        {
            **msgspec.to_builtins(one),
            "section_name": wording.section(one.section, language),
            "text": wording.sentence(one, before, after, language),
        }
        for one in compare(before, after)
    ]


def _source(reader: Reader, loaded: Loaded) -> dict[str, Any] | None:
    row = reader.get(AgreementRow, loaded.row.agreement_hash)
    return canonical.parse(row.source) if row and row.source else None
