"""Insecure, hand-written stand-ins for the API's and portal's own tests; scenario tests use the real node.

Ids choose the answer: ``missing`` is not found, ``ended`` is in the wrong state, and so on (see :data:`REFUSALS`).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tallystick.core.errors import Forbidden, Invalid, NotFound, NotYet, TallystickError, Unavailable, WrongState
from tallystick.core.policy import DIRECT
from tallystick.ledger.ports import Passed, Submission, Tried
from tallystick.node.anchoring.telling import told, unsent
from tallystick.node.api.ports import Unauthenticated

NOW = 1_795_485_600_000
PASSWORD = "a!b@c$d()e*_,/:;=?@ff[]22 密码"
BUYER = "华夏汽车 <Buyer> & Co"

REFUSALS: dict[str, Callable[[], TallystickError]] = {
    "missing": lambda: NotFound("there is no such thing"),
    "denied": lambda: Forbidden("only a participant may"),
    "ended": lambda: WrongState("it has ended", state="completed"),
    "early": lambda: NotYet("the agreement has not come"),
    "odd": lambda: Invalid("is not acceptable", code="unknown_role", pointer="/definition/participants/0/role"),
    "down": lambda: Unavailable("the database does not answer"),
}


@dataclass
class FakePerson:
    """A user."""

    username: str
    roles: list[str]
    language: str = "en"
    groups: Sequence[str] = ()

    @property
    def id(self) -> str:
        """The id is the name."""
        return self.username

    @property
    def display_name(self) -> str:
        """With characters that need escaping."""
        return f"{self.username} <李>"


@dataclass
class FakeSession:
    """A session whose token names its user."""

    token: str
    expires_at: int = field(default_factory=lambda: int(time.time() * 1000) + 3_600_000)


@dataclass
class FakeToken:
    """A worker's access token."""

    id: str
    name: str
    queues: Sequence[str] | None
    created_by: str = "admin"
    created_at: int = NOW
    expires_at: int = NOW + 86_400_000


ROLES = {
    "administrator": {
        "create_collaboration", "give_consent", "work_on_tasks", "work_on_queues", "read", "verify", "administer"
    },
    "operator": {"create_collaboration", "give_consent", "work_on_tasks", "work_on_queues", "read", "verify"},
    "auditor": {"read", "verify"},
    "worker": {"work_on_queues"},
    "nobody": set(),
}  # fmt: skip


@dataclass
class FakeAccountsForApiTests:
    """Users ``admin``, ``operator``, ``auditor``, ``worker`` and ``nobody``; a token is ``token-`` and the name."""

    people: dict[str, FakePerson] = field(
        default_factory=lambda: {
            name: FakePerson(name, ["administrator" if name == "admin" else name])
            for name in ("admin", "operator", "auditor", "worker", "nobody")
        }
    )
    signed_out: set[str] = field(default_factory=set)

    async def sign_in(self, username: str, password: str) -> FakeSession:
        """One password for all."""
        if username not in self.people or password != PASSWORD:
            raise Unauthenticated("wrong name or password", code="sign_in_failed")
        return FakeSession(f"token-{username}")

    async def sign_in_with_link(self, link: str) -> FakeSession:
        """One link works."""
        if link != "good-link":
            raise Unauthenticated("the link was used or has expired", code="sign_in_failed")
        return FakeSession("token-operator")

    async def who(self, token: str) -> FakePerson:
        """Each way in which a token can be bad."""
        if token == "throttled":
            raise Unauthenticated("wait", code="too_many_attempts")
        if token in ("expired", "other-audience", "forged") or token in self.signed_out:
            raise Unauthenticated(f"the token is {token}", code="bad_token")
        try:
            return self.people[token.removeprefix("token-")]
        except KeyError:
            raise Unauthenticated("the token is not ours", code="bad_token") from None

    async def sign_out(self, token: str) -> None:
        """Remember it."""
        self.signed_out.add(token)

    def may(self, person: Any, permission: str) -> bool:
        """By role."""
        return any(permission in ROLES[role] for role in person.roles)

    async def users(self) -> list[FakePerson]:
        """All."""
        return list(self.people.values())

    async def add_user(
        self,
        *,
        username: str,
        password: str,
        display_name: str,
        roles: Sequence[str],
        groups: Sequence[str] = (),
        language: str,
    ) -> FakePerson:
        """Add one."""
        if username in REFUSALS:
            raise REFUSALS[username]()
        self.people[username] = FakePerson(username, list(roles), language, groups)
        return self.people[username]

    async def set_groups(self, username: str, groups: Sequence[str]) -> FakePerson:
        """For a user who exists."""
        if username not in self.people:
            raise NotFound("there is no such user")
        self.people[username].groups = groups
        return self.people[username]

    async def make_link(self, username: str) -> str:
        """A secret for a user who exists."""
        if username not in self.people:
            raise NotFound("there is no such user")
        return f"link-{username}"

    async def add_token(self, who: Any, *, name: str, queues: Sequence[str] | None, days: int) -> tuple[str, FakeToken]:
        """As given."""
        return f"tally_{name}", FakeToken("k1", name, queues, who.username)

    async def tokens(self) -> list[FakeToken]:
        """One."""
        return [FakeToken("k1", "press 冲压", ["press"])]

    async def remove_token(self, token_id: str) -> None:
        """One is there."""
        if token_id != "k1":
            raise NotFound("there is no such access token")


