"""What a verification found: one numbered line a check, a verdict over all, and what the verdict covers."""

import unicodedata
from typing import Literal

import msgspec

from .texts import ENGLISH, text

Status = Literal["PASS", "FAIL", "INDETERMINATE"]
Facts = dict[str, str | int]
STATUS_COLUMNS = 15
MAX_FACT = 400  # characters: a bundle's names must not flood an auditor's screen


class Finding(msgspec.Struct, frozen=True):
    """What one check found: ``code`` names its text in any language, ``facts`` fill that text in."""

    status: Status
    code: str
    facts: Facts = {}


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A numbered check with its finding; ``name`` and ``detail`` are English, ``code`` and ``facts`` are for others."""

    number: int
    name: str
    status: Status
    detail: str
    code: str
    facts: Facts = {}


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """How much the verdict covers, counted by the verifier; only ``exported_by`` is the exporter's own word."""

    execution: str
    entries: int
    statements: int
    values: int
    values_disclosed: int
    documents: int
    exported_by: str


class Report(msgspec.Struct, frozen=True):
    """All checks, in order; ``scope`` is None when the bundle cannot be read."""

    checks: list[Check]
    scope: Scope | None = None

    @property
    def verdict(self) -> Status:
        """FAIL when any check fails, PASS when all pass, INDETERMINATE otherwise."""
        found = {check.status for check in self.checks}
        if "FAIL" in found:
            return "FAIL"
        return "PASS" if found == {"PASS"} else "INDETERMINATE"


def passed(code: str, **facts: str | int) -> Finding:
    """The check holds."""
    return Finding("PASS", code, _clean(facts))


def failed(code: str, **facts: str | int) -> Finding:
    """The check is contradicted."""
    return Finding("FAIL", code, _clean(facts))


def unknown(code: str, **facts: str | int) -> Finding:
    """The bundle or the auditor's inputs do not say enough."""
    return Finding("INDETERMINATE", code, _clean(facts))


def numbered(number: int, finding: Finding) -> Check:
    """The finding as the report's line ``number``."""
    return Check(
        number=number,
        name=text(f"check.{number}"),
        status=finding.status,
        detail=text(finding.code, **finding.facts),
        code=finding.code,
        facts=finding.facts,
    )


def document(report: Report) -> dict[str, object]:
    """The report as JSON has it."""
    found: dict[str, object] = msgspec.to_builtins(report)
    return {"verdict": report.verdict, **found}


def table(report: Report, language: str = ENGLISH) -> str:
    """The check list as text, one line a check."""
    lines = [_line(check, language) for check in report.checks]
    if report.scope:
        facts = msgspec.to_builtins(report.scope)
        lines.append(text("scope", language, **{name: _printable(value) for name, value in facts.items()}))
    verdict = text(f"status.{report.verdict}", language)
    return "\n".join([*lines, text("verdict", language, verdict=verdict)])


def _line(check: Check, language: str) -> str:
    status = text(f"status.{check.status}", language)
    name = text(f"check.{check.number}", language)
    detail = text(check.code, language, **check.facts)
    return f"{check.number:>3}  {status}{' ' * (STATUS_COLUMNS - _columns(status))}{name}: {detail}"


def _columns(shown: str) -> int:
    """How wide a terminal shows it: Chinese characters take two columns."""
    return sum(2 if unicodedata.east_asian_width(char) in "FW" else 1 for char in shown)


def _clean(facts: Facts) -> Facts:
    return {name: _printable(value) for name, value in facts.items()}


def _printable(value: str | int) -> str | int:
    """What a bundle says is shown as text: it must not steer the auditor's terminal."""
    if isinstance(value, int):
        return value
    return "".join(char if char.isprintable() else "�" for char in value[:MAX_FACT])
