"""Checks 9 to 12: openings, documents, decisions and deliveries."""

import hashlib
from typing import Any

from tallystick.core import b64
from tallystick.core.commitment import Opening, Place, commit
from tallystick.core.errors import Invalid
from tallystick.core.expression.evaluate import evaluate, outcome_of
from tallystick.core.scope import Value, variables
from tallystick.core.statement import Result, Statement

from .bundle import DisclosedOpening
from .case import Case
from .report import Finding, failed, passed, unknown


def opened(case: Case) -> Finding:
    """9: every disclosed value is the one that was committed to."""
    for one in case.bundle.openings:
        said = case.statements.get(one.statement_id)
        if said is None:
            return failed(f"{one.property} opens a statement that is not here")
        if said.commitments.get(one.property) != _commitment(case, said, one):
            return failed(f"the value of {one.property} in {one.task or 'the input'} is not the one committed to")
    total = sum(len(said.commitments) for said in case.statements.values())
    if len({(one.statement_id, one.property) for one in case.bundle.openings}) != len(case.bundle.openings):
        return failed("a value is opened twice")
    if len(case.bundle.openings) < total:
        return unknown(f"{len(case.bundle.openings)} of {total} values are disclosed; all of these hold")
    return passed(f"all {total} values")


def documented(case: Case) -> Finding:
    """10: documents are, byte for byte, what the manifests name."""
    manifests = {file["sha256"]: file for file in map(_file, case.bundle.openings) if file}
    for name, data in case.bundle.documents.items():
        if name not in manifests:
            return failed(f"document {name[:16]}… belongs to no disclosed value")
        content = b64.decode(data)
        if hashlib.sha256(content).hexdigest() != name or len(content) != manifests[name]["size"]:
            return failed(f"document {manifests[name]['name']} has other bytes than those committed to")
    missing = len(set(manifests) - set(case.bundle.documents))
    if missing:
        return unknown(f"{missing} of {len(manifests)} documents are withheld")
    return passed(f"{len(manifests)} documents")


def decided(case: Case) -> Finding:
    """11: outcomes of decisions follow from the values that they were taken on."""
    attested: list[str] = []
    checked = 0
    for number, (entry, said) in enumerate(case.pairs):
        if not isinstance(said.body, Result) or not entry.applied or said.body.outcome is None:
            continue
        step = case.agreement.definition["steps"][said.body.task.rpartition(".")[0]]
        scope = variables(_values(case, number))
        try:
            outcome = outcome_of(evaluate(step["expression"], scope))
        except Invalid:
            attested.append(f"{step['id']} attested by {said.iss}")
            continue
        if outcome != said.body.outcome:
            return failed(f"{step['id']} gives {outcome}, the record says {said.body.outcome}")
        checked += 1
    return unknown("; ".join(attested)) if attested else passed(f"{checked} decisions recomputed")


def delivered(case: Case) -> Finding:
    """12: every delivery that the record calls complete was confirmed by each of its recipients."""
    waiting = {name: task.waiting for name, task in case.replayed.state.tasks.items() if task.waiting}
    deliveries = sum(event["type"] == "received" for entry in case.entries for event in entry.events)
    completed = {name for name, task in case.replayed.state.tasks.items() if task.status == "completed"}
    broken = completed & set(waiting)
    if broken:
        return failed(f"{', '.join(sorted(broken))} is called complete without all receipts")
    if waiting:
        return unknown("; ".join(f"{name} waits for {', '.join(orgs)}" for name, orgs in waiting.items()))
    return passed(f"{deliveries} receipts")


def _commitment(case: Case, said: Statement, one: DisclosedOpening) -> str | None:
    if (one.task, one.attempt) != said.place:
        return None
    place = Place(execution=case.bundle.execution, issuer=said.iss, task=one.task, attempt=one.attempt)
    return commit(place, Opening(property=one.property, salt=one.salt, value=one.value))


def _file(one: DisclosedOpening) -> dict[str, Any] | None:
    value = one.value
    if not isinstance(value, dict) or set(value) != {"$file"} or not isinstance(value["$file"], dict):
        return None
    return value["$file"]


def _values(case: Case, before: int) -> list[Value]:
    """The opened values of the statements that were applied before entry ``before``."""
    applied = {said.id for entry, said in case.pairs[:before] if entry.applied}
    return [
        Value(one.task, one.attempt, one.property, one.value)
        for one in case.bundle.openings
        if one.statement_id in applied
    ]
