"""Checks 9, 10 and 12: openings, documents and deliveries."""

import hashlib
from typing import Any

import msgspec

from tallystick.core import b64
from tallystick.core.commitment import SALT_BYTES, Opening, Place, commit
from tallystick.core.definition.model import DataExchange
from tallystick.core.engine.names import step_of
from tallystick.core.entry import Entry
from tallystick.core.manifest import FILE, VERSION, Manifest, is_file
from tallystick.core.statement import Received, Result, Statement

from .bundle import DisclosedOpening
from .case import Case
from .report import Finding, failed, passed, unknown


def opened(case: Case) -> Finding:
    """9: every disclosed value is the one that was committed to."""
    here: set[tuple[str, str]] = set()
    for one in case.bundle.openings:
        said = case.statements.get(one.statement_id)
        if said is None:
            return failed("opens_nothing", property=one.property)
        if (one.statement_id, one.property) in here:
            return failed("opened_twice", property=one.property)
        if said.commitments.get(one.property) != _commitment(case, said, one):
            return failed("other_value", property=one.property, place=one.task or "input", org=said.iss)
        here.add((one.statement_id, one.property))
    total = sum(len(said.commitments) for said in case.statements.values())
    if case.bundle.scope.withheld_openings > total - len(here):
        return failed("too_many_withheld", count=total - len(here))
    if len(here) < total:
        return unknown("values_withheld", count=len(here), total=total)
    return unknown("statements_withheld") if not case.complete else passed("opened", count=total)


def documented(case: Case) -> Finding:
    """10: documents are, byte for byte, what the manifests name."""
    manifests: dict[str, Manifest] = {}
    for one in case.bundle.openings:
        if not is_file(one.value):
            continue
        manifest = _manifest(one.value)
        if manifest is None:
            return unknown("unknown_file", property=one.property)
        if manifests.setdefault(manifest.sha256, manifest).size != manifest.size:
            return failed("two_sizes", name=manifest.name)
    for name, text in case.bundle.documents.items():
        if name not in manifests:
            return failed("stray_document", id=name)
        data = b64.decode(text)
        if hashlib.sha256(data).hexdigest() != name or len(data) != manifests[name].size:
            return failed("other_bytes", name=manifests[name].name)
    missing = [one.name for key, one in manifests.items() if key not in case.bundle.documents]
    if missing:
        return unknown("documents_withheld", count=len(missing), total=len(manifests), names=", ".join(missing))
    return passed("documented", count=len(manifests))


def delivered(case: Case) -> Finding:
    """12: each recipient of a data exchange signed for the very ciphertexts that were sent to it."""
    received = {
        (said.iss, said.body.task, said.body.attempt): said.body.sealed
        for entry, said in case.pairs
        if entry.applied and isinstance(said.body, Received)
    }
    ends, closed = _ends(case)
    count = 0
    waiting: list[str] = []
    never: list[str] = []
    for task, attempt, target, sealed in _deliveries(case):
        if received.get((target, task, attempt)) == sealed:
            count += 1
        elif ends.get((task, attempt)) == "completed":
            return failed("not_received", task=task, org=target)
        else:
            (never if closed or (task, attempt) in ends else waiting).append(f"{task} → {target}")
    if waiting:
        return unknown("awaits_receipt", tasks=", ".join(waiting))
    if not case.complete:
        return unknown("statements_withheld")
    if never:
        return passed("delivered_partly", count=count, tasks=", ".join(never))
    return passed("delivered", count=count)


def _deliveries(case: Case) -> list[tuple[str, int, str, list[str]]]:
    """(task, attempt, recipient, ciphertexts) of every applied result of a data exchange."""
    found = []
    for entry, said in case.pairs:
        step = _exchange(case, entry, said)
        if step is None or not isinstance(said.body, Result):
            continue
        targets = [org for org in step.targets if org != step.assigned_org]
        found += [(said.body.task, said.body.attempt, target, said.body.sealed) for target in targets]
    return found


def _exchange(case: Case, entry: Entry, said: Statement) -> DataExchange | None:
    """The data exchange step that a statement completes, if it does."""
    if not entry.applied or not isinstance(said.body, Result) or said.body.status != "completed":
        return None
    step = case.agreement.compiled.steps[step_of(said.body.task)]
    return step if isinstance(step, DataExchange) else None


def _ends(case: Case) -> tuple[dict[tuple[object, object], object], bool]:
    """How each (task, attempt) ended by the entries' events (check 6), and whether the execution has."""
    ends, closed = {}, False
    for event in (event for entry in case.entries for event in entry.events):
        if event.get("type") in {"answered", "timed_out"}:
            ends[event.get("task"), event.get("attempt")] = event.get("status")
        closed = closed or event.get("type") == "closed"
    return ends, closed


def _commitment(case: Case, said: Statement, one: DisclosedOpening) -> str | None:
    """What the opening commits to at its statement's place; None when it claims another place or a weak salt."""
    if (one.task, one.attempt) != said.place or len(b64.decode(one.salt)) != SALT_BYTES:
        return None
    place = Place(execution=case.bundle.execution, issuer=said.iss, task=one.task, attempt=one.attempt)
    return commit(place, Opening(property=one.property, salt=one.salt, value=one.value))


def _manifest(value: dict[str, Any]) -> Manifest | None:
    try:
        manifest = msgspec.convert(value[FILE], Manifest)
    except msgspec.ValidationError:
        return None
    return manifest if manifest.v == VERSION else None