@dataclass
class FakeServicesForApiTests:
    """Answers with one of everything; refuses by id."""

    calls: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    stored: bytes = b""
    asked: list[Any] = field(default_factory=list)

    def _called(self, name: str, *arguments: Any) -> None:
        self.calls.append((name, arguments))
        for argument in arguments:
            if isinstance(argument, str) and argument in REFUSALS:
                raise REFUSALS[argument]()
            if argument == "broken":
                raise RuntimeError("a secret that must not be shown")

    async def organisation(self) -> dict[str, Any]:
        """Ours; its clock is in doubt until somebody accepts it, and one certificate ends soon."""
        doubt = None if ("accept_clock", ()) in self.calls else {"behind_ms": 172_800_000, "mark": NOW}
        ends = [
            {"name": one, "not_after": 1_795_000_000_000, "ends_soon": one == "server"} for one in ("client", "server")
        ]
        return {"id": "buyer", "name": BUYER, "domain": "buyer.example", "is_active": True, "capabilities": [],
                "clock_doubt": doubt, "certificates": ends}  # fmt: skip

    async def accept_clock(self, who: Any) -> dict[str, Any]:
        """Recorded."""
        self._called("accept_clock")
        return await self.organisation()

    async def card(self) -> dict[str, Any]:
        """Public."""
        return {"id": "buyer"}

    def _partner(self, key: str) -> dict[str, Any]:
        state = {"waiting": "pending", "apart": "suspended", "left": "removed"}.get(key, "active")
        found: dict[str, Any] = {
            "id": key, "name": "Nordic <Bearings>", "names": {"zh-CN": "北欧轴承"}, "domain": "nordic.example",
            "did": "did:web:nordic.example", "operator": "Nordic IT & Co", "public_key": "ab" * 32,
            "endpoint_url": "https://nordic.example", "capabilities": ["approval"], "is_active": True,
            "card_issued_at": NOW, "chain_org": "0x" + "cd" * 32, "chain_admin": "0x" + "12" * 20, "status": state,
            "status_since": NOW, "fingerprint": "61325 54237 04887 09151 05250 45792", "connected": key == "supplier",
            "incoming": key == "supplier", "since": NOW, "last_seen": NOW, "last_error": "link_down: <not linked>",
            "transport": "nats", "pinned_ca": False, "resembles": ["nordic"] if state == "pending" else [],
        }  # fmt: skip
        if state == "pending":
            return {**found, "answer": "a.b.c", "delivered_at": None, "invited_by": key, "expires_at": NOW}
        newest = [{"execution_id": "e1", "name": "轴承订单 <Order>", "status": "running"}]
        return {**found, "open_executions": 1, "newest_open": newest, "undelivered": 3}

    async def keys(self, who: Any) -> dict[str, Any]:
        """One."""
        facts = {"key": "ab" * 32, "overlap": 64, "sealing_kid": "s1", "since": None}
        states = [("k3", True, True, None), ("k2", False, True, 7), ("k1", False, False, None)]
        return {
            "root": {"kid": "r0", "key": "cd" * 32, "is_away": True},
            "waiting": {"card": True, "statements": 200, "more": True},
            "items": [
                {
                    **facts,
                    "kid": kid,
                    "serial": int(kid[1]),
                    "made_at": int(kid[1]) - 1,
                    "is_current": current,
                    "is_held": held,
                    "revoked_at": revoked,
                    "reason": "compromised" if revoked else None,
                }
                for kid, current, held, revoked in states
            ],
        }

    async def pending_signatures(self, who: Any, *, limit: int, cursor: str | None) -> dict[str, Any]:
        """None."""
        self._called("pending_signatures", limit, cursor)
        return {"org_id": "huaxia", "root": {"kid": "r0", "key": "cd" * 32}, "items": [], "next_cursor": None}

    async def take_signatures(self, who: Any, tokens: list[str]) -> dict[str, Any]:
        """Recorded."""
        self._called("take_signatures", tokens)
        return {"items": [], "waiting": {"card": False, "statements": 0, "more": False}}

    async def rotate_keys(self, who: Any, *, overlap: int, sealing: bool) -> dict[str, Any]:
        """Recorded."""
        self._called("rotate_keys", overlap, sealing)
        return await self.keys(who)

    async def revoke_key(self, who: Any, kid: str, *, reason: str, since: int | None = None) -> dict[str, Any]:
        """Recorded."""
        self._called("revoke_key", kid, reason, since)
        return await self.keys(who)

    async def compromise_report(self, who: Any, kid: str, **facts: Any) -> dict[str, Any]:
        """Recorded."""
        self._called("compromise_report", kid, facts)
        proof = {"org": "0x1", "size": 4, "block_number": 12, "time": 1_789_999_999_000}
        item = {
            "what": "statement",
            "execution_id": "e1",
            "place": 3,
            "id": "s",
            "kind": "result",
            "outcome": "applied",
        }
        return {
            "kid": kid,
            "org_id": facts.get("org") or "buyer",
            "since": facts.get("since") or 1_790_000_000_000,
            "key": None,
            "items": [
                {**item, "at": 1_789_999_000_000, "position": "proven", "proven_by": proof},
                {**item, "at": 1_789_999_000_000, "position": "claimed", "proven_by": None},
                {**item, "at": 1_790_000_001_000, "position": "after", "proven_by": None},
            ],
            "executions": [
                {"execution_id": "e1", "name": "Order <1>", "status": "running", "proven": 1, "claimed": 1, "after": 1}
            ],
            "anchors": [
                {"execution_id": "e1", "kind": "start", "size": 4, "block_number": 12, "time": 9, "position": "proven"}
            ],
            "next_cursor": None if facts.get("cursor") else "next",
        }

    async def partners(self, who: Any) -> dict[str, Any]:
        """One of each kind."""
        return {"items": [self._partner(one) for one in ("waiting", "supplier", "apart", "left")]}

    async def partner(self, who: Any, org_id: str) -> dict[str, Any]:
        """By id."""
        self._called("partner", org_id)
        return self._partner(org_id)

    def _invitation(self, key: str, state: str = "open") -> dict[str, Any]:
        return {"invitation_id": key, "link": f"https://buyer.example/api/v1/invitations/{key}", "note": "<轴承>",
                "state": state, "created_by": "admin", "created_at": NOW, "expires_at": NOW,
                "answered_by": "supplier" if state == "answered" else None}  # fmt: skip

    async def invite(self, who: Any, hours: int = 72, note: str = "") -> dict[str, Any]:
        """Recorded."""
        self._called("invite", hours, note)
        return {**self._invitation("i1"), "invitation": "a.b.c"}

    async def invitations(self, who: Any) -> dict[str, Any]:
        """An open one and an answered one."""
        return {"items": [self._invitation("i1"), self._invitation("i2", "answered")], "next_cursor": None}

    async def invitation(self, name: str) -> dict[str, Any]:
        """By name."""
        self._called("invitation", name)
        return {"invitation": "a.b.c"}

    async def withdraw_invitation(self, who: Any, name: str) -> None:
        """Recorded."""
        self._called("withdraw_invitation", name)

    async def accept_invitation(self, who: Any, given: str) -> dict[str, Any]:
        """Recorded."""
        self._called("accept_invitation", given)
        return self._partner("waiting")

    async def answer_invitation(self, answer: str) -> dict[str, Any]:
        """Recorded."""
        self._called("answer_invitation", answer)
        return {"status": "received", "organisation": "buyer", "waits": True}

    async def confirm_partner(self, who: Any, org_id: str, given: str) -> dict[str, Any]:
        """Recorded."""
        self._called("confirm_partner", org_id, given)
        return self._partner(org_id)

    async def suspend_partner(self, who: Any, org_id: str) -> dict[str, Any]:
        """Recorded."""
        self._called("suspend_partner", org_id)
        return self._partner("apart")

    async def resume_partner(self, who: Any, org_id: str) -> dict[str, Any]:
        """Recorded."""
        self._called("resume_partner", org_id)
        return self._partner(org_id)

    async def remove_partner(self, who: Any, org_id: str, *, force: bool = False) -> dict[str, Any]:
        """Recorded."""
        self._called("remove_partner", org_id, force)
        return {"id": org_id, "status": "removed"}

    async def did_document(self) -> dict[str, Any]:
        """Public."""
        return {"id": "did:web:buyer.example"}

    async def put_partner(self, who: Any, card: dict[str, Any]) -> dict[str, Any]:
        """As given."""
        self._called("put_partner", card)
        return card

    async def set_transport(self, who: Any, org_id: str, transport: str, ca_pem: str | None = None) -> dict[str, Any]:
        """As given."""
        self._called("set_transport", org_id, transport, ca_pem)
        return {"id": org_id, "transport": transport}

    async def propose(
        self,
        who: Any,
        definition: dict[str, Any],
        values: dict[str, Any],
        *,
        terms: dict[str, Any] | None = None,
        asked: Any = None,
    ) -> dict[str, Any]:
        """A definition's id may refuse it; what is asked again is recorded and not told apart."""
        self.asked.append(asked)
        self._called("propose", definition.get("id"), definition, values)
        return self._collaboration("c1")

    async def consent(self, who: Any, key: str, decision: str, reason: str | None = None) -> dict[str, Any]:
        """Recorded."""
        self._called("consent", key, decision, reason)
        return self._collaboration(key)

    async def propose_change(
        self,
        who: Any,
        key: str,
        definition: dict[str, Any] | None,
        terms: dict[str, Any],
        reason: str | None,
        *,
        asked: Any = None,
    ) -> dict[str, Any]:
        """Recorded."""
        self.asked.append(asked)
        self._called("propose_change", key, (definition or {}).get("id"), definition, terms, reason)
        return {"collaboration_id": key, "replaced_by": "c2", "agreement_hash": "cd" * 32, "version": 2}

    async def changes(self, who: Any, key: str, language: str = "en") -> dict[str, Any]:
        """One difference of a proposal that replaces another."""
        self._called("changes", key, language)
        place = {"execution": "c0", "agreement": "ef" * 32, "version": 2, "by": "supplier"}
        item = {"section": "terms", "section_name": "Terms", "kind": "changed", "pointer": "/retention_days",
                "before": 3650, "after": 30, "text": "kept for <days>: 3650 → 30"}  # fmt: skip
        return {"collaboration_id": key, "version": 2, "replaces": place, "known": True, "items": [item]}

    async def start(self, who: Any, key: str, values: dict[str, Any]) -> dict[str, Any]:
        """Recorded."""
        self._called("start", key, values)
        return self._collaboration(key)

    async def terminate(self, who: Any, key: str, reason: str) -> dict[str, Any]:
        """Recorded."""
        self._called("terminate", key, reason)
        return self._collaboration(key)

    async def signal_execution(self, who: Any, key: str, signal: str, data: dict[str, Any]) -> dict[str, Any]:
        """Recorded."""
        self._called("signal_execution", key, signal, data)
        return self._collaboration(key)

    async def suspend_execution(self, who: Any, key: str, reason: str) -> dict[str, Any]:
        """Recorded."""
        self._called("suspend_execution", key, reason)
        return self._collaboration(key)

    async def resume_execution(self, who: Any, key: str) -> dict[str, Any]:
        """Recorded."""
        self._called("resume_execution", key)
        return self._collaboration(key)

    async def cancel_execution(self, who: Any, key: str, reason: str) -> dict[str, Any]:
        """Recorded."""
        self._called("cancel_execution", key, reason)
        return self._collaboration(key)

    async def retry_task(self, who: Any, key: str) -> dict[str, Any]:
        """Recorded."""
        self._called("retry_task", key)
        return self._collaboration("c1")

    def _definition(self, key: str, version: str = "2") -> dict[str, Any]:
        return {
            "definition_id": key, "version": version, "name": "轴承订单 <Order>", "created_by": "operator",
            "created_at": NOW, "deprecated_at": None if version == "2" else NOW,
            "triggers": [{"trigger_type": "api"}, {"trigger_type": "schedule", "cron": "*/5 * * * *",
                         "time_zone": "UTC"}, {"trigger_type": "event", "topic": "areas/+/alarm"}],
        }  # fmt: skip

    async def add_definition(self, who: Any, definition: dict[str, Any]) -> dict[str, Any]:
        """A definition's id may refuse it."""
        self._called("add_definition", definition.get("id"), definition)
        return self._definition("d1")

    async def definitions(self, who: Any, **query: Any) -> dict[str, Any]:
        """Two versions."""
        self._called("definitions", query)
        return {"items": [self._definition("d1"), self._definition("d1", "1")], "next_cursor": None}

    async def definition(
        self, who: Any, definition_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> dict[str, Any]:
        """A run that started something, and one that could not."""
        self._called("definition", definition_id)
        common = {"definition_id": definition_id, "version": "2", "trigger": 1, "at": NOW}
        runs = [
            {"occasion": f"due/{NOW}", "execution_id": "e1", "code": None, "detail": None, **common},
            {"occasion": "event/ab", "execution_id": None, "code": "bad_payload", "detail": "no <JSON>", **common},
        ]
        items = [{**self._definition(definition_id, one), "definition": {"id": "<d1>"}} for one in ("2", "1")]
        return {"definition_id": definition_id, "items": items, "next_cursor": None, "recent_runs": runs}

    async def deprecate_definition(self, who: Any, definition_id: str, version: str | None = None) -> dict[str, Any]:
        """Recorded."""
        self._called("deprecate_definition", definition_id, version)
        return {"definition_id": definition_id, "current_version": None}

    async def start_definition(
        self, who: Any, definition_id: str, input: dict[str, Any], *, version: str | None = None, asked: Any = None
    ) -> dict[str, Any]:
        """Recorded."""
        self.asked.append(asked)
        self._called("start_definition", definition_id, input, version)
        return self._collaboration("c1")

    async def propose_definition(
        self, who: Any, definition_id: str, input: dict[str, Any], *, version: str | None = None, asked: Any = None
    ) -> dict[str, Any]:
        """Recorded."""
        self.asked.append(asked)
        self._called("propose_definition", definition_id, input, version)
        return self._collaboration("c1")

    async def send_event(self, who: Any, topic: str, payload: Any, event_id: str | None = None) -> dict[str, Any]:
        """Recorded."""
        self._called("send_event", topic, payload, event_id)
        return {"event_id": event_id or "x", "runs": []}

    def _collaboration(self, key: str) -> dict[str, Any]:
        state = key if key in ("ready", "in_progress", "completed") else "created"
        return {
            "collaboration_id": key, "execution_id": "e1", "name": "轴承订单 <Order>", "status": state,
            "workflow_status": "running", "participants": [
                {"org_id": "buyer", "name": BUYER, "role": "buyer", "consent": "pending",
                 "can_terminate": True},
                {"org_id": "supplier", "name": "Nordic Bearings", "role": "supplier", "consent": "pending"},
            ],
            "completed_activities": [{"task": "order", "name": "Send the order", "org": "buyer", "outcome": None}],
            "pending_activities": [{"task": "approve", "task_id": "t1", "name": "Approve", "waiting_for": ["supplier"],
                                    "due_date": NOW, "priority": "high", "since": NOW}],
            "last_updated": NOW, "coordinator": "buyer", "agreement_hash": "ab" * 32, "outcome": None,
            "initiator": "buyer", "dispute": None, "proposed_by": "supplier", "version": 2, "replaces": "c0",
            "replaced_by": "c2" if key == "completed" else None,
        }  # fmt: skip

    async def collaborations(self, who: Any, **query: Any) -> dict[str, Any]:
        """One."""
        self._called("collaborations", query)
        return {"items": [self._collaboration("c1")], "next_cursor": "next page"}

    async def collaboration(self, who: Any, key: str) -> dict[str, Any]:
        """By id."""
        self._called("collaboration", key)
        return self._collaboration(key)

    async def agreement(self, who: Any, key: str) -> dict[str, Any]:
        """By id."""
        self._called("agreement", key)
        terms = {"retention_days": 3650, "limits": {"skew_ms": 300_000, "sequencing_ms": 60_000}}
        agreement = {"v": 1, "kind": "agreement", "anchoring": dict(DIRECT), **terms}
        return {"agreement_hash": "ab" * 32, "agreement": agreement,
                "source": {"id": "order", "name": "订单 <Order>"}}  # fmt: skip

    def _execution(self, key: str) -> dict[str, Any]:
        return {"execution_id": key, "collaboration_id": "c1", "name": "轴承订单", "status": "running", "size": 3,
                "root": "cd" * 32, "attested_by": [{"org_id": "supplier", "size": 2}]}  # fmt: skip

    async def executions(self, who: Any, **query: Any) -> dict[str, Any]:
        """One."""
        return {"items": [self._execution("e1")], "next_cursor": None}

    async def execution(self, who: Any, key: str) -> dict[str, Any]:
        """By id."""
        self._called("execution", key)
        return self._execution(key)

    async def timeline(self, who: Any, key: str, *, after: int = -1) -> dict[str, Any]:
        """An applied entry and a void one."""
        self._called("timeline", key, after)
        common = {"at": NOW, "statement_id": "ef" * 32, "signed_by_kid": "0123456789abcdef"}
        return {"items": [
            {"seq": 0, "kind": "propose", "issuer": "buyer", "issuer_name": BUYER, "outcome": "applied",
             "events": [{"type": "proposed"}], **common},
            {"seq": 1, "kind": "result", "issuer": "supplier", "issuer_name": "Nordic", "outcome": "void:late",
             "events": [], **common},
        ]}  # fmt: skip

    async def data(self, who: Any, key: str) -> dict[str, Any]:
        """A text, a number and a file."""
        self._called("data", key)
        manifest = {"document_id": "d1", "name": "订单.xml", "media_type": "application/xml", "size": 2048}
        common = {"statement_id": "ef" * 32, "task": "order", "attempt": 1, "issuer": "buyer"}
        return {"items": [
            {"property": "order", "value": {"$file": manifest}, **common},
            {"property": "note", "value": "<script>alert(1)</script>", **common},
            {"property": "lines", "value": [{"quantity": 12}], **common},
            {"property": "urgent", "value": True, **common},
        ]}  # fmt: skip

    async def anchors(self, who: Any, key: str) -> dict[str, Any]:
        """A waiting one and a confirmed one."""
        self._called("anchors", key)
        return {"items": [
            {"org": "buyer", "kind": "start", **self._sent()},
            {"org": "buyer", "kind": "completion", **unsent(NOW), "error": "the chain does not answer"},
        ]}  # fmt: skip

    def _sent(self) -> dict[str, Any]:
        tried: dict[str, Any] = {
            "transaction_hash": "0x" + "34" * 32,
            "relayer": "0x" + "5" * 40,
            "nonce": 3,
            "at": NOW,
        }
        return told(Submission(key="k", to="0x", data=b"", state="reorged", since=NOW, gas_used=76413, price=10**10,
                               passed=(Passed("sent", NOW), Passed("mined", NOW)), transaction_hash="0x" + "12" * 32,
                               tried=(Tried(**tried, reason="<taken>"), Tried(**tried, reason="failed", cost=10**15)),
                               block_number=7, block_time=NOW // 1000, log_size=1))  # fmt: skip

    async def chain_transactions(self, who: Any, **query: Any) -> dict[str, Any]:
        """An anchor that cost something."""
        self._called("chain_transactions", *query.values())
        return {
            "items": [{"purpose": "anchor:0:<1>", "chain_id": 31337, "to": "0x" + "1" * 40, **self._sent()}],
            "next_cursor": None,
        }

    async def waiting(self, who: Any, key: str) -> dict[str, Any]:
        """For the chain."""
        self._called("waiting", key)
        return {"items": [{"what": "anchor", "for_whom": "the chain", "since": NOW, "tried": 3}]}

    async def all_waiting(self, who: Any, **query: Any) -> dict[str, Any]:
        """One execution that waits for one thing."""
        self._called("all_waiting", query)
        item = {"what": "result of approve.1", "for_whom": "supplier", "since": NOW, "tried": None}
        one = {"execution_id": "e1", "name": "轴承订单 <Order>", "status": "running", "since": NOW, "waiting": [item]}
        return {"items": [one], "next_cursor": "next page"}

    async def outbox(self, who: Any, **query: Any) -> dict[str, Any]:
        """One message."""
        self._called("outbox", query)
        item = {"outbox_id": 7, "what": "delivery of entries", "for_whom": "supplier", "since": NOW, "tried": "3 times",
                "attempts": 3, "last_error": "unreachable: <gone>", "next_try_at": NOW,
                "execution_id": "e1"}  # fmt: skip
        return {"items": [item], "next_cursor": "further"}

    async def verifications(self, who: Any, key: str) -> dict[str, Any]:
        """One."""
        self._called("verifications", key)
        return {"items": [self._verification(key)]}

    def _verification(self, key: str) -> dict[str, Any]:
        return {"execution_id": key, "workflow_id": "w", "is_valid": True, "local_hash": "aa" * 32,
                "blockchain_hash": "aa" * 32, "verification_time": NOW, "blockchain_tx_hash": "0x" + "bb" * 32,
                "verifier_id": "auditor", "checks": self._checks()}  # fmt: skip

    def _checks(self) -> list[dict[str, Any]]:
        return [
            {"number": 1, "name": "Format", "status": "PASS", "detail": "version 1"},
            {"number": 2, "name": "Signatures", "status": "FAIL", "detail": "entry 1 <bad>"},
            {"number": 3, "name": "Openings", "status": "INDETERMINATE", "detail": "withheld"},
        ]

    async def verify_execution(self, who: Any, key: str) -> dict[str, Any]:
        """Stored."""
        self._called("verify_execution", key)
        return self._verification(key)

    async def verify_bundle(self, who: Any, bundle: bytes) -> dict[str, Any]:
        """What is not JSON is refused."""
        if not bundle.startswith(b"{"):
            raise Invalid("this is not an evidence bundle", code="malformed_json")
        return {"verdict": "FAIL", "checks": self._checks()}

    async def evidence(self, who: Any, key: str, chain_id: int | None = None) -> dict[str, Any]:
        """Small."""
        self._called("evidence", key)
        return {"v": 1, "agreement": "订单"}

    def _task(self, key: str) -> dict[str, Any]:
        kinds = {"approval": "approval", "free": "activity"}
        form: list[dict[str, Any]] = [
            {"id": "note", "name": "备注", "property_type": "string", "required": True, "default_value": "x\"<y>"},
            {"id": "ok", "name": "In order?", "property_type": "boolean", "required": True},
            {"id": "count", "name": "Count", "property_type": "integer", "required": False, "default_value": 3},
            {"id": "price", "name": "Price", "property_type": "decimal", "required": False},
            {"id": "on", "name": "On", "property_type": "date", "required": False},
            {"id": "lines", "name": "Lines", "property_type": "array", "required": False},
            {"id": "advice", "name": "Advice", "property_type": "file", "required": False},
        ]  # fmt: skip
        return {
            "task_id": key, "collaboration_id": "c1", "execution_id": "e1", "collaboration_name": "轴承订单 <Order>",
            "step": "despatch", "name": "Send the <despatch> advice", "description": "Pack and send",
            "task_type": kinds.get(key, "data_exchange"), "attempt": 2,
            "status": "open" if key in ("open", "t1") else "claimed", "claimed_by": "operator", "due_at": NOW,
            "priority": "high", "assigned_org": "buyer", "form": [] if key == "free" else form,
            "parameters": {"target_orgs": ["buyer"]}, "since": NOW, "overdue": key == "approval",
            "candidate_groups": ["goods-in <收货>"] if key == "grouped" else [],
        }  # fmt: skip

    async def tasks(self, who: Any, **query: Any) -> dict[str, Any]:
        """An open and a claimed one."""
        self._called("tasks", query)
        return {"items": [self._task("t1"), self._task("approval")], "next_cursor": None}

    async def task(self, who: Any, key: str) -> dict[str, Any]:
        """By id; the refusals are for what is done with it."""
        if key == "missing":
            self._called("task", key)
        return self._task(key)

    async def claim(self, who: Any, key: str) -> dict[str, Any]:
        """Recorded."""
        self._called("claim", key)
        return self._task(key)

    async def release(self, who: Any, key: str) -> dict[str, Any]:
        """Recorded."""
        self._called("release", key)
        return self._task(key)

    async def complete(self, who: Any, key: str, data: dict[str, Any]) -> dict[str, Any]:
        """Recorded."""
        self._called("complete", key, data)
        return self._task(key)

    async def fail(self, who: Any, key: str, code: str, message: str) -> dict[str, Any]:
        """Recorded."""
        self._called("fail", key, code, message)
        return self._task(key)

    async def task_queues(self, who: Any) -> dict[str, Any]:
        """One."""
        return {"items": [{"queue": "press", "depth": 2, "oldest_since": NOW, "in_flight": 1}]}

    async def queue_tasks(self, who: Any, queue: str, *, limit: int = 50, cursor: str | None = None) -> dict[str, Any]:
        """One that waits and one that a worker holds."""
        self._called("queue_tasks", queue)
        common = {"execution_id": "e1", "activity_type": "press <x>", "since": NOW, "due_at": None, "priority": "high"}
        free = {"claimed_by": None, "worker_id": None, "claimed_at": None, "lease_expires_at": None}
        held = {"claimed_by": "token:k1", "worker_id": "line <3>", "claimed_at": NOW, "lease_expires_at": NOW}
        return {
            "queue": queue,
            "claimed": [{"task_id": "q2", "state": "claimed", "deliveries": 2, **common, **held}],
            "items": [{"task_id": "q1", "state": "waiting", "deliveries": 0, **common, **free}],
            "next_cursor": None,
        }

    async def claim_tasks(
        self, who: Any, queue: str, *, worker_id: str, max_tasks: int, wait_seconds: int, lease_seconds: int
    ) -> dict[str, Any]:
        """Recorded."""
        self._called("claim_tasks", queue, worker_id, max_tasks, wait_seconds, lease_seconds)
        return {"items": []}

    async def heartbeat(self, who: Any, key: str, claim_token: str) -> dict[str, Any]:
        """Recorded."""
        self._called("heartbeat", key, claim_token)
        return {"lease_expires_at": NOW}

    async def complete_claimed(self, who: Any, key: str, claim_token: str, data: dict[str, Any]) -> dict[str, Any]:
        """Recorded."""
        self._called("complete_claimed", key, claim_token, data)
        return self._task(key)

    async def fail_claimed(self, who: Any, key: str, claim_token: str, code: str, message: str) -> dict[str, Any]:
        """Recorded."""
        self._called("fail_claimed", key, claim_token, code, message)
        return self._task(key)

    async def cancel(self, who: Any, key: str, reason: str) -> dict[str, Any]:
        """Recorded."""
        self._called("cancel", key, reason)
        return self._task(key)

    async def approve(self, who: Any, key: str, comments: str = "") -> dict[str, Any]:
        """Recorded."""
        self._called("approve", key, comments)
        return self._task(key)

    async def reject(self, who: Any, key: str, comments: str = "") -> dict[str, Any]:
        """Recorded."""
        self._called("reject", key, comments)
        return self._task(key)

    def _document(self, key: str) -> dict[str, Any]:
        return {"document_id": key, "name": "订单 \"1\".xml", "media_type": "application/xml", "size": 7,
                "sha256": "ab" * 32}  # fmt: skip

    async def put_document(self, who: Any, name: str, media_type: str, chunks: AsyncIterator[bytes]) -> dict[str, Any]:
        """Counted, not kept."""
        self.stored = b"".join([chunk async for chunk in chunks])[:100]
        self._called("put_document", name, media_type)
        return self._document("d1")

    async def documents(self, who: Any, **query: Any) -> dict[str, Any]:
        """One."""
        return {"items": [self._document("d1")], "next_cursor": None}

    async def document(self, who: Any, key: str) -> dict[str, Any]:
        """By id."""
        self._called("document", key)
        return self._document(key)

    async def document_content(self, who: Any, key: str) -> tuple[dict[str, Any], AsyncIterator[bytes]]:
        """Seven bytes."""
        self._called("document_content", key)

        async def chunks() -> AsyncIterator[bytes]:
            yield b"<a>"
            yield b"</a>"

        return self._document(key), chunks()

    async def notifications(self, who: Any, **query: Any) -> dict[str, Any]:
        """One that wants an acknowledgement."""
        return {"items": [{"id": "n1", "notification_type": "activity_completed", "message": "已完成 <b>",
                           "collaboration_id": "c1", "from_org": "supplier", "at": NOW,
                           "requires_acknowledgment": True, "acknowledged": False, "read": False}],
                "next_cursor": None}  # fmt: skip

    async def acknowledge(self, who: Any, key: str) -> dict[str, Any]:
        """Recorded."""
        self._called("acknowledge", key)
        return {"id": key, "acknowledged": True}

    async def chain(self, who: Any) -> dict[str, Any]:
        """Down."""
        return {"blockchain_url": "http://127.0.0.1:1", "chain_id": 31337,
                "contracts": {"OrgRegistry": "0x" + "1" * 40},
                "block_number": None, "reachable": False, "balance": None, "trouble": "no answer <b>",
                "org_id": "0x" + "2" * 64, "log_size": 4, "pending": 2,
                "fee_ceiling": "200000000000",
                "budget": {"limit": "10" * 9, "spent": "9" * 17, "reserved": "1", "percent": 98, "alert": True,
                           "alert_percent": 80, "period_ms": 86_400_000, "next_period_at": NOW},
                "also": [{"blockchain_url": "http://127.0.0.1:2", "chain_id": 31338, "trouble": "no answer"}],
                "endpoints": [{"endpoint": "http://127.0.0.1:1", "state": "disagree", "since": NOW, "head": 7,
                               "trouble": "they contradict <i>each</i> other"}]}  # fmt: skip

    async def subscribe(self) -> AsyncIterator[dict[str, Any]]:
        """Three changes and the end."""
        for topic, key in (("task", "t1"), ("execution", "e1"), ("anchor", "x")):
            yield {"topic": topic, "id": key}
            await asyncio.sleep(0)
