"""`tally keys`: list, rotate and revoke an organisation's signing keys, report on a stolen one, sign with the root."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tallystick.core.errors import TallystickError
from tallystick.node.api.language import LANGUAGES
from tallystick.node.cli import root_key, root_signing
from tallystick.node.cli.signing_in import add_arguments, signed_in
from tallystick.node.cli.texts import Texts
from tallystick.node.client import Client

EPILOG = """\
A rotation makes a new key the current one: it is told to every open execution and to every partner, and the key before
it may still sign OVERLAP more entries of each execution. A revoked key signs nothing more. What either of them signed
stays as good as it was. With --link the nkey and the certificate authority of the NATS links are replaced instead: each
partner gets them with the new card, and its server lets in the older ones until then.
While the root key is kept away from the node, both take effect with its signatures: `tally keys sign --root-key FILE`
fetches what waits, shows it, signs and brings it back. On a machine without any network: `sign --to A` at the node,
`sign --root-key FILE --from A --to B` there, `sign --from B` at the node again.
Exit status: 0 done, 1 refused or unreachable, 2 wrong usage.
"""
MAX_PAGES = 10_000  # a million signatures


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    options = _parser().parse_args(argv)
    try:
        if options.what == "root":
            print(root_key.move(options))
            return 0
        if options.what == "sign":
            return asyncio.run(root_signing.run(options))
        found = asyncio.run(_run(options))
    except (TallystickError, OSError) as error:
        print(f"tally keys: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        speech = Texts("keys", options.lang)
        print("\n".join(report_lines(found, speech) if options.what == "compromise-report" else _lines(found, speech)))
    return 0


async def _run(options: argparse.Namespace) -> dict[str, Any]:
    async with signed_in(options) as client:
        path = "/organisation/keys"
        found: dict[str, Any]
        match options.what:
            case "rotate" if options.link:
                found = await client.post(f"{path}/link")
            case "rotate":
                found = await client.post(path, {"overlap": options.overlap, "sealing": not options.keep_sealing})
            case "revoke":
                since = {} if options.since is None else {"since": options.since}
                found = await client.post(f"{path}/{options.key}/revocation", {"reason": options.reason, **since})
            case "compromise-report":
                found = await _report(client, options)
            case _:
                found = await client.get(path)
        return found


async def _report(client: Client, options: argparse.Namespace) -> dict[str, Any]:
    """All pages in one."""
    query: dict[str, str | int] = {"since": options.since, **({"org": options.org} if options.org else {})}
    path = f"/organisation/keys/{options.key}/compromise"
    whole: dict[str, Any] = await client.get(path, **query)
    following = whole["next_cursor"]
    for _ in range(MAX_PAGES):
        if following is None:
            break
        page = await client.get(path, **query, cursor=following)
        for name in ("items", "executions", "anchors"):
            whole[name] += page[name]
        following = page["next_cursor"]
    whole["next_cursor"] = following
    whole["executions"] = _merged(whole["executions"])
    whole["anchors"] = list({json.dumps(one, sort_keys=True): one for one in whole["anchors"]}.values())
    return whole


def _merged(summaries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One line an execution, which may stand on several pages."""
    found: dict[str, dict[str, Any]] = {}
    for one in summaries:
        before = found.setdefault(one["execution_id"], {**one, "proven": 0, "claimed": 0, "after": 0})
        for name in ("proven", "claimed", "after"):
            before[name] += one[name]
    return list(found.values())


def _lines(found: dict[str, Any], speech: Texts) -> list[str]:
    root, waiting = found["root"], found["waiting"]
    lines = [speech.text("keys.root_away" if root["is_away"] else "keys.root", kid=root["kid"])]
    if waiting["card"] or waiting["statements"]:
        number = f"{waiting['statements']}{'+' if waiting['more'] else ''}"
        card = speech.text("keys.yes" if waiting["card"] else "keys.no")
        lines.append(speech.text("keys.waits", card=card, statements=number))
        if any(one["revoked_at"] is not None and one["is_held"] for one in found["items"]):
            lines.append(speech.text("keys.waits_urgent"))
    for one in found["items"]:
        made = speech.when(one["made_at"]) if one["made_at"] else speech.text("keys.from_start")
        lines.append(f"{one['kid']}  {one['serial']:>4}  {speech.text('keys.' + state_of(one))}  {made}")
    return [*lines, *_link_lines(found["link"], speech)]


