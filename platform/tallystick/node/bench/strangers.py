"""Partners that are pinned and never there: real cards, whose addresses nobody listens at."""

import tempfile
from pathlib import Path

from tallystick.tenants import card as cards
from tallystick.tenants import tls
from tallystick.tenants.keystore import Keystore

PASSPHRASE = "only for this measurement"  # noqa: S105 - the keystore is gone with its folder
_NOWHERE = "tls://127.0.0.1:9"  # the discard service, which no machine runs any more


def cards_of(count: int) -> list[str]:
    """So many of them."""
    return [_card(f"stranger-{number}") for number in range(count)]


def _card(org: str) -> str:
    with tempfile.TemporaryDirectory(prefix="tally-stranger-") as name:
        folder = Path(name)
        keystore = Keystore.create(folder / "keystore.json", PASSPHRASE)
        files = tls.ensure(folder / "tls", ca_key=keystore.ca_key, org_id=org, hosts=["127.0.0.1"])
        return cards.build(
            keystore,
            org_id=org,
            name=org,
            domain=f"{org}.example",
            endpoint_url=f"https://{org}.example",
            capabilities=(),
            chain_org="0x" + org.encode().hex().zfill(64),
            leaf_url=_NOWHERE,
            tls_ca=files.ca.read_text(),
        )
