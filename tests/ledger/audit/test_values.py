"""Checks 9, 10 and 12: values, documents and deliveries."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.audit.world import DOCUMENT, Bundle, file_value, finding, judge, unanchored
from support.parties import BUYER, SUPPLIER, Parties
from tallystick.core import b64
from tallystick.ledger.audit.trust import Trust

FAIL, UNKNOWN, PASS = "FAIL", "INDETERMINATE", "PASS"
SEALED = "ab" * 32


@pytest.fixture
def case() -> tuple[Bundle, Trust]:
    """Give a whole run's bundle, to change, and its trust."""
    _, bundle, trust = unanchored()
    return copy.deepcopy(bundle), trust


# 9


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"value": "other"}, "other_value"),
        ({"salt": b64.encode(b"x" * 16)}, "other_value"),
        ({"salt": b64.encode(b"x" * 15)}, "other_value"),
        ({"task": "order.2"}, "other_value"),
        ({"attempt": 1}, "other_value"),
        ({"property": "other"}, "other_value"),
        ({"statement_id": "ab" * 32}, "opens_nothing"),
        ({"salt": "==="}, "malformed"),
    ],
)
def test_a_value_is_the_one_committed_to(case: tuple[Bundle, Trust], change: dict[str, Any], code: str) -> None:
    bundle, trust = case
    bundle["openings"][0] |= change
    assert finding(9, bundle, trust) == (FAIL, code)


def test_a_value_is_opened_once(case: tuple[Bundle, Trust]) -> None:
    bundle, trust = case
    bundle["openings"].append(bundle["openings"][0])
    assert finding(9, bundle, trust) == (FAIL, "opened_twice")


def test_erasing_values_leaves_questions_and_contradicts_nothing(case: tuple[Bundle, Trust]) -> None:
    bundle, trust = case
    bundle["openings"] = []
    bundle["documents"] = {}
    expected = {9: "values_withheld", 11: "attested_decisions"}
    assert {number: finding(number, bundle, trust) for number in expected} == {
        number: (UNKNOWN, code) for number, code in expected.items()
    }
    assert finding(10, bundle, trust) == (PASS, "documented")


def test_no_more_is_withheld_than_is_missing(case: tuple[Bundle, Trust]) -> None:
    bundle, trust = case
    bundle["openings"].pop()
    bundle["scope"]["withheld_openings"] = 1
    assert finding(9, bundle, trust) == (UNKNOWN, "values_withheld")
    bundle["scope"]["withheld_openings"] = 2
    assert finding(9, bundle, trust) == (FAIL, "too_many_withheld")


# 10


def with_files(*values: Any) -> Parties:
    """A run in which the buyer sent these values."""
    parties = Parties()
    parties.begin()
    parties.answer(BUYER, "order.1", {f"file{at}": one for at, one in enumerate(values)}, sealed=[SEALED])
    return parties


def documents(*contents: bytes) -> dict[str, str]:
    return {hashlib.sha256(one).hexdigest(): b64.encode(one) for one in contents}


def changed(**members: Any) -> dict[str, Any]:
    return {"$file": {**file_value(DOCUMENT)["$file"], **members}}


def test_documents_are_there_byte_for_byte() -> None:
    parties = with_files(file_value(DOCUMENT), file_value(b""))
    assert judge(10, parties, documents=documents(DOCUMENT, b"")) == (PASS, "documented")
    assert judge(10, parties, documents=documents(DOCUMENT)) == (UNKNOWN, "documents_withheld")
    other = {**documents(b""), hashlib.sha256(DOCUMENT).hexdigest(): b64.encode(DOCUMENT[:-1])}
    assert judge(10, parties, documents=other) == (FAIL, "other_bytes")
    stray = documents(DOCUMENT, b"", b"stray")
    assert judge(10, parties, documents=stray) == (FAIL, "stray_document")
    padded = {**documents(b""), hashlib.sha256(DOCUMENT).hexdigest(): b64.encode(DOCUMENT) + "=="}
    assert judge(10, parties, documents=padded) == (FAIL, "malformed")


def test_a_document_has_the_size_that_its_manifest_gives() -> None:
    assert judge(10, with_files(changed(size=1)), documents=documents(DOCUMENT)) == (FAIL, "other_bytes")
    assert judge(10, with_files(file_value(DOCUMENT), changed(size=1))) == (FAIL, "two_sizes")
    assert judge(10, with_files(file_value(DOCUMENT), changed(name="copy")), documents=documents(DOCUMENT)) == (
        PASS,
        "documented",
    )


@pytest.mark.parametrize("value", [changed(v=2), changed(more=1), {"$file": None}])
def test_a_file_of_another_form_is_not_judged(value: Any) -> None:
    assert judge(10, with_files(value)) == (UNKNOWN, "unknown_file")


@pytest.mark.parametrize("value", [{"$file": 1, "more": 2}, "file", None])
def test_other_values_are_no_files(value: Any) -> None:
    assert judge(10, with_files(value)) == (PASS, "documented")


# 12


def test_a_delivery_waits_for_its_receipt() -> None:
    parties = with_files("x")
    assert judge(12, parties) == (UNKNOWN, "awaits_receipt")
    parties.say(SUPPLIER, "received", {"task": "order.1", "attempt": 1, "sealed": [SEALED]})
    assert judge(12, parties) == (PASS, "delivered")


def test_a_delivery_that_the_end_overtook_is_named() -> None:
    parties = with_files("x")
    parties.say(BUYER, "terminate", {"reason": "ab" * 32})
    assert judge(12, parties) == (PASS, "delivered_partly")


def test_a_delivery_that_timed_out_is_named() -> None:
    parties = with_files("x")
    parties.at += 3_600_000
    parties.say(BUYER, "timer", {"timer": "order.1/1/timeout"})
    assert judge(12, parties) == (PASS, "delivered_partly")


@pytest.mark.parametrize("sealed", [[SEALED], ["cd" * 32]])
def test_nothing_is_delivered_without_a_receipt_for_it(sealed: list[str]) -> None:
    """A coordinator that calls a delivery complete: the receipt is of another delivery, or void."""
    parties = with_files("x")
    entry = parties.say(SUPPLIER, "received", {"task": "order.1", "attempt": 1, "sealed": sealed})
    events = [{"type": "answered", "task": "order.1", "attempt": 1, "status": "completed"}]
    outcome = "void:because" if sealed == [SEALED] else "applied"
    parties.entries[-1] = replace(entry, outcome=outcome, events=events)
    assert judge(12, parties) == (FAIL, "not_received")


def test_a_result_that_is_no_delivery_needs_no_receipt() -> None:
    parties = Parties()
    parties.begin()
    parties.say(BUYER, "result", {"task": "order.1", "attempt": 1, "status": "failed", "error": {"code": "ill"}})
    assert judge(12, parties) == (PASS, "delivered")
