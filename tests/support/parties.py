"""Three organisations that run an execution in one process, with real keys, signatures, trees and replays."""

import hashlib
from typing import Any

import msgspec

from tallystick.core import agreement as agreements
from tallystick.core import b64, statement
from tallystick.core.agreement import VERSIONS, PublicKey
from tallystick.core.commitment import Opening, Place, commit, new_salt
from tallystick.core.definition.compile import audiences, compile_definition
from tallystick.core.entry import Entry
from tallystick.core.head import Head, sign_attestation, sign_head
from tallystick.core.keys import SigningKey
from tallystick.core.replay import Replay
from tallystick.core.statement import ROOT_SIGNED, Payload, RevokeKey, RotateKey, Statement

BUYER, SUPPLIER, CARRIER = "huaxia", "nordic", "blueline"
NAMES = {BUYER: "华夏汽车", SUPPLIER: "Nordic Bearings", CARRIER: "Blueline Freight"}
NOON = 1_790_000_000_000

TALK: dict[str, Any] = {
    "id": "talk",
    "name": "Talk 商谈",
    "participants": [
        {"org_id": BUYER, "role": "buyer", "can_terminate": True},
        {"org_id": SUPPLIER, "role": "supplier"},
    ],
    "tasks": [{"id": "offer", "name": "Offer", "task_type": "approval", "assigned_org": SUPPLIER}],
}

DEFINITION: dict[str, Any] = {
    "id": "order",
    "name": "Order 订单",
    "participants": [
        {"org_id": BUYER, "role": "buyer", "can_terminate": True},
        {"org_id": SUPPLIER, "role": "supplier", "need_activity_notifications": True},
        {"org_id": CARRIER, "role": "carrier"},
    ],
    "tasks": [
        {
            "id": "order",
            "name": "Order",
            "task_type": "data_exchange",
            "assigned_org": BUYER,
            "parameters": {"target_orgs": [SUPPLIER]},
        },
        {
            "id": "approve",
            "name": "Approve",
            "task_type": "approval",
            "assigned_org": SUPPLIER,
            "parameters": {"on_rejected": ["refused"]},
        },
        {
            "id": "carry",
            "name": "Carry",
            "task_type": "activity",
            "assigned_org": CARRIER,
            "timeout_seconds": 100,
            "retry_policy": {"max_attempts": 3, "initial_interval_seconds": 10, "non_retryable_errors": ["lost"]},
            "parameters": {"form_properties": [{"id": "weight", "property_type": "decimal", "required": True}]},
        },
        {
            "id": "closing",
            "name": "Closing",
            "task_type": "notification",
            "assigned_org": BUYER,
            "parameters": {"target_orgs": [SUPPLIER], "message": "done", "requires_acknowledgment": True},
        },
        {
            "id": "refused",
            "name": "Refused",
            "task_type": "notification",
            "assigned_org": SUPPLIER,
            "parameters": {"target_orgs": [BUYER], "message": "no"},
        },
    ],
}


def root_of(org: str) -> SigningKey:
    """The key that signs an organisation's rotations and revocations, and nothing else."""
    return SigningKey(hashlib.sha256(org.encode()).digest())


def agreement_document(keys: dict[str, SigningKey], **changes: Any) -> dict[str, Any]:
    """An agreement of the three, without a chain."""
    compiled = compile_definition(DEFINITION)
    participants = [
        {
            "org_id": org,
            "name": NAMES[org],
            "role": source["role"],
            "chain_org": "0x" + org.encode().hex().zfill(64),
            "log_key": "0x" + org.encode().hex().zfill(40),
            "root_key": root_of(org).public_hex,
            "signing_keys": [{"kid": key.kid, "key": key.public_hex}],
            "sealing_key": {"kid": "0" * 16, "suite": "x25519-hkdf-sha256-chacha20poly1305", "key": "00" * 32},
            "can_terminate": source.get("can_terminate", False),
            "need_activity_notifications": source.get("need_activity_notifications", False),
        }
        for (org, key), source in zip(keys.items(), DEFINITION["participants"], strict=True)
    ]
    document = {
        "v": 1,
        "kind": "agreement",
        "salt": b64.encode(bytes(16)),
        "created_at": NOON,
        "initiator": BUYER,
        "coordinator": BUYER,
        "versions": VERSIONS,
        "definition": compiled,
        "visibility": audiences(compiled),
        "participants": participants,
        "quorums": {"hand_over": "majority", "amend": "all"},
        "limits": {"skew_ms": 300_000, "sequencing_ms": 60_000, "max_entries": 1000, "max_statement_bytes": 256_000},
        "retention_days": 30,
        "anchoring": None,
        "sealing_suite": "x25519-hkdf-sha256-chacha20poly1305",
        "parent": None,
        "replaces": None,
    }
    return {**document, **changes}


def new_key(org: str, serial: int) -> SigningKey:
    """The ``serial``-th key that an organisation made since."""
    return SigningKey(hashlib.sha256(f"{org} {serial}".encode()).digest())


def rotation(key: SigningKey, serial: int, overlap: int = 0, **facts: Any) -> dict[str, Any]:
    """The body of a rotation to ``key``."""
    named = PublicKey(kid=key.kid, key=key.public_hex)
    body: dict[str, Any] = msgspec.to_builtins(RotateKey(key=named, serial=serial, overlap=overlap))
    return {name: one for name, one in body.items() if one is not None} | facts


