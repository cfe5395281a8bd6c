"""``tally init``: make an organisation's data folder, keys and first administrator."""

import argparse
import socket
from pathlib import Path

import msgspec

from tallystick.core.errors import Invalid
from tallystick.node import settings as node_settings
from tallystick.node.settings import Blockchain, Contracts, Settings
from tallystick.tenants.database import Database
from tallystick.tenants.files import private_folder, write_private
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.passphrase import read_passphrase
from tallystick.tenants.permissions import Role
from tallystick.tenants.users import Users


def main(argv: list[str]) -> int:
    """Make the folder; refuses one that holds an organisation already."""
    options = _parser().parse_args(argv)
    password = options.admin_password_file.read_text().strip()
    if (options.data / "settings.json").exists():
        raise Invalid(f"{options.data} holds an organisation already", code="already_initialised")
    private_folder(options.data)
    settings = _settings(options)
    keystore = Keystore.create(settings.keystore_path, read_passphrase(), suite=settings.sealing_suite)
    with Database(settings.database_path) as database:
        database.create_schema()
        users = Users(database, org_id=settings.org_id, session_secret=keystore.session_secret)
        users.create(
            options.admin,
            password=password,
            roles=(Role.ADMINISTRATOR,),
            language=options.language,
            display_name=options.admin,
        )
    write_private(options.data / "settings.json", node_settings.dump(settings))
    print(f"{settings.name} ({settings.org_id}) is ready in {options.data}")
    print(f"root key {keystore.root.public_hex}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tally init", description="Make an organisation's data folder and keys.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--org-id", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--domain", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--admin", default="admin")
    parser.add_argument("--admin-password-file", type=Path, required=True)
    parser.add_argument("--language", default="en")
    parser.add_argument("--blockchain-url")
    parser.add_argument("--chain-id", type=int)
    parser.add_argument("--contracts", type=Path, help="JSON with org_registry, workflow_registry, execution_ledger")
    return parser


def _settings(options: argparse.Namespace) -> Settings:
    blockchain = None
    if options.blockchain_url:
        contracts = msgspec.json.decode(options.contracts.read_bytes())
        blockchain = Blockchain(
            blockchain_url=options.blockchain_url,
            chain_id=options.chain_id or contracts["chain_id"],
            contracts=Contracts(**{name: contracts[name] for name in Contracts.__struct_fields__}),
        )
    return Settings(
        org_id=options.org_id,
        name=options.name,
        domain=options.domain,
        host=options.host,
        port=options.port or _free_port(options.host),
        blockchain=blockchain,
        language=options.language,
        data_dir=options.data.resolve(),
    )


def _free_port(host: str) -> int:
    """A port that is free now; partners know the node by it, so it is chosen once."""
    with socket.create_server((host, 0)) as listener:
        return int(listener.getsockname()[1])
