"""``tally init``: make an organisation's data folder, keys and first administrator."""

import argparse
import getpass
import os
import secrets
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tallystick.core.agreement import PublicKey
from tallystick.core.errors import Invalid, TallystickError
from tallystick.core.keys import SigningKey
from tallystick.node import freeport
from tallystick.node import settings as node_settings
from tallystick.node.adjusting import adjusted
from tallystick.node.cli.chain_options import chain_from, pair
from tallystick.node.settings import Blockchain, NatsSettings, Settings
from tallystick.tenants import card, root_key
from tallystick.tenants.database import Database
from tallystick.tenants.files import private_folder, write_private
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.passphrase import FILE_VARIABLE, VARIABLE, read_passphrase
from tallystick.tenants.permissions import Role
from tallystick.tenants.root_key import RootKey
from tallystick.tenants.users import Users

SET_HELP = (
    "a setting, such as blockchain.budget.wei=50000000000000000 or blockchain.policy.mode=batched; "
    "may be repeated; `tally settings show` lists them"
)
EPILOG = f"""\
The keystore is encrypted under the passphrase in the file that {FILE_VARIABLE} names, or in {VARIABLE}.
`tally node --data FOLDER` wants the same one. A root key of its own file is encrypted under another: in the file that
{root_key.FILE_VARIABLE} names, or in {root_key.VARIABLE}.
Exit status: 0 made, 1 refused (nothing is left behind), 2 wrong usage.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Make the folder whole or not at all; refuses one that holds anything already."""
    options = _parser().parse_args(argv)
    if options.data.exists() and (not options.data.is_dir() or any(options.data.iterdir())):
        raise Invalid(f"{options.data} is not empty; choose another folder", code="already_initialised")
    settings = _settings(options)
    passphrase, password = read_passphrase(), _password(options)
    root = _root(options) if options.root_key else None
    staging = options.data.with_name(f".{options.data.name}.{secrets.token_hex(8)}")
    try:
        staged = msgspec.structs.replace(settings, data_dir=staging)
        keystore = _make(staged, passphrase, options.admin, password, root)
        unsigned = _sign_first_card(staged, keystore, root) if root else None
        staging.replace(options.data)
    except BaseException:
        if root is not None:
            options.root_key.unlink()
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    print(f"{settings.name} ({settings.org_id}) is ready in {options.data}; its node will serve port {settings.port}")
    print(f"root key {keystore.root_public.key}")
    print(f"Next: tally node --data {options.data}; then sign in as {options.admin}")
    if root is not None:
        print(f"The root key is in {options.root_key} only.")
        if unsigned:
            print(f"The organisation's card is not signed yet ({unsigned}). With the node running, let it be signed:")
        else:
            print("It has signed the organisation's card. When something waits for it later, with the node running:")
        print(f"  tally keys sign --root-key {options.root_key} --node http://{settings.host}:{settings.port}")
    return 0


def _sign_first_card(settings: Settings, keystore: Keystore, root: SigningKey) -> str | None:
    """While the root key is at hand; why it could not be done, which is no reason to make nothing."""
    from tallystick.node.card_facts import sign_first_card

    try:
        sign_first_card(settings, keystore, root)
    except TallystickError as error:
        return str(error)
    return None


def _root(options: argparse.Namespace) -> SigningKey:
    """Make the root key in its own file."""
    path: Path = options.root_key
    if path.absolute().is_relative_to(options.data.absolute()):
        raise Invalid("the root key's file belongs outside of the node's folder", code="bad_root_key_file")
    made = RootKey(options.org_id, SigningKey.generate())
    root_key.write(path, root_key.read_passphrase(), made)
    return made.key


