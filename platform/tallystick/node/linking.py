"""From a tenant's settings to its links: over a nats-server of its own, or over a cluster that somebody else runs."""

from urllib.parse import urlsplit

from tallystick.node.links.anyhow import AnyLinks
from tallystick.node.links.link import Links
from tallystick.node.links.settings import External, Former, LinkSettings
from tallystick.node.record import link_keys
from tallystick.node.record.own_card import OwnCard
from tallystick.node.settings import Settings
from tallystick.node.work.link_certificates import LinkCertificates
from tallystick.tenants.keystore import Keystore


def certificates(settings: Settings, keystore: Keystore) -> LinkCertificates:
    """The organisation's certificates; the server's names every host that partners' leafnodes may connect to."""
    leaf = urlsplit(settings.nats.leaf_url).hostname if settings.nats.leaf_url else None
    hosts = [settings.host, *([leaf] if leaf else []), *settings.nats.leaf_hosts]
    return LinkCertificates(settings.data_dir / "tls", keystore, org_id=settings.org_id, hosts=hosts)


def link_settings(
    settings: Settings, keystore: Keystore, held: LinkCertificates, own_card: OwnCard, behind: frozenset[str]
) -> LinkSettings:
    """What the links are built from: they show what our signed card names, and to those ``behind`` what was before."""
    keys = link_keys.shown(keystore, own_card.card)
    files = held.files(keys)
    former = [(one, held.files(one)) for one in link_keys.former(keystore, keys)]
    return LinkSettings(
        org_id=settings.org_id,
        data_dir=settings.data_dir / "nats",
        leaf_host=settings.host,
        nkey_seed=keys.nkey_seed,
        ca_file=files.ca,
        cert_file=files.server_certificate,
        key_file=files.server_key,
        client_cert_file=files.client_certificate,
        client_key_file=files.client_key,
        former=tuple(
            Former(
                nkey_seed=one.nkey_seed,
                client_cert_file=older.client_certificate,
                client_key_file=older.client_key,
                partners=behind,
            )
            for one, older in former
        ),
        external=_external(settings),
    )


def make_links(settings: LinkSettings) -> AnyLinks:
    """The links, without partners yet."""
    if settings.external is None:
        return Links(settings)
    from tallystick.node.links.external import ExternalLinks  # noqa: PLC0415 - the NATS client takes 10 MB

    return ExternalLinks(settings)


def _external(settings: Settings) -> External | None:
    nats = settings.nats
    if nats.url is None or nats.leaf_url is None:
        return None
    ca_file = settings.data_dir / nats.ca_file if nats.ca_file else None
    return External(url=nats.url, leaf_url=nats.leaf_url, ca_file=ca_file, replicas=nats.replicas)
