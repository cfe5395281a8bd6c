"""`tally agreement`: what a changed proposal differs in from the one that it replaces."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from tallystick.core import agreement as agreements
from tallystick.core import canonical
from tallystick.core.agreement import Agreement
from tallystick.core.errors import Invalid
from tallystick.node.api.language import LANGUAGES
from tallystick.node.definitions import wording
from tallystick.node.definitions.comparison import compare

SAME, DIFFERENT = 0, 1
EPILOG = """\
Files hold an agreement as GET /api/v1/collaborations/{id}/agreement answers it, or the bare agreement.
Exit status: 0 the same terms, 1 differences or no agreement, 2 wrong usage.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    options = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except Invalid as error:
        print(f"tally agreement: {error}", file=sys.stderr)
        return DIFFERENT


def diff(options: argparse.Namespace) -> int:
    """Definition, participants, roles, keys and terms that differ, in words."""
    (_, before), (name, after) = _read(options.before), _read(options.after)
    found = compare(before, after)
    texts = [wording.sentence(one, before, after, options.lang) for one in found]
    if options.json:
        items = [{**msgspec.to_builtins(one), "text": text} for one, text in zip(found, texts, strict=True)]
        print(json.dumps({"agreement_hash": name, "items": items}, indent=2, ensure_ascii=False))
    else:
        print(name)
        for section, several in groupby(zip(found, texts, strict=True), key=lambda one: one[0].section):
            print(wording.section(section, options.lang))
            for _, text in several:
                print(f"  {text}")
    return DIFFERENT if found else SAME


def _read(path: Path) -> tuple[str, Agreement]:
    """An agreement and the hash that statements name it by, recomputed."""
    try:
        document: Any = canonical.parse(path.read_bytes())
        if isinstance(document, dict) and isinstance(document.get("agreement"), dict):
            document = document["agreement"]
        return agreements.agreement_hash(document), agreements.read(document)
    except Invalid as error:
        raise Invalid(f"{path}: {error.detail}", code=error.code) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tally agreement", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("diff", help=diff.__doc__, description=diff.__doc__)
    one.set_defaults(run=diff)
    one.add_argument("before", type=Path, metavar="BEFORE")
    one.add_argument("after", type=Path, metavar="AFTER")
    one.add_argument("--lang", choices=LANGUAGES, default="en", help="the language (default: %(default)s)")
    one.add_argument("--json", action="store_true", help="the differences as JSON, with pointers and both values")
    return parser
