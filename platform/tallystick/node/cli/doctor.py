"""`tally doctor`: what this machine has, what is missing, too old or taken, and how to mend it."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from tallystick.node.cli import checkup_settings
from tallystick.node.cli.checkup import Finding, findings

COLUMNS = ("what", "state", "found", "how to mend")


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; return 1 when something required is not in order."""
    options = _parser().parse_args(argv)
    found = [*findings(data=options.data), *checkup_settings.findings(options.data)]
    print(table(found))
    failing = [finding.what for finding in found if finding.fails]
    print(f"\nto mend first: {', '.join(failing)}" if failing else "\nall that is required is here")
    return 1 if failing else 0


def table(found: Iterable[Finding]) -> str:
    """Return the findings as aligned columns, no wider than they need to be."""
    rows = [COLUMNS, *(_row(finding) for finding in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(finding: Finding) -> tuple[str, str, str, str]:
    state = finding.state if finding.required or finding.state == "ok" else f"{finding.state} (optional)"
    return finding.what, state, finding.detail, finding.mend


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tally doctor",
        description=__doc__,
        epilog="Exit status: 0 all that is required is here, 1 something is not.",
    )
    parser.add_argument("--data", type=Path, help="a node's data folder to look at too (default: .demo)")
    return parser
