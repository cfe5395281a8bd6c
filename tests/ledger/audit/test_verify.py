"""The verifier on a real three-party record without a chain: what passes, and what each forgery meets."""

import base64
import hashlib
from typing import Any

import pytest

from support.parties import BUYER, NAMES, Parties
from tallystick.core import canonical
from tallystick.ledger.audit.report import Report
from tallystick.ledger.audit.trust import Organisation, Trust
from tallystick.ledger.audit.verify import verify
from tallystick.ledger.forgeries import forgeries

RECORD_CHECKS = (*range(1, 13), 19)


def trust(parties: Parties) -> Trust:
    named = [
        Organisation(org_id=one.org_id, name=one.name, root_key=one.root_key, chain_org=one.chain_org)
        for one in parties.agreement.participants
    ]
    return Trust(v=1, organisations=named)


def bundle(parties: Parties) -> dict[str, Any]:
    return {
        "v": 1,
        "kind": "evidence",
        "execution": parties.execution,
        "agreement": parties.document,
        "statements": parties.tokens,
        "entries": [canonical.parse(entry.leaf()) for entry in parties.entries],
        "heads": parties.heads,
        "attestations": parties.attestations(),
        "openings": parties.openings,
        "documents": {},
        "anchors": [],
        "scope": {"withheld_statements": [], "withheld_openings": 0, "exported_by": BUYER, "exported_at": 1},
    }


def check(parties: Parties, document: dict[str, Any]) -> Report:
    return verify(canonical.encode(document), trust(parties))


def failing(report: Report) -> set[str]:
    return {one.name for one in report.checks if one.status == "FAIL"}


@pytest.mark.parametrize("approve", [True, False])
def test_an_honest_record_passes_all_but_the_chain(approve: bool) -> None:
    parties = Parties()
    parties.run(approve=approve)
    report = check(parties, bundle(parties))
    assert {one.number for one in report.checks if one.status == "PASS"} == set(RECORD_CHECKS)
    assert report.verdict == "INDETERMINATE"


def with_document(parties: Parties) -> dict[str, Any]:
    content = b"<Order/>"
    name = hashlib.sha256(content).hexdigest()
    file = {"v": 1, "name": "order.xml", "media_type": "application/xml", "size": len(content), "sha256": name}
    parties.begin()
    parties.answer(BUYER, "order.1", {"amount": "12.50", "document": {"$file": file}}, sealed=["ab" * 32])
    data = base64.urlsafe_b64encode(content).decode().rstrip("=")
    return {**bundle(parties), "documents": {name: data}}


@pytest.mark.parametrize("number", range(5))
def test_each_forgery_fails_at_the_check_that_names_it(number: int) -> None:
    parties = Parties()
    document = with_document(parties)
    assert not failing(check(parties, document))
    forgery = forgeries(document, parties.keys[BUYER])[number]
    assert forgery.check in failing(check(parties, forgery.bundle))


@pytest.mark.parametrize("field", ["execution", "agreement", "statements", "entries", "heads", "openings", "v"])
def test_a_bundle_that_lacks_a_part_never_passes(field: str) -> None:
    parties = Parties()
    parties.run()
    document = bundle(parties)
    del document[field]
    assert check(parties, document).verdict == "FAIL"


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"{" * 100, b"\xff", b'{"kind":"evidence","v":9}'])
def test_any_bytes_give_a_report(data: bytes) -> None:
    report = verify(data, Trust(v=1, organisations=[]))
    assert report.verdict == "FAIL"
    assert len(report.checks) == 19


def test_withheld_openings_never_turn_into_a_failure() -> None:
    parties = Parties()
    parties.run()
    report = check(parties, {**bundle(parties), "openings": []})
    assert report.verdict == "INDETERMINATE"
    assert not failing(report)
    assert report.checks[10].detail == f"approve_decision attested by {list(NAMES)[1]}"
