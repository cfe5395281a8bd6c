"""`tally settings`: show and change what an organisation spends on chains, which ones, and when it anchors."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tallystick.core.errors import Invalid
from tallystick.node import settings as node_settings
from tallystick.node.adjusting import adjusted, current
from tallystick.node.api.language import LANGUAGES
from tallystick.node.cli.chain_options import chain_from, pair
from tallystick.node.cli.texts import Texts
from tallystick.node.settings import Blockchain, Settings
from tallystick.tenants.files import write_private

EPILOG = """\
Names are paths in settings.json, such as blockchain.budget.wei (digits), blockchain.policy.padding
(none, power_of_two or '{"multiple_of":64}') and, of a further chain, blockchain.also.CHAIN-ID.budget.wei.
Nothing is changed unless all of it holds together. A running node reads its settings when it starts.
Exit status: 0 shown or changed, 1 refused (nothing is changed), 2 wrong usage.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    options = _parser().parse_args(argv)
    before = node_settings.load(options.data)
    speech = Texts("settings", options.lang)
    if options.what == "show":
        print(_shown(before, speech, as_json=options.json))
        return 0
    after = CHANGES[options.what](before, options)
    if after == before:
        print(speech.text("unchanged"))
        return 0
    write_private(options.data / "settings.json", node_settings.dump(after))
    print("\n".join(_difference(before, after, speech)))
    return 0


def _set(before: Settings, options: argparse.Namespace) -> Settings:
    return adjusted(before, [pair(text) for text in options.given])


def _unset(before: Settings, options: argparse.Namespace) -> Settings:
    return adjusted(before, (), options.names)


def _add_chain(before: Settings, options: argparse.Namespace) -> Settings:
    chain = chain_from(options.contracts, options.url, chain_id=options.chain_id, quorum=options.endpoint_quorum)
    return _with_further(before, [*_blockchain(before).also, chain])


def _remove_chain(before: Settings, options: argparse.Namespace) -> Settings:
    also = _blockchain(before).also
    if options.chain_id not in {one.chain_id for one in also}:
        raise Invalid(f"{before.org_id} anchors on no further chain {options.chain_id}", code="no_chain")
    return _with_further(before, [one for one in also if one.chain_id != options.chain_id])


CHANGES = {"set": _set, "unset": _unset, "add-chain": _add_chain, "remove-chain": _remove_chain}


def _blockchain(settings: Settings) -> Blockchain:
    if settings.blockchain is None:
        raise Invalid(f"{settings.org_id} was set up without a chain", code="no_chain")
    return settings.blockchain


def _with_further(settings: Settings, also: Sequence[Any]) -> Settings:
    document = msgspec.to_builtins(_blockchain(settings)) | {"also": msgspec.to_builtins(also)}
    try:
        return msgspec.structs.replace(settings, blockchain=msgspec.convert(document, Blockchain))
    except msgspec.ValidationError as error:
        raise Invalid(str(error), code="bad_settings") from error


def _shown(settings: Settings, speech: Texts, *, as_json: bool) -> str:
    found = list(current(settings))
    if as_json:
        facts = {one.name: {"value": one.value, "is_default": one.is_default} for one in found}
        return json.dumps({"org_id": settings.org_id, "settings": facts}, ensure_ascii=False, indent=1)
    if not found:
        return speech.text("no_chain")
    default = speech.text("default")
    return "\n".join(f"{one.name} = {_text(one.value)}{f'  ({default})' if one.is_default else ''}" for one in found)


def _difference(before: Settings, after: Settings, speech: Texts) -> list[str]:
    old = {one.name: one.value for one in current(before)}
    new = {one.name: one.value for one in current(after)}
    names = [name for name in {**old, **new} if old.get(name) != new.get(name) or (name in old) != (name in new)]
    lines = [speech.text("changed", name=name, old=_text(old.get(name)), new=_text(new.get(name))) for name in names]
    return [*lines, speech.text("restart")]


def _text(value: Any) -> str:
    return "—" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tally settings", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data", type=Path, required=True, help="the organisation's data folder")
    common.add_argument("--lang", choices=LANGUAGES, default="en", help="language of the text (default: %(default)s)")
    commands = parser.add_subparsers(dest="what", required=True)
    shown = commands.add_parser("show", parents=[common], help="list them, and what they are")
    shown.add_argument("--json", action="store_true", help="print JSON")
    one = commands.add_parser("set", parents=[common], help="give some of them other values")
    one.add_argument("given", nargs="+", metavar="NAME=VALUE")
    one = commands.add_parser("unset", parents=[common], help="give some of them their defaults again")
    one.add_argument("names", nargs="+", metavar="NAME", help="also all at once: blockchain.budget, blockchain.policy")
    one = commands.add_parser("add-chain", parents=[common], help="anchor on a further chain too")
    one.add_argument("--url", action="append", required=True, help="JSON-RPC endpoint; repeat it for further ones")
    one.add_argument("--contracts", type=Path, required=True, help="what `tally chain deploy --out` wrote")
    one.add_argument("--chain-id", type=int, help="the chain's id, when the file of contracts does not name it")
    one.add_argument("--endpoint-quorum", type=int, default=1, help="endpoints that have to agree (default: 1)")
    one = commands.add_parser("remove-chain", parents=[common], help="anchor on a further chain no more")
    one.add_argument("--chain-id", type=int, required=True, help="which")
    return parser
