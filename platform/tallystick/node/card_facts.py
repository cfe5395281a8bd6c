"""What an organisation's card says beside its keys, and signing the first one while the root key is still open."""

from typing import Any

import msgspec

from tallystick.core import jws
from tallystick.core.keys import SigningKey
from tallystick.node import linking
from tallystick.node.record.own_card import CARD_FILE, OwnCard
from tallystick.node.settings import Settings
from tallystick.node.work.link_certificates import LinkCertificates
from tallystick.tenants import card as cards
from tallystick.tenants.keystore import Keystore


def card_facts(
    settings: Settings, certificates: LinkCertificates, *, chain_org: str | None, leaf_url: str | None
) -> dict[str, Any]:
    """The arguments of :func:`tallystick.tenants.card.wanted`."""
    signer = settings.blockchain.signer if settings.blockchain else None
    nkey, authority = certificates.newest()
    return {
        "org_id": settings.org_id,
        "name": settings.name,
        "names": settings.names,
        "domain": settings.domain,
        "endpoint_url": settings.endpoint_url,
        "operator": settings.operator,
        "capabilities": settings.capabilities,
        "chain_org": chain_org or "0x" + "0" * 64,
        "chain_admin": signer.address if signer else None,
        "log_key": signer.log_address if signer else None,
        "leaf_url": leaf_url,
        "nkey": nkey,
        "tls_ca": authority,
    }


def sign_first_card(settings: Settings, keystore: Keystore, root: SigningKey) -> None:
    """Write the first card into the data folder, signed by a root key that the node will not have.

    It names the leafnode port that is chosen here and kept in the folder: as long as nobody else takes that before the
    node starts, there is nothing left to sign.
    """
    own_card = OwnCard(settings.data_dir / CARD_FILE)
    certificates = linking.certificates(settings, keystore)
    leaf_url = None
    if settings.nats.enabled:
        shown = linking.link_settings(settings, keystore, certificates, own_card, frozenset())
        leaf_url = linking.make_links(shown).leaf_url
    facts = card_facts(settings, certificates, chain_org=_chain_org(settings, keystore), leaf_url=leaf_url)
    card = cards.wanted(keystore, **facts)
    own_card.keep(jws.sign(root, cards.TYP, msgspec.to_builtins(card)))


def _chain_org(settings: Settings, keystore: Keystore) -> str | None:
    if settings.blockchain is None:
        return None
    from tallystick.node.anchoring.chainside import identity  # noqa: PLC0415 - the chain's client takes two seconds

    return identity(settings.blockchain, keystore).org
