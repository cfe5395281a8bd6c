"""Which sub-workflows a node accepts by itself: those that its people agreed to with the parent, and no others."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from nacl.bindings import crypto_scalarmult_base

from support.flows import statement
from support.parties import BUYER, CARRIER, NOON, SUPPLIER, Parties, agreement_document, new_key, rotation
from tallystick.core import agreement as agreements
from tallystick.core.agreement import Agreement, Parent, PublicKey, SealingKey, Suite
from tallystick.core.definition.compile import audiences, compile_definition
from tallystick.core.engine.decide import decide
from tallystick.core.engine.state import State, initial
from tallystick.core.errors import NotYet
from tallystick.core.keys import SigningKey, key_id
from tallystick.core.replay import Replay
from tallystick.node.record.children import is_agreed
from tallystick.node.record.loaded import Loaded, Standing

TASK = "deliver.1"


def around(*, assigned: bool = True) -> Loaded:
    """The parent's execution, with its sub-workflow assigned to the supplier or still to come."""
    roles = {BUYER: "buyer", SUPPLIER: "supplier", CARRIER: "carrier"}
    inner = [{"org_id": org, "role": roles[org]} for org in (SUPPLIER, CARRIER)]
    carry = {"id": "carry", "name": "Carry", "step_type": "user_task", "assigned_role": "carrier", "user_task": {}}
    child = {"id": "delivery", "name": "Delivery", "participants": inner, "steps": [carry]}
    order = {"id": "order", "name": "Order", "step_type": "user_task", "assigned_role": "buyer", "user_task": {}}
    step = {
        "id": "deliver",
        "name": "Deliver",
        "step_type": "sub_workflow",
        "assigned_role": "supplier",
        "sub_workflow": {"workflow_id": "delivery"},
    }
    source = {
        "id": "whole",
        "name": "Whole",
        "participants": [{"org_id": org, "role": role} for org, role in roles.items()],
        "definitions": [child],
        "steps": [order, step],
    }
    compiled = compile_definition(source)
    document = agreement_document(Parties().keys, definition=compiled, visibility=audiences(compiled))
    agreement = agreements.read(document)
    state = initial("e" * 64)
    said: list[tuple[str, str, dict[str, Any]]] = [
        (BUYER, "propose", {"nonce": ""}),
        (SUPPLIER, "consent", {"decision": "accepted"}),
        (CARRIER, "consent", {"decision": "accepted"}),
        (BUYER, "start", {"input": {}}),
    ]
    if assigned:
        said.append((BUYER, "result", {"task": "order.1", "attempt": 1, "status": "completed"}))
    for org, kind, body in said:
        state = decide(agreement, state, statement(org, kind, body), NOON).state
    return loaded(agreement, agreements.agreement_hash(document), state)


def loaded(agreement: Agreement, name: str, state: State) -> Loaded:
    row = Standing(
        number=1,
        id=state.execution,
        agreement_hash=name,
        name="",
        definition_id="",
        status=state.status,
        coordinator=BUYER,
        created_at=0,
        updated_at=0,
    )
    return Loaded(row, Replay(agreement, name, state.execution, state=state), stored=True)


def child_of(parent: Loaded, /, **changes: Any) -> Agreement:
    """What the supplier proposes."""
    definition = parent.agreement.definition["definitions"]["delivery"]
    members = [replace(one, can_terminate=one.org_id == SUPPLIER) for one in parent.agreement.participants[1:]]
    facts: dict[str, Any] = {
        "salt": "A" * 22,
        "created_at": NOON + 1,
        "initiator": SUPPLIER,
        "coordinator": SUPPLIER,
        "definition": definition,
        "visibility": audiences(definition),
        "participants": members,
        "parent": Parent(execution=parent.row.id, agreement=parent.row.agreement_hash, task=TASK, attempt=1),
    }
    return replace(parent.agreement, **{**facts, **changes})


def verdict(parent: Loaded, child: Agreement) -> bool:
    assert child.parent is not None
    return is_agreed(child, child.parent, parent)


def test_what_the_parent_says_is_agreed() -> None:
    parent = around()
    assert verdict(parent, child_of(parent))


def test_another_definition_is_not() -> None:
    parent = around()
    other = msgspec.json.decode(msgspec.json.encode(parent.agreement.definition["definitions"]["delivery"]))
    other["steps"]["carry"]["name"] = "Carry for nothing"
    assert not verdict(parent, child_of(parent, definition=other))


