"""The verifier as a whole: honest evidence passes, every change of it shows, and no input at all breaks it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.audit.mutations import Place, mutations
from ledger.audit.world import Bundle, World, bundle_of, checks, finding, judge, trust_of, unanchored
from support.parties import BUYER, Parties
from tallystick.core import canonical
from tallystick.ledger.audit import verify as verifier
from tallystick.ledger.audit.bundle import INFORMATIONAL, MAX_BYTES
from tallystick.ledger.audit.verify import CHECKS, verify

UNORDERED = {"attestations", "openings", "anchors"}
ONE_IN = 20  # of the agreement's changes: they all change its one hash


def test_honest_evidence_passes(world: World) -> None:
    report = verify(canonical.encode(world.bundle), world.trust)
    assert [(check.number, check.status) for check in report.checks] == [(n, "PASS") for n in range(1, 22)]
    assert report.verdict == "PASS"


def test_the_verdict_names_its_scope(world: World) -> None:
    scope = verify(canonical.encode(world.bundle), world.trust).scope
    assert scope is not None
    assert (scope.entries, scope.statements, scope.values, scope.values_disclosed) == (12, 12, 7, 7)
    assert (scope.documents, scope.exported_by) == (1, BUYER)


def test_without_a_chain_nothing_fails_and_nothing_of_the_chain_passes() -> None:
    _, bundle, trust = unanchored()
    found = checks(bundle, trust)
    assert {number for number, check in found.items() if check.status != "PASS"} == {13, 14, 15, 16, 17, 18}
    assert {check.status for check in found.values()} == {"PASS", "INDETERMINATE"}


def test_a_rejected_run_is_evidence_too() -> None:
    parties = Parties()
    parties.run(approve=False)
    found = checks(bundle_of(parties, [], documents=()), trust_of(parties))
    assert {number for number, check in found.items() if check.status != "PASS"} == {13, 14, 15, 16, 17, 18}


def _informational(place: Place, what: str) -> bool:
    if what == "reordered":
        return len(place) == 1 and place[0] in UNORDERED
    return what == "changed" and place[-1] in INFORMATIONAL


def _says_less(place: Place, what: str) -> bool:
    """Leaving something out contradicts nothing; it only leaves a check without an answer."""
    return what == "removed" and place[0] in {"attestations", "openings", "documents", "anchors"} and len(place) == 2


def _of_a_version(place: Place) -> bool:
    return place[-1:] == ("v",) or place[:2] == ("agreement", "versions")


def _picked(world: World) -> list[tuple[Place, str, Bundle]]:
    found = list(mutations(world.bundle))
    return [one for number, one in enumerate(found) if one[0][:1] != ("agreement",) or number % ONE_IN == 0]


@pytest.mark.no_cover  # thousands of whole verifications: tracing them trebles the time and adds no line
@pytest.mark.timeout(300)
def test_every_mutation_fails_or_is_listed_as_informational(world: World) -> None:
    wrong = []
    for place, what, changed in _picked(world):
        if place == ():
            continue
        verdict = verify(canonical.encode(changed), world.trust).verdict
        if _informational(place, what):
            expected = {"PASS"}
        elif _says_less(place, what) or _of_a_version(place):
            expected = {"FAIL", "INDETERMINATE"}
        else:
            expected = {"FAIL"}
        if verdict not in expected:
            wrong.append((place, what, verdict))
    assert wrong == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data + b"\n",
        lambda data: b" " + data,
        lambda data: json.dumps(json.loads(data)).encode(),
        lambda data: data[:-1],
        lambda data: b"\xff" + data,
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b'"v":1', b'"v":1.0', 1),
        lambda data: data.replace(b'"v":1', b'"v":1,"v":1', 1),
        lambda data: data.replace(b'"kind":"evidence"', b'"kind":"hearsay"'),
        lambda data: b"[" * 100_000,
        lambda data: b"1" * 100_000,
        lambda data: b"null",
        lambda data: b"",
    ],
)
def test_another_encoding_is_not_read(world: World, spoil: Any) -> None:
    report = verify(spoil(canonical.encode(world.bundle)), world.trust)
    assert report.verdict == "FAIL"
    assert report.checks[0].status == "FAIL"
    assert {check.status for check in report.checks[1:]} == {"INDETERMINATE"}
    assert report.scope is None


def test_an_unknown_version_of_the_bundle_is_not_judged(world: World) -> None:
    report = verify(canonical.encode({**world.bundle, "v": 2}), world.trust)
    assert (report.verdict, report.checks[0].code) == ("INDETERMINATE", "unknown_version")


def test_an_unknown_version_of_an_anchor_is_not_judged(world: World) -> None:
    bundle = copy.deepcopy(world.bundle)
    bundle["anchors"][0]["v"] = 2
    assert finding(1, bundle, world.trust) == ("INDETERMINATE", "unknown_version")


def test_more_bytes_than_any_bundle_has_are_not_read(world: World) -> None:
    report = verify(b" " * (MAX_BYTES + 1), world.trust)
    assert report.checks[0].status == "FAIL"


def test_what_nobody_thought_of_is_not_a_pass(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(_case: object) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(verifier, "CHECKS", (stumble, *CHECKS[1:]))
    report = verify(canonical.encode(world.bundle), world.trust)
    assert (report.verdict, report.checks[0].code) == ("INDETERMINATE", "cannot_judge")


def test_an_unsound_definition_fails_with_its_agreement() -> None:
    parties = Parties()
    parties.run()
    steps = {**parties.document["definition"], "start": "nowhere"}
    assert judge(2, parties, agreement={**parties.document, "definition": steps}) == ("FAIL", "malformed")


@given(st.binary(max_size=400))
def test_any_bytes_give_a_report(data: bytes) -> None:
    assert verify(data, trust_of(Parties())).verdict == "FAIL"


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)  # what has a canonical form
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(data=st.data())
def test_any_value_anywhere_gives_a_report_and_no_pass(world: World, data: st.DataObject) -> None:
    bundle = copy.deepcopy(world.bundle)
    place: Any = bundle
    key: Any = data.draw(st.sampled_from(sorted(bundle)))
    for _ in range(data.draw(st.integers(0, 8))):
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner:
            break
        place = inner
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
    value = data.draw(JSON)
    same = place[key] == value and type(place[key]) is type(value)
    place[key] = value
    report = verify(canonical.encode(bundle), world.trust)
    assert len(report.checks) == len(CHECKS)
    assert report.verdict != "PASS" or same or key in INFORMATIONAL