class Parties:
    """The coordinator's log and everything said; ``say`` signs, sequences and returns the entry."""

    def __init__(self, *, keys: dict[str, SigningKey] | None = None, **changes: Any) -> None:
        """`keys` replaces those made for the organisations that it names, `changes` the agreement's members."""
        self.keys = {org: SigningKey(bytes([number]) * 32) for number, org in enumerate(NAMES, 1)} | (keys or {})
        self.document = agreement_document(self.keys, **changes)
        self.agreement = agreements.read(self.document)
        self.hash = agreements.agreement_hash(self.document)
        self.nonce = b64.encode(b"n" * 16)
        self.execution = agreements.execution_id(self.hash, BUYER, self.nonce)
        self.log = Replay(self.agreement, self.hash, self.execution)
        self.entries: list[Entry] = []
        self.tokens: dict[str, str] = {}
        self.heads: list[str] = []
        self.openings: list[dict[str, Any]] = []
        self.at = NOON

    def token(self, org: str, kind: str, body: dict[str, Any], changes: dict[str, Any] | None = None) -> str:
        """A signed statement that nobody has sequenced."""
        size = self.log.state.size
        basis = statement.Basis(term=0, size=size, root=self.log.root) if size else None
        facts: dict[str, Any] = {
            "v": 1,
            "iss": org,
            "aud": self.hash,
            "kind": kind,
            "execution": self.execution,
            "basis": basis,
            "iat": self.at,
            "body": body,
            **(changes or {}),
        }
        return statement.sign(root_of(org) if kind in ROOT_SIGNED else self.keys[org], Payload(**facts))

    def sequence(self, token: str) -> Entry:
        """Take a token into the log."""
        said = self.open(token)
        entry = self.log.sequence(said, self.at)
        self.entries.append(entry)
        self.tokens[said.id] = token
        self.heads = [*self.heads[-1:], sign_head(self.keys[BUYER], self.head(BUYER))]
        return entry

    def open(self, token: str) -> Statement:
        """Read and verify."""
        return self.log.open(token)

    def say(self, org: str, kind: str, body: dict[str, Any]) -> Entry:
        """Sign and sequence; the time moves on by a second."""
        self.at += 1000
        return self.sequence(self.token(org, kind, body))

    def answer(self, org: str, task: str, values: dict[str, Any], attempt: int = 1, **facts: Any) -> Entry:
        """A completed result with committed values, whose openings are kept."""
        place = Place(execution=self.execution, issuer=org, task=task, attempt=attempt)
        openings = [Opening(property=name, salt=new_salt(), value=value) for name, value in values.items()]
        data = {one.property: commit(place, one) for one in openings}
        body = {"task": task, "attempt": attempt, "status": "completed", "data": data, **facts}
        entry = self.say(org, "result", body)
        self.openings += [
            {
                "statement_id": entry.statement_id,
                "task": task,
                "attempt": attempt,
                "property": one.property,
                "salt": one.salt,
                "value": one.value,
            }
            for one in openings
        ]
        return entry

    def rotate(self, org: str, serial: int, overlap: int = 0) -> Entry:
        """Another key speaks for ``org``; it signs what it says from here on."""
        key = new_key(org, serial)
        entry = self.say(org, "rotate_key", rotation(key, serial, overlap))
        if entry.applied:
            self.keys[org] = key
        return entry

    def revoke(self, org: str, kid: str) -> Entry:
        """One of its keys speaks no more."""
        return self.say(org, "revoke_key", statement.body_of(RevokeKey(kid=kid, reason="compromised", since=NOON)))

    def head(self, org: str) -> Head:
        """A head over all entries, as ``org`` would state it."""
        return Head(
            v=1,
            iss=org,
            aud=self.hash,
            execution=self.execution,
            term=0,
            size=self.log.state.size,
            root=self.log.root,
            iat=self.at,
        )

    def begin(self) -> None:
        """Proposal, consents and start."""
        self.say(BUYER, "propose", {"nonce": self.nonce})
        self.say(SUPPLIER, "consent", {"decision": "accepted"})
        self.say(CARRIER, "consent", {"decision": "accepted"})
        self.say(BUYER, "start", {"input": {}})

    def run(self, *, approve: bool = True, sealed: str = "ab" * 32) -> None:
        """The whole execution, along either branch."""
        self.begin()
        self.answer(BUYER, "order.1", {"amount": "12.50"}, sealed=[sealed])
        self.say(SUPPLIER, "received", {"task": "order.1", "attempt": 1, "sealed": [sealed]})
        self.answer(SUPPLIER, "approve.1", {"approval_decision": approve})
        self.answer(SUPPLIER, "approve_decision.1", {}, outcome="true" if approve else "false")
        if not approve:
            self.answer(SUPPLIER, "refused.1", {})
            return
        self.answer(CARRIER, "carry.1", {"weight": "3.5"})
        self.answer(BUYER, "closing.1", {})
        self.say(SUPPLIER, "acknowledge", {"task": "closing.1", "attempt": 1})

    def attestations(self) -> list[str]:
        """Everyone's but the coordinator's."""
        return [sign_attestation(self.keys[org], self.head(org)) for org in (SUPPLIER, CARRIER)]
