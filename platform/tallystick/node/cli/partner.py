"""`tally partner`: meet other organisations, and suspend, resume or remove them, at a running node."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tallystick.core.errors import Invalid
from tallystick.node.cli.signing_in import add_arguments, signed_in
from tallystick.node.client import Client
from tallystick.node.logs import shown as printable
from tallystick.tenants import fingerprint
from tallystick.tenants.invitation import MAX_HOURS, MAX_TOKEN

EPILOG = """\
Two organisations meet in three steps:
  1. one makes an invitation:            tally partner invite -o invitation.txt
  2. the other accepts it:               tally partner accept invitation.txt      (or its link)
  3. both compare the same thirty digits over the telephone, and each confirms:
                                         tally partner confirm ORGANISATION --fingerprint "12345 …"
Exit status: 0 done, 1 refused or unreachable, 2 wrong usage.
"""
Command = Callable[[Client, argparse.Namespace], Awaitable[None]]


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    options = _parser().parse_args(argv)
    asyncio.run(_run(options))
    return 0


async def _run(options: argparse.Namespace) -> None:
    async with signed_in(options) as client:
        await options.run(client, options)


async def _invite(client: Client, options: argparse.Namespace) -> None:
    made = await client.post("/invitations", {"hours": options.hours, "note": options.note})
    if options.output is None:
        print(made["invitation"])
    else:
        options.output.write_text(made["invitation"] + "\n", encoding="ascii")
        print(f"{options.output}: good until {_when(made['expires_at'])}, for one organisation")
    _say(f"link: {made['link']}")


async def _accept(client: Client, options: argparse.Namespace) -> None:
    found = await client.post("/invitations/accept", {"invitation": _token(options.invitation)})
    if options.output is not None:
        options.output.write_text(found["answer"] + "\n", encoding="ascii")
        print(f"{options.output}: bring it to {found['name']}, who runs: tally partner answer {options.output.name}")
    elif found["delivered_at"] is None:
        print(f"{found['name']} is not reached ({found['last_error']}); accept again with -o answer.txt to carry it")
    _warn(found)
    print(f"{found['name']} ({found['id']}) and we have the fingerprint\n{found['fingerprint']}")
    _say(f"compare it by telephone, then: tally partner confirm {found['id']} --fingerprint …")


async def _answer(client: Client, options: argparse.Namespace) -> None:
    await client.post("/invitations/answers", {"answer": _token(options.answer)})
    print("received; tally partner list shows who waits to be confirmed")


async def _confirm(client: Client, options: argparse.Namespace) -> None:
    found = await client.post(f"/partners/{_id(options)}/confirm", {"fingerprint": options.fingerprint})
    print(f"{found['name']} ({found['id']}) is a partner; messages flow once both sides have confirmed")


async def _list(client: Client, _: argparse.Namespace) -> None:
    for one in await client.items("/partners"):
        print(f"{one['id']:<24} {one['status']:<10} {_link(one):<34} {one['name']}")


async def _show(client: Client, options: argparse.Namespace) -> None:
    found = await client.get(f"/partners/{_id(options)}")
    _warn(found)
    if options.fingerprint_only:
        print(found["fingerprint"])
        return
    for name, value in found.items():
        shown = _when(value) if name in _MOMENTS and value else value
        print(f"{name:<18} {printable(str(shown))}")


async def _suspend(client: Client, options: argparse.Namespace) -> None:
    found = await client.post(f"/partners/{_id(options)}/suspend")
    print(f"{found['id']} is suspended: its messages are kept out, and {found['undelivered']} of ours wait")


async def _resume(client: Client, options: argparse.Namespace) -> None:
    found = await client.post(f"/partners/{_id(options)}/resume")
    print(f"{found['id']} is active again; {found['undelivered']} messages of ours are on their way")


async def _remove(client: Client, options: argparse.Namespace) -> None:
    found = await client.post(f"/partners/{_id(options)}/remove", {"force": options.force})
    print(f"{found['id']} is {found['status']}")
    if found.get("open_executions"):
        names = ", ".join(one["execution_id"][:16] for one in found["newest_open"])
        print(f"{found['open_executions']} executions go on without it: {names}")
    if found.get("undelivered"):
        print(f"{found['undelivered']} messages that it had not got are dropped")


async def _transport(client: Client, options: argparse.Namespace) -> None:
    pem = _text(options.ca) if options.ca else None
    found = await client.put(f"/partners/{_id(options)}/transport", {"transport": options.transport, "ca_pem": pem})
    print(f"messages to {found['id']} go over {found['transport']}; {found['undelivered']} are on their way")


async def _invitations(client: Client, _: argparse.Namespace) -> None:
    for one in await client.items("/invitations"):
        by = f" by {one['answered_by']}" if one["answered_by"] else ""
        print(f"{one['invitation_id'][:16]}  {one['state']}{by}, until {_when(one['expires_at'])}  {one['note']}")


async def _withdraw(client: Client, options: argparse.Namespace) -> None:
    fit = [one for one in await client.items("/invitations") if one["invitation_id"].startswith(options.invitation)]
    if len(fit) != 1:
        raise Invalid(f"{len(fit)} invitations begin with {options.invitation!r}", code="unknown_invitation")
    await client.send("DELETE", f"/invitations/{fit[0]['invitation_id']}", None)
    print("nobody can answer it any more")


_MOMENTS = {"status_since", "since", "last_seen", "expires_at", "delivered_at", "card_issued_at"}


def _link(one: dict[str, Any]) -> str:
    if one["connected"] and one["incoming"]:
        return f"linked since {_when(one['since'])}"
    if one["status"] == "active" and one["last_seen"] is None:
        return "never linked yet"
    return f"last seen {_when(one['last_seen'])}" if one["last_seen"] else "not linked"


def _when(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _warn(found: dict[str, Any]) -> None:
    """Somebody may count on being taken for somebody else."""
    if found["resembles"]:
        others = ", ".join(found["resembles"])
        _say(f"careful: {found['name']} ({found['id']}) looks like {others}, and is another organisation")


def _say(text: str) -> None:
    """A hint for a person, which must not end up in a file."""
    print(text, file=sys.stderr)


def _id(options: argparse.Namespace) -> str:
    return quote(options.organisation, safe="")


def _token(given: str) -> str:
    """The text in a file, or the link itself."""
    if given.startswith(("http://", "https://")):
        return given
    found = _text(Path(given)).strip()
    if found.count(".") != 2 or any(one.isspace() for one in found):
        raise Invalid(
            f"{given} holds no invitation or answer: choose the file that `tally partner` wrote", code="bad_file"
        )
    return found


def _text(path: Path) -> str:
    """What is in a file that holds letters and digits only."""
    with path.open("rb") as file:
        data = file.read(MAX_TOKEN + 2)
    try:
        return data.decode("ascii")
    except UnicodeDecodeError as error:
        raise Invalid(f"{path} is not a text file of the kind that is needed here", code="bad_file") from error


def _hours(text: str) -> int:
    """How long an invitation is good."""
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= MAX_HOURS:
        raise argparse.ArgumentTypeError(f"is 1 to {MAX_HOURS} hours")
    return int(text)


def _digits(text: str) -> str:
    """A fingerprint, however it is grouped."""
    digits = "".join(text.replace("-", " ").split())
    if not digits.isascii() or not digits.isdecimal() or len(digits) != fingerprint.DIGITS:
        raise argparse.ArgumentTypeError(
            f"is {fingerprint.DIGITS} digits, as the other administrator reads them to you"
        )
    return digits


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tally partner", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Command, summary: str, *, organisation: bool = False) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=summary, description=summary)
        if organisation:
            made.add_argument("organisation", help="its id, as tally partner list shows it")
        made.set_defaults(run=run)
        add_arguments(made)
        return made

    invite = command("invite", _invite, "make an invitation for one organisation")
    invite.add_argument("-o", "--output", type=Path, help="file to write it to")
    invite.add_argument("--hours", type=_hours, default=72, help="how long it is good (default: %(default)s)")
    invite.add_argument("--note", default="", help="for your own list")
    accept = command("accept", _accept, "accept another organisation's invitation")
    accept.add_argument("invitation", help="the file, or the link")
    accept.add_argument(
        "-o", "--output", type=Path, help="file for the answer, to carry it to a node that is not reached"
    )
    command("answer", _answer, "take in an answer that was carried here").add_argument("answer", help="the file")
    confirm = command("confirm", _confirm, "confirm a fingerprint that you compared", organisation=True)
    confirm.add_argument(
        "--fingerprint", required=True, type=_digits, help="the thirty digits, as the other side reads them"
    )
    command("list", _list, "everybody known here, and how the links stand")
    show = command("show", _show, "one organisation, its link, and what is open with it", organisation=True)
    show.add_argument("--fingerprint-only", action="store_true", help="print the fingerprint and nothing else")
    command("suspend", _suspend, "keep a partner's messages out; ours wait", organisation=True)
    command("resume", _resume, "work with a suspended partner again", organisation=True)
    remove = command("remove", _remove, "part with a partner, or forget one who waits", organisation=True)
    remove.add_argument("--force", action="store_true", help="even where something is open or undelivered")
    transport = command("transport", _transport, "choose how messages go to a partner", organisation=True)
    transport.add_argument("transport", choices=["nats", "https"])
    transport.add_argument("--ca", type=Path, help="PEM file of the only authority to trust for its HTTPS certificate")
    command("invitations", _invitations, "the invitations that were made here")
    withdraw = command("withdraw", _withdraw, "let nobody answer an invitation any more")
    withdraw.add_argument("invitation", help="the beginning of its id")
    return parser
