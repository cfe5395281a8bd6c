"""`tally api`: ask a node's REST API something, as a signed-in user, and print the JSON that it answers."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tallystick.core.errors import Invalid
from tallystick.node.cli.signing_in import add_arguments, signed_in
from tallystick.node.client import API

MAX_BODY = 1024 * 1024  # the API reads no more
EPILOG = """\
  tally api GET /tasks --user astrid --password-file password
  tally api POST /collaborations --body proposal.json --print collaboration_id
Every path is described at /docs of the node. Exit status: 0 done, 1 refused or unreachable, 2 wrong usage.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    options = _parser().parse_args(argv)
    answer = asyncio.run(_ask(options))
    if options.print is None:
        print(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        print(_member(answer, options.print))
    return 0


async def _ask(options: argparse.Namespace) -> Any:
    body = _body(options)
    async with signed_in(options) as client:
        return await client.send(options.method.upper(), options.path.removeprefix(API), body)


def _body(options: argparse.Namespace) -> Any:
    if options.body is None:
        return None if options.method.upper() in {"GET", "DELETE"} else {}
    data = sys.stdin.buffer.read(MAX_BODY + 1) if options.body == "-" else _given(options.body)
    if len(data) > MAX_BODY:
        raise Invalid(f"a body has at most {MAX_BODY} bytes", code="too_large")
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise Invalid(f"the body is not JSON: {error}", code="malformed_json") from error


def _given(text: str) -> bytes:
    if text.lstrip().startswith("{"):
        return text.encode()
    with Path(text).open("rb") as file:
        return file.read(MAX_BODY + 1)


def _member(answer: Any, path: str) -> Any:
    """The member that ``items.0.task_id`` names."""
    for name in path.split("."):
        try:
            answer = answer[int(name)] if isinstance(answer, list) else answer[name]
        except (LookupError, ValueError, TypeError) as error:
            raise Invalid(f"the answer has no {path}", code="no_member") from error
    return answer


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tally api", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("method", choices=("GET", "POST", "PUT", "DELETE"))
    parser.add_argument("path", help="such as /tasks")
    parser.add_argument("--body", help="JSON, a file that holds it, or - for the standard input")
    parser.add_argument("--print", metavar="MEMBER", help="only this member of the answer, such as items.0.task_id")
    add_arguments(parser)
    return parser
