"""Check 11: a decision is taken again, or it is somebody's word."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.audit.world import bundle_of, finding, judge, start, trust_of
from support.parties import BUYER, CARRIER, SUPPLIER, Parties, agreement_document
from tallystick.core.definition.compile import audiences, compile_definition
from tallystick.core.expression.parser import parse
from tallystick.ledger.audit.decisions import references

FAIL, UNKNOWN, PASS = "FAIL", "INDETERMINATE", "PASS"
SEALED = "ab" * 32


def decided(outcome: str = "true", *, expression: str | None = None, **approval: Any) -> Parties:
    """A run up to its decision."""
    document = agreement_document(Parties().keys)
    if expression is not None:
        document["definition"]["steps"]["approve_decision"]["expression"] = expression
    parties = Parties(definition=document["definition"])
    parties.say(BUYER, "propose", {"nonce": parties.nonce})
    for org in ("nordic", "blueline"):
        parties.say(org, "consent", {"decision": "accepted"})
    start(parties, {"limit": 100, "reference": "4711"})
    parties.answer(BUYER, "order.1", {"amount": "12.50"}, sealed=[SEALED])
    parties.say(SUPPLIER, "received", {"task": "order.1", "attempt": 1, "sealed": [SEALED]})
    parties.answer(SUPPLIER, "approve.1", {"approval_decision": True, **approval})
    parties.answer(SUPPLIER, "approve_decision.1", {}, outcome=outcome)
    return parties


def without(parties: Parties, *names: str) -> list[dict[str, Any]]:
    """The openings but for some properties."""
    return [one for one in parties.openings if one["property"] not in names]


def test_an_outcome_follows_from_the_values() -> None:
    assert judge(11, decided("true")) == (PASS, "decided")
    assert judge(11, decided("false")) == (FAIL, "other_outcome")


@pytest.mark.parametrize(
    ("expression", "hidden", "expected"),
    [
        (None, "comments", (PASS, "decided")),
        (None, "approval_decision", (UNKNOWN, "attested_decisions")),
        ("input.limit == 100", "amount", (PASS, "decided")),
        ("input.limit == 100", "limit", (UNKNOWN, "attested_decisions")),
        ('decimal(steps.order.amount) < decimal("20")', "limit", (PASS, "decided")),
        ('decimal(steps.order.amount) < decimal("20")', "amount", (UNKNOWN, "attested_decisions")),
        ('size(steps[input.reference + "x"]) == 0 || true', "amount", (UNKNOWN, "attested_decisions")),
        ("has(input.limit)", "limit", (UNKNOWN, "attested_decisions")),
    ],
)
def test_what_is_not_disclosed_is_attested(expression: str | None, hidden: str, expected: tuple[str, str]) -> None:
    parties = decided(expression=expression, comments="ok")
    assert judge(11, parties, openings=without(parties, hidden)) == expected


@pytest.mark.parametrize("expression", ["1 + true", "input.nothing == 1", "steps.approve.comments == 1 ? 1 : null + 1"])
def test_an_outcome_that_nothing_gives(expression: str) -> None:
    assert judge(11, decided(expression=expression)) == (FAIL, "cannot_follow")


def test_a_failed_decision_is_its_authors_word() -> None:
    parties = decided()
    facts = {"task": "approve_decision.1", "attempt": 1, "status": "failed", "error": {"code": "unknown_field"}}
    other = decided(expression="1 + true")
    for one in (parties, other):
        del one.tokens[one.entries[-1].statement_id]
        token = one.token(SUPPLIER, "result", facts)
        said = one.open(token)
        one.tokens[said.id] = token
        one.entries[-1] = replace(one.entries[-1], statement_id=said.id)
        assert judge(11, one) == (UNKNOWN, "attested_decisions")


def test_a_void_decision_decides_nothing() -> None:
    parties = decided()
    parties.answer(SUPPLIER, "approve_decision.1", {}, outcome="false")
    assert judge(11, parties) == (PASS, "decided")


def test_a_void_value_is_no_value() -> None:
    parties = Parties()
    parties.begin()
    parties.answer(BUYER, "order.1", {"amount": "12.50"}, sealed=[SEALED])
    parties.say(SUPPLIER, "received", {"task": "order.1", "attempt": 1, "sealed": [SEALED]})
    parties.answer(SUPPLIER, "approve.1", {"approval_decision": False}, attempt=2)  # void
    parties.answer(SUPPLIER, "approve.1", {"approval_decision": True})
    parties.answer(SUPPLIER, "approve_decision.1", {}, outcome="true")
    assert judge(11, parties) == (PASS, "decided")


def test_a_withheld_statement_may_have_said_anything() -> None:
    parties = decided()
    name = parties.entries[4].statement_id
    bundle = bundle_of(parties, [], documents=())
    del bundle["statements"][name]
    bundle["openings"] = [one for one in bundle["openings"] if one["statement_id"] != name]
    assert finding(11, bundle, trust_of(parties)) == (UNKNOWN, "attested_decisions")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 < 2", set()),
        ("nobody.knows", set()),
        ("input.a.b", {("", "a")}),
        ('input["a"] in steps.x.list', {("", "a"), ("x", "list")}),
        ('steps["x"].y[0] == 1 ? input.a : steps.x["z"].w', {("x", "y"), ("", "a"), ("x", "z")}),
        ("steps", None),
        ("steps.x", None),
        ("input", None),
        ("steps[input.a].y", None),
    ],
)
def test_what_an_expression_reads(expression: str, expected: set[tuple[str, str]] | None) -> None:
    assert references(parse(expression)) == expected


def counted(outcome: str = "2", items: list[Any] | None = None, level: str = "big", **table: Any) -> Parties:
    """A for-each over the input, then a table over its results, then a sub-workflow."""
    rules = {"columns": ["size(steps.lines.results)"], "outputs": ["level"], "default": ["small"], **table}
    body = {"id": "pick", "name": "Pick", "step_type": "user_task", "assigned_role": "supplier", "user_task": {}}
    each = {"items": "input.lines", "steps": [body]}
    decision = {"decision_table": {"rows": [{"input_value": [2], "output_values": ["big"]}], **rules}}
    steps: list[dict[str, Any]] = [
        {"id": "lines", "name": "Lines", "step_type": "for_each", "assigned_role": "supplier", "for_each": each},
        {"id": "judge", "name": "Judge", "step_type": "decision", "assigned_role": "buyer", "decision": decision},
        {
            "id": "sub",
            "name": "Sub",
            "step_type": "sub_workflow",
            "assigned_role": "buyer",
            "sub_workflow": {"workflow_id": "inner"},
        },
    ]
    roles = [{"org_id": org, "role": role} for org, role in ((BUYER, "buyer"), (SUPPLIER, "supplier"), (CARRIER, "c"))]
    inner = {"id": "inner", "name": "Inner", "participants": roles[:1], "steps": [{**body, "assigned_role": "buyer"}]}
    source = {"id": "x", "name": "X", "participants": roles, "definitions": [inner], "steps": steps}
    compiled = compile_definition(source)
    parties = Parties(definition=compiled, visibility=audiences(compiled))
    parties.say(BUYER, "propose", {"nonce": parties.nonce})
    for org in (SUPPLIER, CARRIER):
        parties.say(org, "consent", {"decision": "accepted"})
    start(parties, {"lines": ["a", "b"]})
    parties.answer(SUPPLIER, "lines.1", {"items": ["a", "b"] if items is None else items}, outcome=outcome)
    for index in range(int(outcome)):
        parties.answer(SUPPLIER, f"lines.1#{index}/pick.1", {"picked": index})
    parties.answer(BUYER, "judge.1", {"level": level}, outcome=level)
    return parties


def test_a_for_each_goes_over_what_its_values_give() -> None:
    assert judge(11, counted()) == (PASS, "decided")
    assert judge(11, counted("3")) == (FAIL, "other_outcome")
    assert judge(11, counted(items=["a", "x"])) == (FAIL, "other_output")


def test_a_table_is_taken_again() -> None:
    assert judge(11, counted(level="small")) == (FAIL, "other_outcome")
    parties = counted()
    assert judge(11, parties, openings=without(parties, "picked")) == (UNKNOWN, "attested_decisions")
    assert judge(11, parties, openings=without(parties, "items", "lines")) == (UNKNOWN, "attested_decisions")
    assert judge(11, parties, openings=without(parties, "level")) == (PASS, "decided")


def test_a_childs_head_is_named() -> None:
    parties = counted()
    child = {"execution": "c" * 64, "term": 0, "size": 9, "root": "0" * 64, "status": "completed"}
    parties.answer(BUYER, "sub.1", {}, child=child)
    assert judge(11, parties) == (PASS, "decided_with_children")
