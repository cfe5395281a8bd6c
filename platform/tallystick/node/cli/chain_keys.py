"""`tally chain rotate-keys`: another account and another log key for an organisation whose node is stopped."""

import argparse
from typing import Any

from tallystick.core.errors import Invalid, WrongState
from tallystick.node import settings as node_settings
from tallystick.node.anchoring.accounts import accounts
from tallystick.tenants.folder_lock import FolderLock
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.passphrase import read_passphrase


def rotate(options: argparse.Namespace) -> dict[str, Any]:
    """Make them the newest in the keystore, which the node brings onto the chain from its next start on."""
    settings = node_settings.load(options.data)
    blockchain = settings.blockchain
    if blockchain is None:
        raise Invalid(f"{settings.org_id} was set up without a chain", code="no_chain")
    if blockchain.signer is not None:
        raise WrongState(
            "the organisation's accounts are with an external signer, whose keys are not this node's to replace",
            state="external",
            code="external_signer",
        )
    with FolderLock(options.data, alone=True):
        keystore = Keystore.open(settings.keystore_path, read_passphrase(organisation=settings.org_id))
        keystore.rotate_chain()
    made = accounts(blockchain, keystore)
    return {
        "org_id": settings.org_id,
        "accounts": [one.address for one in made.payers],
        "log_key": made.log_key.address,
        "former_accounts": [one.address for one in made.former],
        "former_log_keys": [one.address for one in made.former_log_keys],
    }
