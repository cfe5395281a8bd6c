"""Certificates for the leafnodes between nats-servers: one authority an organisation, certificates that it renews.

The authority's key stays in the keystore; what nats-server must read lies in files of mode 0600. An authority's
certificate that is lost is made anew: partners who hold the older one accept the new, as name and key are the same.
"""

import ipaddress
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tallystick.core.errors import Invalid
from tallystick.tenants.files import private_folder, read_private, write_private

WARN = timedelta(days=30)  # before the end: renewal should have come long before, so somebody must look
MAX_PEM = 64_000
LOCAL = ("localhost", "127.0.0.1", "::1")
_BACKDATED = timedelta(hours=1)  # a partner's clock may be behind
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?\Z")


class Lifetimes(NamedTuple):
    """How long an authority and its certificates are good, and how long before its end each is renewed.

    The authority is renewed while no certificate under it would outlast it; its key and name stay, so whoever holds the
    older one accepts what the newer one signs, and has until then to take the newer one from our card.
    """

    authority: timedelta = timedelta(days=365 * 20)  # partners' agreements outlive certificates
    certificate: timedelta = timedelta(days=397)
    renew: timedelta = timedelta(days=60)


LIFETIMES = Lifetimes()


class Validity(NamedTuple):
    """When a certificate ends (milliseconds since 1970), and whether that is soon."""

    name: str
    not_after: int
    ends_soon: bool


class TlsFiles(NamedTuple):
    """Where the PEM files lie."""

    ca: Path
    server_certificate: Path
    server_key: Path
    client_certificate: Path
    client_key: Path


class _Authority(NamedTuple):
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    lifetimes: Lifetimes


def ensure(
    folder: Path,
    *,
    ca_key: ec.EllipticCurvePrivateKey,
    org_id: str,
    hosts: Sequence[str] = (),
    lifetimes: Lifetimes = LIFETIMES,
) -> TlsFiles:
    """The organisation's TLS files in ``folder``, made or renewed where that is due.

    The server's certificate is good for ``hosts`` (names or addresses) and for this machine's own.
    """
    private_folder(folder)
    files = TlsFiles(*(folder / name for name in ("ca.pem", "server.pem", "server.key", "client.pem", "client.key")))
    authority = _Authority(_authority(files.ca, ca_key, org_id, lifetimes), ca_key, lifetimes)
    names = _names([*LOCAL, *hosts])
    _certificate(files.server_certificate, files.server_key, authority, names, ExtendedKeyUsageOID.SERVER_AUTH)
    me: list[x509.GeneralName] = [x509.DNSName(org_id), x509.UniformResourceIdentifier(f"urn:tallystick:org:{org_id}")]
    _certificate(files.client_certificate, files.client_key, authority, me, ExtendedKeyUsageOID.CLIENT_AUTH)
    return files


def validity(name: str, pem: str | bytes, *, now: datetime | None = None, warn: timedelta = WARN) -> Validity:
    """When the certificate in ``pem`` ends; raises :class:`Invalid` when there is none."""
    try:
        held = x509.load_pem_x509_certificate(pem.encode("ascii") if isinstance(pem, str) else pem)
    except ValueError as error:
        raise Invalid(f"{name} is no certificate", code="bad_certificate") from error
    ends = held.not_valid_after_utc
    return Validity(name, int(ends.timestamp() * 1000), ends < (now or datetime.now(UTC)) + warn)


def validities(files: TlsFiles, *, now: datetime | None = None, warn: timedelta = WARN) -> list[Validity]:
    """When each of our own certificates ends."""
    paths = {"authority": files.ca, "server": files.server_certificate, "client": files.client_certificate}
    return [validity(name, read_private(path, max_bytes=MAX_PEM), now=now, warn=warn) for name, path in paths.items()]


def write_bundle(path: Path, certificates: Sequence[str]) -> Path:
    """One PEM file of all the authorities that a server or client is to trust."""
    write_private(path, "".join(f"{pem.strip()}\n" for pem in certificates).encode("ascii"))
    return path


def _authority(path: Path, key: ec.EllipticCurvePrivateKey, org_id: str, lifetimes: Lifetimes) -> x509.Certificate:
    held = _read(path)
    outlasts = datetime.now(UTC) + lifetimes.certificate + lifetimes.renew
    ours = held is not None and held.public_key() == key.public_key() and held.subject == _subject(org_id)
    if held is not None and ours and held.not_valid_after_utc > outlasts:
        return held
    certificate = (
        _builder(_subject(org_id), _subject(org_id), key, lifetimes.authority)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_private(path, certificate.public_bytes(Encoding.PEM))
    return certificate


def _certificate(
    path: Path,
    key_path: Path,
    authority: _Authority,
    names: Sequence[x509.GeneralName],
    purpose: x509.ObjectIdentifier,
) -> None:
    """Write a certificate and its fresh key unless those that lie there are still good."""
    if key_path.exists() and _still_good(_read(path), authority, names):
        return
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(x509.Name([]), authority.certificate.subject, key, authority.lifetimes.certificate)
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()),
            critical=False,
        )
        .sign(authority.key, hashes.SHA256())
    )
    # The certificate is removed first: after a crash in between, no key lies beside another one's certificate.
    path.unlink(missing_ok=True)
    write_private(key_path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    write_private(path, certificate.public_bytes(Encoding.PEM))


def _still_good(held: x509.Certificate | None, authority: _Authority, names: Sequence[x509.GeneralName]) -> bool:
    if held is None or held.not_valid_after_utc < datetime.now(UTC) + authority.lifetimes.renew:
        return False
    try:
        held.verify_directly_issued_by(authority.certificate)
        stated = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return list(stated) == list(names)


def _read(path: Path) -> x509.Certificate | None:
    if not path.exists():
        return None
    try:
        return x509.load_pem_x509_certificate(read_private(path, max_bytes=MAX_PEM))
    except ValueError:
        return None


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, lifetime: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + lifetime)
    )


def _subject(org_id: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Tallystick {org_id}")])


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        key_cert_sign=certificates,
        crl_sign=certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    return [_name(host) for host in dict.fromkeys(hosts)]


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        if not _HOST.match(host):
            raise Invalid("a host is a name or an address", code="bad_host") from None
        return x509.DNSName(host)