def _make(settings: Settings, passphrase: str, admin: str, password: str, root: SigningKey | None) -> Keystore:
    private_folder(settings.data_dir)
    public = PublicKey(kid=root.kid, key=root.public_hex) if root else None
    keystore = Keystore.create(settings.keystore_path, passphrase, suite=settings.sealing_suite, root=public)
    with Database(settings.database_url or settings.database_path) as database:
        if not database.is_new:
            raise Invalid("the database holds something already; choose another one", code="already_initialised")
        database.create_schema()
        users = Users(database, org_id=settings.org_id, session_secret=keystore.session_secret)
        users.create(
            admin, password=password, roles=(Role.ADMINISTRATOR,), language=settings.language, display_name=admin
        )
    write_private(settings.data_dir / "settings.json", node_settings.dump(settings))
    return keystore


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tally init", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder to make; only you may read it")
    add("--org-id", required=True, help="the organisation's id among its partners, such as nordic-bearings")
    add("--name", required=True, help="its name, as people write it")
    add("--domain", required=True, help="its internet domain")
    add(
        "--name-in",
        action="append",
        default=[],
        metavar="zh-CN=名称",
        help="its name in another language; may be repeated",
    )
    add("--operator", help="who runs the node, when that is somebody else")
    add("--host", default="127.0.0.1", help="address on which the node listens (default: %(default)s)")
    add("--port", type=int, default=0, help="its port; chosen and kept when left out")
    add("--url", help="where people and partners reach it, when that is a proxy (https://…)")
    add("--no-nats", action="store_true", help="no NATS link: partners are reached over HTTPS only")
    add("--admin", default="admin", help="the first administrator's user name (default: %(default)s)")
    add("--admin-password-file", type=Path, help="file that holds their password; asked for when left out")
    add(
        "--root-key",
        type=Path,
        metavar="FILE",
        help="make the root key in a file of its own, under its own passphrase, and never let the node have it",
    )
    add("--language", choices=("en", "zh-CN"), default="en", help="their language (default: %(default)s)")
    add("--database-url", help="a Postgres database (postgresql+psycopg://…) instead of a file in the folder")
    add("--blockchain-url", help="JSON-RPC endpoint of the chain; without one nothing is anchored")
    add("--fallback-url", action="append", default=[], help="another endpoint of the same chain; may be repeated, to 7")
    add("--endpoint-quorum", type=int, default=1, help="endpoints that have to agree (default: %(default)s)")
    add("--chain-id", type=int, help="the chain's id, when the file of contracts does not name it")
    add("--contracts", type=Path, help="what tally chain deploy wrote: addresses, chain id and first block")
    add("--also", nargs=2, action="append", default=[], metavar=("URL", "CONTRACTS"),
        help="a further chain that gets the same heads, and its file of contracts; may be repeated")  # fmt: skip
    add("--set", action="append", default=[], metavar="NAME=VALUE", help=SET_HELP)
    add("--relayers", type=int, default=0, help="further accounts that pay on the chain (default: %(default)s)")
    add("--signer", help="URL of a web3signer that holds the keys of the accounts that pay; needs --signer-account")
    add("--signer-log-account", metavar="0x…", help="the account whose key signs the log's heads there, too")
    add("--signer-account", action="append", default=[], metavar="0x…",
        help="an account that it signs for, the administrator's first; may be repeated")  # fmt: skip
    return parser


def _settings(options: argparse.Namespace) -> Settings:
    if not 0 <= options.port < 2**16:
        raise Invalid(f"there is no port {options.port}", code="bad_settings")
    card.check_identity(options.org_id, options.name, options.domain)
    names = dict(_pair(text) for text in options.name_in)
    card.check_names(names, options.operator)
    if options.url is not None:
        card.check_url(options.url)
    made = Settings(
        org_id=options.org_id,
        name=options.name,
        domain=options.domain,
        names=names,
        operator=options.operator,
        host=options.host,
        port=options.port or freeport.find(options.host),
        url=options.url,
        nats=NatsSettings(enabled=not options.no_nats),
        database_url=options.database_url,
        blockchain=_blockchain(options) if options.blockchain_url else None,
        language=options.language,
    )
    return adjusted(made, [pair(text) for text in options.set])


def _pair(text: str) -> tuple[str, str]:
    language, _, name = text.partition("=")
    return language, name


def _blockchain(options: argparse.Namespace) -> Blockchain:
    if options.contracts is None:
        raise Invalid("--blockchain-url needs --contracts", code="bad_settings")
    first = chain_from(
        options.contracts,
        (options.blockchain_url, *options.fallback_url),
        chain_id=options.chain_id,
        quorum=options.endpoint_quorum,
    )
    also = [msgspec.to_builtins(chain_from(Path(contracts), (url,))) for url, contracts in options.also]
    more = {"relayers": options.relayers, "signer": _signer(options), "also": also}
    try:
        return msgspec.convert({**msgspec.to_builtins(first), **more}, Blockchain)
    except msgspec.ValidationError as error:
        raise Invalid(str(error), code="bad_settings") from error


def _signer(options: argparse.Namespace) -> dict[str, Any] | None:
    if bool(options.signer) != bool(options.signer_account):
        raise Invalid("--signer and --signer-account go together", code="bad_settings")
    if options.signer_log_account and not options.signer:
        raise Invalid("--signer-log-account needs --signer", code="bad_settings")
    if not options.signer:
        return None
    first, *relayers = options.signer_account
    return {"url": options.signer, "address": first, "relayers": relayers, "log_address": options.signer_log_account}


def _password(options: argparse.Namespace) -> str:
    if options.admin_password_file:
        text: str = options.admin_password_file.read_text(encoding="utf-8")
        return text.rstrip("\r\n")
    if not os.isatty(sys.stdin.fileno()):
        raise Invalid("there is no terminal to ask for a password; give --admin-password-file", code="no_password")
    return getpass.getpass(f"password for {options.admin}: ")
