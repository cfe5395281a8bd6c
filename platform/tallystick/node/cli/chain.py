"""`tally chain`: deploy the contracts, see how a chain does and what was sent, give ether, replace keys, export."""

import argparse
import asyncio
import json
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tallystick.core.errors import Invalid, TallystickError
from tallystick.ledger import networks, verification
from tallystick.ledger.accounts import Account
from tallystick.ledger.chain import Chain
from tallystick.ledger.contracts import Contracts
from tallystick.ledger.deploy import Deployment, deploy
from tallystick.ledger.hashing import ADDRESS, WORD, unhex
from tallystick.ledger.ports import STATES
from tallystick.node import settings as node_settings
from tallystick.node.anchoring.accounts import payers
from tallystick.node.api.language import LANGUAGES
from tallystick.node.cli import chain_keys
from tallystick.node.cli.chain_lines import LINES
from tallystick.node.cli.chain_transactions import transactions
from tallystick.node.cli.texts import Texts
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.passphrase import read_passphrase

EPILOG = """\
Give the chain as --url with --chain-id or --contracts, or as --data: an organisation's folder, whose settings name it.
Deployment pays from the account in --key-file (0x and 64 hex digits) or, with --data, from the organisation's; a
development chain such as anvil needs neither. The same contracts stand at the same addresses on every chain, and
deploying again changes nothing. Only a URL's host is ever shown. After rotate-keys the node, once started, has the
newest account administer the organisation and the newest key sign its log's heads; the ones before go on until then.
Exit status: 0 done, 1 refused, unreachable, or code that is not ours, 2 wrong usage.
"""
MAX_FILE = 100_000  # bytes
ETHER = 10**18


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    options = _parser().parse_args(argv)
    try:
        found, status = asyncio.run(_run(options))
    except (TallystickError, OSError) as error:
        print(f"tally chain: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        print("\n".join(LINES[options.what](found, Texts("chain", options.lang))))
    return status


async def _run(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    if options.what == "transactions":
        return transactions(options.data, options.state, options.limit), 0
    if options.what == "rotate-keys":
        return chain_keys.rotate(options), 0
    known = _known(options)
    if options.what == "export":
        if known.deployment is None:
            raise Invalid("export needs --contracts or --data", code="bad_settings")
        paths = verification.export(known.deployment, options.out)
        return {"files": [str(path) for path in paths]}, 0
    if not known.urls or known.chain_id is None:
        raise Invalid("which chain? give --url with --chain-id or --contracts, or --data", code="bad_settings")
    chain = Chain(known.urls, known.chain_id, genesis_hash=known.genesis, quorum=known.quorum)
    try:
        return await WORK[options.what](chain, known, options)
    finally:
        await chain.close()


async def _deploy(chain: Chain, known: "Known", options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    account = _payer(options)
    if account is None:
        account = Account(secrets.token_bytes(WORD))
        await networks.give(chain, [account.address], ETHER)
    made = await deploy(chain, account)
    found: dict[str, Any] = msgspec.to_builtins(made)
    if options.out:
        options.out.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    return found, 0


async def _status(chain: Chain, known: "Known", options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    accounts = [*options.account, *known.accounts]
    found = await networks.network_status(chain, known.contracts, accounts)
    good = found.trouble is None and all(one.is_ours for one in found.contracts)
    return msgspec.to_builtins(found), 0 if good else 1


async def _fund(chain: Chain, known: "Known", options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    accounts = [*options.account, *known.accounts]
    if not accounts:
        raise Invalid("whom? give --account or --data", code="bad_settings")
    await networks.give(chain, accounts, options.ether * ETHER)
    return {"accounts": msgspec.to_builtins([await networks.balance_of(chain, one) for one in accounts])}, 0


WORK = {"deploy": _deploy, "status": _status, "fund": _fund}


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the options say of the chain, wherever they have it from."""

    urls: tuple[str, ...]
    chain_id: int | None
    genesis: str | None = None
    quorum: int = 1
    deployment: Deployment | None = None
    accounts: tuple[str, ...] = ()

    @property
    def contracts(self) -> Contracts | None:
        """The addresses."""
        return self.deployment.contracts if self.deployment else None


def _known(options: argparse.Namespace) -> Known:
    if options.data is not None:
        return _of_organisation(options)
    deployment = _read(options.contracts) if options.contracts else None
    return Known(
        urls=tuple(options.url),
        chain_id=options.chain_id or (deployment.chain_id if deployment else None),
        genesis=deployment.genesis_hash if deployment else None,
        quorum=options.endpoint_quorum,
        deployment=deployment,
    )


def _of_organisation(options: argparse.Namespace) -> Known:
    settings = node_settings.load(options.data)
    blockchain = settings.blockchain
    if blockchain is None:
        raise Invalid(f"{settings.org_id} was set up without a chain", code="no_chain")
    chains = (blockchain, *blockchain.also)
    chain = next((one for one in chains if options.chain_id in {None, one.chain_id}), None)
    if chain is None:
        raise Invalid(f"{settings.org_id} does not anchor on chain {options.chain_id}", code="no_chain")
    contracts = Contracts(**msgspec.to_builtins(chain.contracts))
    deployment = Deployment(
        chain_id=chain.chain_id,
        genesis_hash=chain.genesis_hash,
        **msgspec.structs.asdict(contracts),
        code_hashes=contracts.code_hashes(),
    )
    # What is only looked at needs no key.
    wants_account = options.what in {"status", "fund"}
    return Known(
        urls=(chain.blockchain_url, *chain.fallback_urls),
        chain_id=chain.chain_id,
        genesis=chain.genesis_hash,
        quorum=chain.endpoint_quorum,
        deployment=deployment,
        accounts=tuple(one.address for one in payers(blockchain, _keystore(options))) if wants_account else (),
    )


def _keystore(options: argparse.Namespace) -> Keystore:
    settings = node_settings.load(options.data)
    return Keystore.open(settings.keystore_path, read_passphrase(organisation=settings.org_id))


def _payer(options: argparse.Namespace) -> Account | None:
    if options.key_file is not None:
        try:
            return Account(unhex(_text(options.key_file).decode("ascii").strip(), WORD))
        except ValueError as error:
            raise Invalid(f"{options.key_file} holds no key of 0x and 64 hex digits", code="bad_key") from error
    if options.data is None:
        return None
    chain = node_settings.load(options.data).blockchain
    if chain is not None and chain.signer is not None:
        raise Invalid("the organisation's account is with an external signer; give --key-file", code="no_key")
    return Account(_keystore(options).chain_key)


def _read(path: Path) -> Deployment:
    try:
        return msgspec.json.decode(_text(path), type=Deployment)
    except msgspec.MsgspecError as error:
        raise Invalid(f"{path}: {error}", code="bad_settings") from error


def _text(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_FILE)


def _address(text: str) -> str:
    try:
        unhex(text, ADDRESS)
    except ValueError as error:
        raise argparse.ArgumentTypeError("an address is 0x and 40 hex digits") from error
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tally chain", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    common = argparse.ArgumentParser(add_help=False)
    add = common.add_argument
    add("--url", action="append", default=[], help="JSON-RPC endpoint; repeat it for further ones of the same chain")
    add("--chain-id", type=int, help="the chain that they have to serve; with --data, which of the organisation's")
    add("--endpoint-quorum", type=int, default=1, help="endpoints that have to agree (default: %(default)s)")
    add("--contracts", type=Path, help="what `tally chain deploy --out` wrote")
    add("--data", type=Path, help="an organisation's data folder instead")
    add("--json", action="store_true", help="print JSON")
    add("--lang", choices=LANGUAGES, default="en", help="language of the text (default: %(default)s)")
    commands = parser.add_subparsers(dest="what", required=True)
    made = commands.add_parser("deploy", parents=[common], help="deploy the contracts, or find them where they stand")
    made.add_argument("--key-file", type=Path, help="file that holds the private key of who pays")
    made.add_argument("--out", type=Path, help="file to write for `tally init --contracts`")
    shown = commands.add_parser("status", parents=[common], help="endpoints, heads, contracts, balances")
    funded = commands.add_parser("fund", parents=[common], help="give accounts ether; on development chains only")
    for one in (shown, funded):
        one.add_argument("--account", type=_address, action="append", default=[], help="an address; may be repeated")
    funded.add_argument("--ether", type=int, default=100, help="how much each gets (default: %(default)s)")
    sent = commands.add_parser("transactions", help="what an organisation sends to the chain, and what it cost")
    sent.add_argument("--data", type=Path, required=True, help="the organisation's data folder")
    sent.add_argument("--state", choices=STATES, help="only those in this state")
    sent.add_argument("--limit", type=int, default=20, help="how many, the newest first (default: %(default)s)")
    sent.add_argument("--json", action="store_true", help="print JSON")
    sent.add_argument("--lang", choices=LANGUAGES, default="en", help="language of the text (default: %(default)s)")
    rotated = commands.add_parser("rotate-keys", help="another account and log key, while the node is stopped")
    rotated.add_argument("--data", type=Path, required=True, help="the organisation's data folder")
    rotated.add_argument("--json", action="store_true", help="print JSON")
    rotated.add_argument("--lang", choices=LANGUAGES, default="en", help="language of the text (default: %(default)s)")
    exported = commands.add_parser("export", parents=[common], help="write what source verification needs")
    exported.add_argument("--out", type=Path, required=True, help="folder to write")
    return parser
