"""`tally keys root`: move the root key out of a stopped node's keystore, and back."""

import argparse

from tallystick.core.errors import Invalid
from tallystick.node import settings as node_settings
from tallystick.node.cli.texts import Texts
from tallystick.tenants import root_key
from tallystick.tenants.folder_lock import FolderLock
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.passphrase import read_passphrase


def move(options: argparse.Namespace) -> str:
    """Do what the options say, while no node uses the folder; what was done, in words."""
    settings = node_settings.load(options.data)
    if options.root_key.absolute().is_relative_to(options.data.absolute()):
        raise Invalid("the root key's file belongs outside of the node's folder", code="bad_root_key_file")
    with FolderLock(options.data, alone=True):
        keystore = Keystore.open(settings.keystore_path, read_passphrase(organisation=settings.org_id))
        work = root_key.take_out if options.direction == "take-out" else root_key.put_back
        work(keystore, settings.org_id, options.root_key, root_key.read_passphrase())
    key = "keys.taken_out" if options.direction == "take-out" else "keys.put_back"
    return Texts("keys", options.lang).text(key, kid=keystore.root_public.kid, file=options.root_key)
