"""Check 20: what was submitted to everyone, and which time-outs it contradicts."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.audit.world import judge
from support.parties import BUYER, CARRIER, SUPPLIER, Parties
from tallystick.core.head import Receipt, sign_receipt
from tallystick.core.keys import SigningKey
from tallystick.core.statement import Basis

PASS, FAIL, INDETERMINATE = "PASS", "FAIL", "INDETERMINATE"
LIMITS = {"skew_ms": 1_000, "sequencing_ms": 1_000, "max_entries": 1_000, "max_statement_bytes": 256_000}
RESULT = {"task": "carry.1", "attempt": 1, "status": "completed", "data": {"weight": "ab" * 32}}


class Ignored:
    """The carrier answers in time; the coordinator states the time-out, and gives the answer a place later or never."""

    def __init__(self, *, sequenced: bool = False, org: str = CARRIER, before_ms: int = 50_000) -> None:
        self.parties = Parties(limits=LIMITS)
        self.parties.begin()
        self.parties.answer(BUYER, "order.1", {"amount": "1"}, sealed=["ab" * 32])
        self.parties.say(SUPPLIER, "received", {"task": "order.1", "attempt": 1, "sealed": ["ab" * 32]})
        self.parties.answer(SUPPLIER, "approve.1", {"approval_decision": True})
        self.parties.answer(SUPPLIER, "approve_decision.1", {}, outcome="true")
        (name,) = (one for one, timer in self.parties.log.state.timers.items() if timer.purpose == "timeout")
        due = self.parties.log.state.timers[name].due_at
        self.parties.at = due - before_ms
        self.token = self.parties.token(org, "result", RESULT)
        self.said = self.parties.open(self.token)
        self.size, self.root, self.seen_at = self.parties.log.state.size, self.parties.log.root, self.parties.at
        self.parties.at = due
        self.ending = self.parties.say(BUYER, "timer", {"timer": name})
        assert any(event["type"] == "timed_out" for event in self.ending.events)
        if sequenced:
            assert self.parties.sequence(self.token).outcome.startswith("void:")

    def receipt(self, org: str, key: SigningKey | None = None, **changes: Any) -> str:
        """That ``org`` had the statement when it was said."""
        facts: dict[str, Any] = {
            "v": 1,
            "iss": org,
            "aud": self.parties.hash,
            "execution": self.parties.execution,
            "statement_id": self.said.id,
            "basis": Basis(term=0, size=self.size, root=self.root),
            "iat": self.seen_at,
        }
        return sign_receipt(key or self.parties.keys[org], Receipt(**{**facts, **changes}))

    def judge(self, *receipts: str, submissions: list[str] | None = None) -> tuple[str, str]:
        """What the check says."""
        named = [self.token] if submissions is None else submissions
        return judge(20, self.parties, submissions=named, receipts=list(receipts))


def test_without_submissions_there_is_nothing_to_contradict() -> None:
    assert Ignored().judge(submissions=[]) == (PASS, "nothing_submitted")


@pytest.mark.parametrize("sequenced", [False, True])
def test_a_majority_or_the_coordinator_itself_contradicts_a_time_out(sequenced: bool) -> None:
    case = Ignored(sequenced=sequenced)
    assert case.judge(case.receipt(SUPPLIER)) == (FAIL, "ignored_statement")
    assert case.judge(case.receipt(BUYER)) == (FAIL, "ignored_statement")


def test_one_word_against_another_proves_nothing() -> None:
    assert Ignored().judge() == (INDETERMINATE, "perhaps_ignored")
    assert Ignored(sequenced=True).judge() == (PASS, "submitted_heard")  # late, and nobody had it before


def test_receipts_count_as_far_as_clocks_tell() -> None:
    case = Ignored()
    at = case.ending.at
    assert case.judge(case.receipt(SUPPLIER, iat=at - 1_000)) == (FAIL, "ignored_statement")
    assert case.judge(case.receipt(SUPPLIER, iat=at - 999)) == (INDETERMINATE, "perhaps_ignored")
    assert case.judge(case.receipt(SUPPLIER, iat=at + 1_000)) == (INDETERMINATE, "perhaps_ignored")
    assert case.judge(case.receipt(SUPPLIER, iat=at + 1_001)) == (PASS, "submitted_heard")


def test_who_had_seen_the_time_out_is_no_witness_of_the_time_before() -> None:
    case = Ignored()
    after = Basis(term=0, size=case.ending.seq + 1, root=case.parties.log.root)
    assert case.judge(case.receipt(SUPPLIER, basis=after)) == (PASS, "submitted_heard")


def test_only_whose_task_it_was_can_have_been_ignored() -> None:
    case = Ignored(org=SUPPLIER)
    assert case.judge(case.receipt(CARRIER)) == (PASS, "submitted_heard")


def test_what_has_its_place_before_the_time_out_is_heard() -> None:
    case = Ignored()
    (first, token) = next(iter(case.parties.tokens.items()))
    received = case.receipt(SUPPLIER, statement_id=first)
    assert case.judge(received, submissions=[token]) == (PASS, "submitted_heard")


def test_forgeries() -> None:
    case = Ignored()
    stranger = SigningKey(b"z" * 32)
    assert case.judge(case.receipt(SUPPLIER, stranger)) == (FAIL, "bad_receipt")
    assert case.judge(case.receipt(SUPPLIER, execution="ab" * 32)) == (FAIL, "bad_receipt")
    assert case.judge(case.receipt(SUPPLIER, statement_id="ab" * 32)) == (FAIL, "bad_receipt")
    assert case.judge(case.receipt(CARRIER)) == (FAIL, "bad_receipt")  # an author is no witness of its own
    other = Basis(term=0, size=case.size, root="ab" * 32)
    assert case.judge(case.receipt(SUPPLIER, basis=other)) == (FAIL, "receipt_other_history")
    assert case.judge(case.receipt(SUPPLIER), case.receipt(SUPPLIER)) == (FAIL, "submission_repeated")
    elsewhere = Parties(limits=LIMITS, retention_days=7).token(CARRIER, "result", RESULT)
    assert case.judge(submissions=[elsewhere]) == (FAIL, "bad_submission")
    assert case.judge("x") == (FAIL, "malformed")
