"""From a tenant's settings to its links: over a nats-server of its own, or over a cluster that somebody else runs."""

from urllib.parse import urlsplit

from tallystick.node.links.anyhow import AnyLinks
from tallystick.node.links.link import Links
from tallystick.node.links.settings import External, LinkSettings
from tallystick.node.settings import Settings
from tallystick.node.work.certificates import Certificates
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.tls import TlsFiles


def certificates(settings: Settings, keystore: Keystore) -> Certificates:
    """The organisation's certificates; the server's names every host that partners' leafnodes may connect to."""
    leaf = urlsplit(settings.nats.leaf_url).hostname if settings.nats.leaf_url else None
    hosts = [settings.host, *([leaf] if leaf else []), *settings.nats.leaf_hosts]
    return Certificates(settings.data_dir / "tls", ca_key=keystore.ca_key, org_id=settings.org_id, hosts=hosts)


def link_settings(settings: Settings, keystore: Keystore, files: TlsFiles) -> LinkSettings:
    """What the links are built from."""
    return LinkSettings(
        org_id=settings.org_id,
        data_dir=settings.data_dir / "nats",
        leaf_host=settings.host,
        nkey_seed=keystore.nkey_seed,
        ca_file=files.ca,
        cert_file=files.server_certificate,
        key_file=files.server_key,
        client_cert_file=files.client_certificate,
        client_key_file=files.client_key,
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
