"""``tally nats config``: what the operator of an external nats-server cluster loads for an organisation."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tallystick.node import settings as node_settings
from tallystick.node.linking import certificates, link_settings
from tallystick.node.links import cluster
from tallystick.node.record import link_keys
from tallystick.node.record.own_card import CARD_FILE, OwnCard
from tallystick.node.services.partnering import links_to
from tallystick.tenants.database import Database
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.partners import Partners
from tallystick.tenants.passphrase import read_passphrase

EPILOG = """\
The folder holds secrets (the leafnode seed and two private keys) and is readable by its owner only.
Make it again, and reload the servers, after a partner was added, suspended or removed; when the link's key was
replaced, at once and again when every partner has the new card (`tally keys list`).
Exit status: 0 written, 1 refused, 2 wrong usage.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Write the files and print what the servers' own configuration must say."""
    options = _parser().parse_args(argv)
    settings = node_settings.load(options.data)
    keystore = Keystore.open(settings.keystore_path, read_passphrase(organisation=settings.org_id))
    own_card = OwnCard(settings.data_dir / CARD_FILE)
    with Database(settings.database_url or settings.database_path) as database:
        partners = links_to(Partners(database))
        with database.session() as session:
            behind = link_keys.behind(session, keystore, own_card.token)
    links = link_settings(settings, keystore, certificates(settings, keystore), own_card, behind)
    placed = options.placed or options.out.absolute()
    for path in cluster.write(links, partners, options.out, placed):
        print(path)
    print(cluster.guide(links, placed))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tally nats", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["config"], help="write the configuration")
    parser.add_argument("--data", type=Path, required=True, help="the organisation's data folder")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--placed", type=Path, help="where that folder will lie on the servers (default: where it is)")
    return parser
