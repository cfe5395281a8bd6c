"""``tally verify FILE --trust trust.json``: a process of its own that asks nobody."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tallystick.core.errors import TallystickError

from . import trust as trusts
from .bundle import MAX_BYTES
from .report import table
from .verify import verify

EXIT = {"PASS": 0, "FAIL": 1, "INDETERMINATE": 3}
USAGE = 2


def main(argv: Sequence[str]) -> int:
    """Print the check list; exit 0 for PASS, 1 for FAIL, 3 for INDETERMINATE, 2 when the inputs cannot be read."""
    parser = argparse.ArgumentParser(prog="tally verify", description="Check an evidence bundle, trusting no node.")
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--trust", type=Path, required=True, help="your own inputs: organisations, chain, trusted block"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args(argv)
    try:
        with options.file.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        trust = trusts.read(options.trust.read_bytes())
    except (OSError, TallystickError) as error:
        sys.stderr.write(f"tally verify: {error}\n")
        return USAGE
    report = verify(data, trust)
    text = (
        msgspec.json.encode({"verdict": report.verdict, "checks": report.checks}).decode()
        if options.json
        else table(report)
    )
    sys.stdout.write(text + "\n")
    return EXIT[report.verdict]
