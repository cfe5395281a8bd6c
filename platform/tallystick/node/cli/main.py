"""`tally`: one word names a command, and only that command's code is loaded.

So an auditor's install, which brings no server, database or chain client, runs `tally verify`, and `tally doctor`
runs where half of everything is missing.
"""

import difflib
import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import NamedTuple

from tallystick.core.errors import TallystickError


class Command(NamedTuple):
    """Where a command's `main(argv) -> exit status` lives, and its line in the help text."""

    module: str
    summary: str


COMMANDS = {
    "demo": Command("tallystick.node.cli.demo", "three organisations run, prove and audit one collaboration"),
    "up": Command("tallystick.node.cli.up", "the same three organisations, left running for you to sign in"),
    "down": Command("tallystick.node.cli.down", "stop what `tally up` started"),
    "init": Command("tallystick.node.cli.init", "make an organisation's data folder, keys and first administrator"),
    "settings": Command(
        "tallystick.node.cli.settings", "show and change what is spent on chains, which ones, and when"
    ),
    "node": Command("tallystick.node.cli.node", "run one organisation's node"),
    "nats": Command("tallystick.node.cli.nats", "what the operator of an external nats-server cluster loads"),
    "partner": Command("tallystick.node.cli.partner", "invite, accept, confirm, list, suspend and remove partners"),
    "api": Command("tallystick.node.cli.api", "ask a node's REST API something, as a signed-in user"),
    "definition": Command(
        "tallystick.node.cli.definition", "check, lay out, compare and simulate definitions of workflows"
    ),
    "keys": Command("tallystick.node.cli.keys", "list, rotate and revoke keys; report on one that was stolen"),
    "agreement": Command("tallystick.node.cli.agreement", "say what a changed proposal differs in"),
    "evidence": Command("tallystick.node.cli.evidence", "fetch an execution's evidence bundle from a node"),
    "verify": Command("tallystick.ledger.audit.command", "check an evidence bundle, trusting no node"),
    "chain": Command("tallystick.node.cli.chain", "deploy the contracts, see how a chain does, fund, export sources"),
    "bench": Command("tallystick.node.cli.bench", "measure how fast this machine runs executions"),
    "doctor": Command("tallystick.node.cli.doctor", "say what this machine has, lacks, and how to mend it"),
}
REFUSED = 1
USAGE = 2
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names; return its exit status, 1 when it cannot be done, 2 for wrong usage."""
    name, *rest = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in {"-h", "--help", "help"}:
        print(help_text())
        return 0
    if name == "--version":
        print(f"tally {version('tallystick')}")
        return 0
    if name not in COMMANDS:
        print(unknown(name), file=sys.stderr)
        return USAGE
    try:
        return load(COMMANDS[name])(rest)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "tallystick":
            raise
        print(lacking(name, error.name), file=sys.stderr)
        return USAGE
    except TallystickError as error:
        hint = "; is it running? `tally node --data FOLDER` starts it" if error.code == "node_unreachable" else ""
        print(f"tally {name}: {error}{hint}", file=sys.stderr)
        return REFUSED
    except OSError as error:
        print(f"tally {name}: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        return INTERRUPTED


def load(command: Command) -> Callable[[Sequence[str]], int]:
    """Import a command's `main`."""
    found: Callable[[Sequence[str]], int] = importlib.import_module(command.module).main
    return found


def help_text() -> str:
    """Return the list of commands."""
    lines = [f"  {name:<12}{command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(["usage: tally COMMAND ...", "", *lines, "", "tally COMMAND --help says more of each."])


def unknown(name: str) -> str:
    """Return the message for a command that does not exist, with the nearest one that does."""
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean `tally {near[0]}`?" if near else "`tally --help` lists them."
    return f"tally: no command {name!r}; {hint}"


def lacking(name: str, module: str) -> str:
    """Return the message for a command whose packages this install does not have."""
    return (
        f"tally {name}: the Python package {module!r} is not installed.\n"
        "  In a checkout: make setup. Elsewhere: pip install 'tallystick[node]' ('tallystick[audit]' for verify)."
    )