@pytest.mark.parametrize(
    "changes",
    [
        {"initiator": CARRIER, "coordinator": CARRIER},
        {"coordinator": CARRIER},
        {"retention_days": 1},
        {"limits": agreements.Limits(skew_ms=1)},
        {"visibility": {}},
        {"quorums": {}},
    ],
)
def test_other_terms_are_not(changes: dict[str, Any]) -> None:
    parent = around()
    assert not verdict(parent, child_of(parent, **changes))


def test_other_keys_or_rights_are_not() -> None:
    parent = around()
    supplier, carrier = child_of(parent).participants
    assert not verdict(parent, child_of(parent, participants=[supplier, replace(carrier, root_key="00" * 32)]))
    assert not verdict(parent, child_of(parent, participants=[supplier, replace(carrier, can_terminate=True)]))


@pytest.mark.parametrize("changes", [{"attempt": 2}, {"agreement": "0" * 64}])
def test_other_attempts_and_agreements_are_not(changes: dict[str, Any]) -> None:
    parent = around()
    named = child_of(parent).parent
    assert named is not None
    assert not verdict(parent, child_of(parent, parent=replace(named, **changes)))


def test_what_is_not_known_yet_is_waited_for() -> None:
    parent = around(assigned=False)
    child = child_of(parent)
    assert child.parent is not None
    for missing in (None, parent):
        with pytest.raises(NotYet):
            is_agreed(child, child.parent, missing)


def test_a_step_that_is_over_is_not() -> None:
    parent = around()
    body = {"task": TASK, "attempt": 1, "status": "failed"}
    state = decide(parent.agreement, parent.state, statement(SUPPLIER, "result", body), NOON).state
    assert not verdict(loaded(parent.agreement, parent.row.agreement_hash, state), child_of(parent))


# Keys: those of the parent's log, whichever of them its initiator had seen.


def rekeyed(parent: Loaded, *said: tuple[str, dict[str, Any]]) -> Loaded:
    """The parent after the carrier's root key has spoken."""
    state = parent.state
    for kind, body in said:
        decision = decide(parent.agreement, state, statement(CARRIER, kind, body), NOON)
        assert decision.outcome == "applied"
        state = decision.state
    return loaded(parent.agreement, parent.row.agreement_hash, state)


def with_keys(parent: Loaded, signing: SigningKey, sealing: SealingKey | None = None) -> Agreement:
    supplier, carrier = child_of(parent).participants
    named = replace(
        carrier,
        signing_keys=[PublicKey(kid=signing.kid, key=signing.public_hex)],
        sealing_key=sealing or carrier.sealing_key,
    )
    return child_of(parent, participants=[supplier, named])


def test_a_key_that_the_parent_knows_is_agreed_and_the_one_before_it_too() -> None:
    parent = around()
    after = rekeyed(parent, ("rotate_key", rotation(new_key(CARRIER, 1), 1)))
    assert verdict(after, with_keys(parent, new_key(CARRIER, 1)))
    assert verdict(after, child_of(parent))
    with pytest.raises(NotYet):  # the rotation is on its way
        verdict(parent, with_keys(parent, new_key(CARRIER, 1)))


def test_a_revoked_key_is_not() -> None:
    parent = around()
    [first] = [one.signing_keys[0].kid for one in parent.agreement.participants if one.org_id == CARRIER]
    said = ("rotate_key", rotation(new_key(CARRIER, 1), 1)), ("revoke_key", {"kid": first, "reason": "lost"})
    assert not verdict(rekeyed(parent, *said), child_of(parent))


def test_nobody_else_chooses_what_is_sealed_to() -> None:
    parent = around()
    raw = crypto_scalarmult_base(b"\x07" * 32)
    suite: Suite = "x25519-hkdf-sha256-chacha20poly1305"
    key = SealingKey(kid=key_id(raw), suite=suite, key=raw.hex())
    [first] = [one.signing_keys[0] for one in parent.agreement.participants if one.org_id == CARRIER]
    old = Parties().keys[CARRIER]
    assert first.kid == old.kid
    with pytest.raises(NotYet):
        verdict(parent, with_keys(parent, old, key))
    sealing = {"kid": key.kid, "suite": suite, "key": key.key}
    after = rekeyed(parent, ("rotate_key", rotation(new_key(CARRIER, 1), 1, sealing_key=sealing)))
    assert verdict(after, with_keys(parent, new_key(CARRIER, 1), key))
