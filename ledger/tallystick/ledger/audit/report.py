"""What a verification found: one numbered line a check, and a verdict over all."""

from typing import Literal

import msgspec

Status = Literal["PASS", "FAIL", "INDETERMINATE"]


class Finding(msgspec.Struct, frozen=True):
    """What one check found."""

    status: Status
    detail: str


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A numbered check with its finding."""

    number: int
    name: str
    status: Status
    detail: str


class Report(msgspec.Struct, frozen=True):
    """All checks, in order."""

    checks: list[Check]

    @property
    def verdict(self) -> Status:
        """FAIL when any check fails, PASS when all pass, INDETERMINATE otherwise."""
        found = {check.status for check in self.checks}
        if "FAIL" in found:
            return "FAIL"
        return "PASS" if found == {"PASS"} else "INDETERMINATE"


def passed(detail: str) -> Finding:
    """The check holds."""
    return Finding("PASS", detail)


def failed(detail: str) -> Finding:
    """The check is contradicted."""
    return Finding("FAIL", detail)


def unknown(detail: str) -> Finding:
    """The bundle or the auditor's inputs do not say enough."""
    return Finding("INDETERMINATE", detail)


def table(report: Report) -> str:
    """The check list as text."""
    lines = [f"{check.number:>3}  {check.status:<13}  {check.name}: {check.detail}" for check in report.checks]
    return "\n".join([*lines, f"verdict: {report.verdict}"])
