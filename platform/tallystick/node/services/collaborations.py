"""Proposing, agreeing, starting and ending a collaboration."""

from typing import Any

from sqlmodel import Session

from tallystick.core import canonical
from tallystick.core.engine.state import OPEN
from tallystick.core.errors import Invalid, WrongState
from tallystick.core.statement import Consent, Terminate
from tallystick.node.record import audience, beginning, onchain, store
from tallystick.node.record.authoring import Saying, say
from tallystick.node.record.unit import Unit
from tallystick.node.schemas import check_value
from tallystick.node.services import repeats, searching, views
from tallystick.node.services.agreeing import compiled_for, draft, facts
from tallystick.node.services.base import Service, bounded
from tallystick.node.services.repeats import Asked
from tallystick.node.services.searching import Wanted, cursor_key
from tallystick.node.services.values import resolve
from tallystick.tenants.permissions import Permission
from tallystick.tenants.users import User


class Collaborations(Service):
    """Collaborations as names.md has them; each is one execution under one agreement."""

    async def propose(
        self,
        who: User,
        definition: dict[str, Any],
        input: dict[str, Any] | None = None,
        *,
        terms: dict[str, Any] | None = None,
        asked: Asked | None = None,
    ) -> dict[str, Any]:
        """Compile, check against the partners' cards, and propose to every participant.

        ``input`` stays here until the start, which uses it unless it brings its own. What is ``asked`` again is not
        proposed again.
        """

        def work(unit: Unit) -> dict[str, Any]:
            compiled = compiled_for(definition, facts(self.parts, definition))
            document = draft(self.parts, definition, compiled, terms or {})
            loaded = beginning.offer(unit, self.parts.context, document, input or {}, definition)
            return views.collaboration(loaded)

        def once(unit: Unit) -> dict[str, Any]:
            return repeats.once(unit, asked, self.parts.context.now(), work)

        return await self.write(who, Permission.CREATE_COLLABORATION, once)

    async def consent(
        self, who: User, collaboration_id: str, decision: str, reason: str | None = None
    ) -> dict[str, Any]:
        """Accept or reject a proposal for the organisation."""
        if decision not in {"accepted", "rejected"}:
            raise Invalid("decision must be accepted or rejected", code="bad_decision", pointer="/decision")
        if decision == "rejected" and not (reason or "").strip():
            raise Invalid("say why it is rejected", code="reason_required", pointer="/reason")

        def work(unit: Unit) -> dict[str, Any]:
            loaded = store.load(unit, collaboration_id)
            consent = loaded.state.consents.get(self.parts.context.org_id)
            if loaded.state.status != "created" or consent != "pending":
                raise WrongState("this proposal does not wait for our consent", state=consent or loaded.state.status)
            saying = Saying(
                kind="consent",
                make=lambda data, sealed: Consent(
                    decision="accepted" if decision == "accepted" else "rejected",
                    reason=data.get("$reason"),
                    sealed=sealed,
                ),
                answer_key="consent",
                values={"$reason": reason} if reason else {},
                readers=audience.of_everyone(loaded.agreement),
            )
            say(unit, self.parts.context, loaded, saying)
            return views.collaboration(loaded)

        return await self.write(who, Permission.GIVE_CONSENT, work)

    async def start(self, who: User, collaboration_id: str, input: dict[str, Any] | None = None) -> dict[str, Any]:
        """Start a ready collaboration; starting one that runs answers with it as it is."""

        def work(unit: Unit) -> dict[str, Any]:
            loaded = store.load(unit, collaboration_id)
            if loaded.agreement.initiator != self.parts.context.org_id:
                raise WrongState("only the initiating organisation starts it", state=loaded.state.status)
            if loaded.state.status == "created":
                raise WrongState("not every participant has accepted yet", state="created")
            if loaded.state.status != "ready":
                return views.collaboration(loaded)
            values = resolve(unit, input or canonical.parse(loaded.row.proposed_input or b"{}"))
            check_value(loaded.agreement.compiled.input_schema, values, "/input")
            beginning.start(unit, self.parts.context, loaded, values)
            return views.collaboration(loaded)

        return await self.write(who, Permission.CREATE_COLLABORATION, work)

    async def terminate(self, who: User, collaboration_id: str, reason: str) -> dict[str, Any]:
        """End it early, with a reason; only for organisations that may."""
        if not reason.strip():
            raise Invalid("a reason is required", code="reason_required", pointer="/reason")

        def work(unit: Unit) -> dict[str, Any]:
            loaded = store.load(unit, collaboration_id)
            me = loaded.agreement.participant(self.parts.context.org_id)
            if me is None or not me.can_terminate:
                raise WrongState(
                    "this organisation may not terminate it", state=loaded.state.status, code="may_not_terminate"
                )
            if loaded.state.status not in OPEN:
                raise WrongState("it has ended already", state=loaded.state.status)
            saying = Saying(
                kind="terminate",
                make=lambda data, sealed: Terminate(reason=data["$reason"], sealed=sealed),
                answer_key="terminate",
                values={"$reason": reason},
                readers=audience.of_everyone(loaded.agreement),
            )
            say(unit, self.parts.context, loaded, saying)
            return views.collaboration(loaded)

        return await self.write(who, Permission.CREATE_COLLABORATION, work)

    async def collaborations(
        self, who: User, *, status: str | None = None, limit: int = 50, cursor: str | None = None, **filters: Any
    ) -> dict[str, Any]:
        """Newest first, in keyset pages; ``status`` is a collaboration's word or an execution's."""
        limit, after = bounded(limit), cursor_key(cursor)
        statuses = tuple(w for w in _STATUSES if status in {w, views.collaboration_status(w)})
        wanted = Wanted(statuses=statuses or ((status,) if status else ()), **filters)

        def work(session: Session) -> dict[str, Any]:
            found = searching.executions(session, wanted, limit, after)
            return found.page(lambda row: views.collaboration(store.load(session, row.id)))

        return await self.read(who, work)

    async def collaboration(self, who: User, collaboration_id: str) -> dict[str, Any]:
        """The status answer."""

        def work(session: Session) -> dict[str, Any]:
            loaded = store.load(session, collaboration_id)
            registration = onchain.workflow(session, loaded.agreement)
            return {**views.collaboration(loaded), **views.on_chain(loaded, registration)}

        return await self.read(who, work)


_STATUSES = ("created", "ready", "running", "completed", "failed", "cancelled", "suspended", "terminated")
