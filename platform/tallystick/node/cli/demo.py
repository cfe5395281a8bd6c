"""`tally demo`: three organisations run, prove and audit one collaboration on this machine."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path

from tallystick.core.errors import TallystickError
from tallystick.node.demo.console import Console
from tallystick.node.demo.run import Options, demo

EPILOG = """\
Exit status: 0 everything held, 1 something did not or could not run, 2 wrong usage, 130 interrupted.
Logs are kept in .demo/logs, evidence and the auditor's inputs in .demo/evidence.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    options = _parser().parse_args(argv)
    chosen = Options(
        seed=options.seed,
        documents=Path(options.docs) if options.docs else None,
        **({"folder": options.folder} if options.folder else {}),
    )
    return supervised("tally demo", demo(chosen, Console()))


def supervised(name: str, work: Coroutine[None, None, int]) -> int:
    """Run `work` so that Ctrl-C, a hang-up or a termination unwinds it: what it started is stopped first."""
    try:
        return asyncio.run(_unwinding(work))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print(f"{name}: interrupted; everything is stopped", file=sys.stderr)
        return 130
    except (TallystickError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1


async def _unwinding(work: Coroutine[None, None, int]) -> int:
    task = asyncio.ensure_future(work)

    def unwind() -> None:
        if not task.cancelling():  # a second Ctrl-C must not interrupt the stopping
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, unwind)
    return await task


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tally demo", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--docs", metavar="FOLDER", help="UBL documents of your own; the demo's fill the gaps")
    parser.add_argument(
        "--seed", type=_seed, default=0, metavar="N", help="varies amounts, decisions and order (0: the whole story)"
    )
    parser.add_argument("--folder", type=Path, help="where to write (default: .demo beside the sources)")
    return parser


def _seed(text: str) -> int:
    """A seed; `make demo` without SEED passes an empty word."""
    return int(text or 0)
