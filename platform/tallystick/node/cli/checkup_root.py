"""Where an organisation's root key is, and whether its node waits for it; for `tally doctor`."""

from collections.abc import Iterator
from pathlib import Path

from tallystick.node.cli.checkup import Finding


def root_key(data: Path) -> Iterator[Finding]:
    """Look into the keystore of one node's data folder, where the environment has its passphrase; else say nothing."""
    try:
        from tallystick.core.errors import TallystickError
        from tallystick.node.record.own_card import CARD_FILE, OwnCard
        from tallystick.tenants.keystore import Keystore
        from tallystick.tenants.passphrase import read_passphrase
    except ImportError:
        return  # other findings say what is missing
    try:
        keystore = Keystore.open(data / "keystore.json", read_passphrase())
    except (TallystickError, OSError):
        return
    kid = keystore.root_public.kid
    if keystore.root_key is not None:
        detail = f"{kid} lies beside the keys that it replaces"
        yield Finding("root key", "ok", detail, "tally keys root take-out keeps it elsewhere", required=False)
        return
    card = OwnCard(data / CARD_FILE).card
    ours = (keystore.signing_key.kid, keystore.sealing_key.kid)
    if card is not None and ([one.kid for one in card.signing_keys], card.sealing_key.kid) == ([ours[0]], ours[1]):
        yield Finding("root key", "ok", f"{kid} is kept away from the node", required=False)
        return
    detail = f"no signed card has key {ours[0]} yet: root key {kid} is kept away"
    yield Finding("root key", "awaited", detail, "tally keys sign, with the node running", required=False)
