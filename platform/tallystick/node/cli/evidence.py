"""`tally evidence`: fetch an execution's evidence bundle from a node, as a signed-in user."""

import argparse
import asyncio
import getpass
import sys
from collections.abc import Sequence
from pathlib import Path

from tallystick.core import canonical
from tallystick.core.errors import TallystickError
from tallystick.node.client import Client

EPILOG = """\
The file verifies without the node: tally verify FILE --trust trust.json
Exit status: 0 written, 1 refused or unreachable, 2 wrong usage.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    options = _parser().parse_args(argv)
    try:
        size = asyncio.run(fetch(options.execution, options.node, options.user, password_of(options), options.output))
    except (TallystickError, OSError) as error:
        print(f"tally evidence: {error}", file=sys.stderr)
        return 1
    print(f"{options.output}: {size:,} bytes")
    return 0


async def fetch(execution: str, node: str, user: str, password: str, output: Path) -> int:
    """Write the bundle in its canonical form; returns its size in bytes."""
    async with Client(node) as client:
        await client.sign_in(user, password)
        data = canonical.encode(await client.get(f"/executions/{execution}/evidence"))
    _write(output, data)
    return len(data)


def _write(output: Path, data: bytes) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(data)


def password_of(options: argparse.Namespace) -> str:
    """From the file that the options name, else asked for."""
    if options.password_file is None:
        return getpass.getpass(f"password of {options.user}: ")
    text: str = options.password_file.read_text(encoding="utf-8")
    return text.rstrip("\r\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tally evidence", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("execution", help="the execution's id")
    parser.add_argument("-o", "--output", type=Path, required=True, help="where to write the bundle")
    parser.add_argument("--node", default="http://127.0.0.1:8441", help="the node's address (default: %(default)s)")
    parser.add_argument("--user", required=True, help="whose rights to use")
    parser.add_argument("--password-file", type=Path, help="file that holds the password; asked for when left out")
    return parser