def _link_lines(link: dict[str, Any] | None, speech: Texts) -> list[str]:
    if link is None:
        return []
    made = speech.when(link["made_at"]) if link["made_at"] else speech.text("keys.from_start")
    lines = [speech.text("keys.link", serial=f"{link['serial']:>4}", nkey=link["nkey"], made=made)]
    if not link["is_shown"]:
        lines.append(speech.text("keys.link_waits"))
    if link["behind_count"]:
        names = ", ".join(link["behind"]) + (", …" if link["behind_count"] > len(link["behind"]) else "")
        lines.append(speech.text("keys.link_behind", number=link["behind_count"], names=names))
    if link["is_external"] and link["older_held"]:
        lines.append(speech.text("keys.link_external"))
    return lines


def state_of(key: dict[str, Any]) -> str:
    """One word for a key, as the catalogue has it."""
    if key["revoked_at"] is not None:
        return "revoked"
    if key["is_current"]:
        return "current"
    return "past" if key["is_held"] else "destroyed"


def report_lines(found: dict[str, Any], speech: Texts) -> list[str]:
    """The report as text."""
    lines = [speech.text("compromise.title", kid=found["kid"], org=found["org_id"], since=speech.when(found["since"]))]
    for one in found["executions"]:
        counts = {name: one[name] for name in ("proven", "claimed", "after")}
        lines += ["", speech.text("compromise.execution", name=one["name"], id=one["execution_id"], **counts)]
        lines += [_item(item, speech) for item in found["items"] if item["execution_id"] == one["execution_id"]]
        lines += [_anchor(item, speech) for item in found["anchors"] if item["execution_id"] == one["execution_id"]]
    return lines if found["executions"] else [*lines, speech.text("compromise.nothing")]


def _item(item: dict[str, Any], speech: Texts) -> str:
    proof = item["proven_by"]
    facts = {"block": proof["block_number"], "time": speech.when(proof["time"])} if proof else {}
    why = speech.text(f"compromise.{item['position']}", **facts)
    return f"  {item['place']:>6}  {item['kind']}  {speech.when(item['at'])}  {why}"


def _anchor(item: dict[str, Any], speech: Texts) -> str:
    facts = {"block": item["block_number"], "time": speech.when(item["time"]), "size": item["size"]}
    return "  " + speech.text("compromise.anchor", **facts)


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError("a moment looks like 2026-11-25T08:00:00Z") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tally keys", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    common = argparse.ArgumentParser(add_help=False)
    add_arguments(common)
    common.add_argument("--json", action="store_true", help="print JSON")
    common.add_argument("--lang", choices=LANGUAGES, default="en", help="language of the text (default: %(default)s)")
    commands = parser.add_subparsers(dest="what", required=True)
    commands.add_parser("list", parents=[common], help="all keys, the newest first")
    rotate = commands.add_parser("rotate", parents=[common], help="make a new key the current one")
    rotate.add_argument(
        "--link", action="store_true", help="replace the nkey and the certificate authority of the links instead"
    )
    rotate.add_argument("--overlap", type=int, default=64, help="entries that the key before it may still sign")
    rotate.add_argument("--keep-sealing", action="store_true", help="leave the sealing key as it is")
    revoke = commands.add_parser("revoke", parents=[common], help="end a key; the current one is replaced first")
    revoke.add_argument("--key", required=True, help="its id")
    revoke.add_argument("--reason", required=True, choices=("compromised", "lost", "superseded"))
    revoke.add_argument("--since", type=_moment, help="when that began, as far as you know; for information")
    report = commands.add_parser(
        "compromise-report", parents=[common], help="what a key signed before and after a moment"
    )
    report.add_argument("--key", required=True, help="its id")
    report.add_argument("--since", type=_moment, required=True, help="such as 2026-11-25T08:00:00Z")
    report.add_argument("--org", help="the partner whose key it is (default: our own)")
    sign = commands.add_parser("sign", parents=[common], help="sign with the root key what waits for it")
    sign.add_argument("--root-key", type=Path, metavar="FILE", help="the root key's file")
    sign.add_argument("--from", dest="source", type=Path, metavar="FILE", help="what to sign, or to bring back")
    sign.add_argument("--to", type=Path, metavar="FILE", help="where to put what is to be signed, or was")
    sign.add_argument("--yes", action="store_true", help="sign what is shown without asking")
    root = commands.add_parser("root", help="move the root key out of a stopped node's keystore, or back")
    root.add_argument("direction", choices=("take-out", "put-back"))
    root.add_argument("--data", type=Path, required=True, help="the node's data folder")
    root.add_argument("--root-key", type=Path, required=True, metavar="FILE", help="the root key's own file")
    root.add_argument("--lang", choices=LANGUAGES, default="en", help="language of the text (default: %(default)s)")
    return parser
