"""Three organisations with real nats-servers, certificates of their own authorities, and nkeys."""

import datetime
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tallystick.node.links import nkey
from tallystick.node.links.link import Links
from tallystick.node.links.settings import LinkSettings, Partner, Quota


class Identity(msgspec.Struct, frozen=True):
    """An organisation's link identity, as its node would make it."""

    org_id: str
    seed: str
    ca: Path
    cert: Path
    key: Path

    def settings(self, data_dir: Path, *, quota: Quota | None = None) -> LinkSettings:
        return LinkSettings(
            org_id=self.org_id,
            data_dir=data_dir,
            nkey_seed=self.seed,
            ca_file=self.ca,
            cert_file=self.cert,
            key_file=self.key,
            quota=quota or Quota(),
        )

    def card(self, leaf_url: str) -> Partner:
        return Partner(
            org_id=self.org_id, leaf_url=leaf_url, nkey_public=nkey.public(self.seed), ca_pem=self.ca.read_text()
        )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
    )


def make_identity(folder: Path, org_id: str) -> Identity:
    """Make an authority, one certificate for both directions, and a user key, below ``folder``."""
    folder.mkdir(parents=True)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = (
        _builder(f"{org_id} CA", f"{org_id} CA", ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    cert = (
        _builder(org_id, f"{org_id} CA", key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(usages, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "cert.pem").write_bytes(cert.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").touch(mode=0o600)
    (folder / "key.pem").write_bytes(private)
    return Identity(org_id, nkey.new_seed(), folder / "ca.pem", folder / "cert.pem", folder / "key.pem")


class Organisation:
    """One running organisation: its identity, its links and what it has received."""

    def __init__(self, identity: Identity, links: Links) -> None:
        self.identity = identity
        self.links = links


Start = Callable[[str], Awaitable[Organisation]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start organisations on request; stop them all at the end."""
    running: list[Organisation] = []

    async def begin(org_id: str) -> Organisation:
        # House rule: folders carry what flushes out quoting bugs.
        folder = tmp_path / f"{org_id} a!b@c$d()e 数据"
        identity = make_identity(folder / "tls", org_id)
        organisation = Organisation(identity, Links(identity.settings(folder / "links")))
        await organisation.links.start()
        running.append(organisation)
        return organisation

    yield begin
    for organisation in running:
        await organisation.links.stop()


async def introduce(*organisations: Organisation) -> None:
    """Make everybody the partner of everybody else."""
    for one in organisations:
        others = [o for o in organisations if o is not one]
        await one.links.set_partners([o.identity.card(o.links.leaf_url) for o in others])
