"""``tally verify FILE --trust trust.json``: a process of its own that asks nobody, unless told to."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tallystick.core.errors import TallystickError

from . import bundle, onchain
from . import trust as trusts
from .onchain import Answer
from .report import Report, document, table
from .texts import ENGLISH, LANGUAGES, text
from .trust import Trust
from .verify import verify

EXIT = {"PASS": 0, "FAIL": 1, "INDETERMINATE": 3}
USAGE = 2
EPILOG = """\
Exit status: 0 every check passes, 1 one fails (or the contract denies a leaf), 3 none fails but not all pass,
2 the inputs cannot be read.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Print the check list; the exit status is in :data:`EPILOG`."""
    options = _parser().parse_args(argv)
    try:
        with options.file.open("rb") as file:
            data = file.read(bundle.MAX_BYTES + 1)
        with options.trust.open("rb") as file:
            trust = trusts.read(file.read(trusts.MAX_BYTES + 1))
    except (OSError, TallystickError) as error:
        sys.stderr.write(f"tally verify: {error}\n")
        return USAGE
    report = verify(data, trust)
    answers = _ask(options.on_chain, data, trust) if options.on_chain else None
    sys.stdout.write(_json(report, answers) if options.json else _text(report, answers, options.lang))
    denied = any(one.holds is False for one in answers or [])
    return EXIT["FAIL" if denied else report.verdict]


def _ask(url: str, data: bytes, trust: Trust) -> list[Answer]:
    try:
        anchors = bundle.read(data).anchors
    except TallystickError:
        return []  # check 1 says why
    return onchain.ask(url, anchors, trust.contracts.execution_ledger.lower() if trust.contracts else None)


def _json(report: Report, answers: list[Answer] | None) -> str:
    beside = {} if answers is None else {"on_chain": msgspec.to_builtins(answers)}
    return json.dumps({**document(report), **beside}, ensure_ascii=False) + "\n"


def _text(report: Report, answers: list[Answer] | None, language: str) -> str:
    lines = [
        text(f"on_chain.{one.holds}", language, org=one.org, index=one.index, reason=one.reason)
        for one in answers or []
    ]
    return "\n".join([table(report, language), *lines]) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tally verify",
        description="Check an evidence bundle, trusting no node.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, help="the evidence bundle")
    parser.add_argument(
        "--trust", type=Path, required=True, help="your own inputs: organisations, chain, trusted blocks"
    )
    parser.add_argument("--on-chain", metavar="RPC", help="also ask the contract, through this JSON-RPC endpoint")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--lang", choices=LANGUAGES, default=ENGLISH, help="language of the list (default: %(default)s)"
    )
    return parser
