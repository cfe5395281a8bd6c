"""Certificates, judged by OpenSSL: real handshakes between real ends."""

import socket
import ssl
import stat
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tallystick.core.errors import Invalid
from tallystick.tenants import tls
from tallystick.tenants.files import OpenToOthers
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.tls import LIFETIMES, TlsFiles, ensure, write_bundle


@pytest.fixture
def nordic(folder: Path, keystore: Keystore) -> TlsFiles:
    return ensure(folder / "nordic", ca_key=keystore.ca_key, org_id="nordic", hosts=["nordic.example"])


@pytest.fixture
def huaxia(folder: Path, other_keystore: Keystore) -> TlsFiles:
    return ensure(folder / "huaxia", ca_key=other_keystore.ca_key, org_id="huaxia")


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def handshake(
    server: TlsFiles, client: TlsFiles, host: str, *, trusts: Path, trusted_by: Path, swap: bool = False
) -> str:
    """Mutual TLS over a socket pair; the client certificate's subject as the server saw it."""
    listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listening.minimum_version = ssl.TLSVersion.TLSv1_3
    listening.verify_mode = ssl.CERT_REQUIRED
    listening.verify_flags |= ssl.VERIFY_X509_STRICT
    listening.load_cert_chain(server.server_certificate, server.server_key)
    listening.load_verify_locations(trusted_by)
    calling = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    calling.verify_flags |= ssl.VERIFY_X509_STRICT
    calling.load_verify_locations(trusts)
    mine = (client.server_certificate, client.server_key) if swap else (client.client_certificate, client.client_key)
    calling.load_cert_chain(*mine)
    here, there = socket.socketpair()
    failures: list[Exception] = []

    def call() -> None:
        try:
            with calling.wrap_socket(there, server_hostname=host) as connection:
                connection.send(b"x")
                connection.recv(1)
        except OSError as error:
            failures.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    try:
        with listening.wrap_socket(here, server_side=True) as connection:
            connection.recv(1)
            seen = connection.getpeercert() or {}
            connection.send(b"y")
    finally:
        caller.join()
    if failures:
        raise failures[0]
    return str(seen["subjectAltName"])


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "nordic.example"])
def test_partners_who_hold_each_others_authority_connect(nordic: TlsFiles, huaxia: TlsFiles, host: str) -> None:
    seen = handshake(nordic, huaxia, host, trusts=nordic.ca, trusted_by=huaxia.ca)
    assert "urn:tallystick:org:huaxia" in seen


def test_others_do_not(nordic: TlsFiles, huaxia: TlsFiles) -> None:
    for trusts, trusted_by, host, swap in [
        (huaxia.ca, huaxia.ca, "localhost", False),  # the server's authority is not known
        (nordic.ca, nordic.ca, "localhost", False),  # the client's is not
        (nordic.ca, huaxia.ca, "elsewhere.example", False),  # another host
        (nordic.ca, huaxia.ca, "localhost", True),  # a server's certificate is no client's
    ]:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            handshake(nordic, huaxia, host, trusts=trusts, trusted_by=trusted_by, swap=swap)


def test_a_bundle_trusts_each_of_its_authorities(nordic: TlsFiles, huaxia: TlsFiles, folder: Path) -> None:
    bundle = write_bundle(folder / "bundle.pem", [nordic.ca.read_text(), huaxia.ca.read_text()])
    handshake(nordic, huaxia, "localhost", trusts=bundle, trusted_by=bundle)
    handshake(huaxia, nordic, "localhost", trusts=bundle, trusted_by=bundle)


def test_all_files_are_private_and_the_authoritys_key_is_not_among_them(nordic: TlsFiles, keystore: Keystore) -> None:
    assert stat.S_IMODE(nordic.ca.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in nordic} == {0o600}
    assert set(nordic.ca.parent.iterdir()) == set(nordic)
    keys = [certificate(path).public_key() for path in (nordic.server_certificate, nordic.client_certificate)]
    assert keys[0] != keys[1]
    assert keystore.ca_key.public_key() not in keys


def test_what_is_still_good_is_kept(nordic: TlsFiles, keystore: Keystore) -> None:
    before = [path.read_bytes() for path in nordic]
    ensure(nordic.ca.parent, ca_key=keystore.ca_key, org_id="nordic", hosts=["nordic.example"])
    assert [path.read_bytes() for path in nordic] == before


def test_other_hosts_renew_the_servers_certificate_alone(nordic: TlsFiles, keystore: Keystore) -> None:
    before = [path.read_bytes() for path in nordic]
    ensure(nordic.ca.parent, ca_key=keystore.ca_key, org_id="nordic", hosts=["other.example", "10.0.0.1"])
    changed = [path.name for path, old in zip(nordic, before, strict=True) if path.read_bytes() != old]
    assert changed == ["server.pem", "server.key"]
    names = certificate(nordic.server_certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert "other.example" in names.value.get_values_for_type(x509.DNSName)


def test_certificates_are_renewed_before_they_end(nordic: TlsFiles, keystore: Keystore) -> None:
    before, authority = certificate(nordic.server_certificate), nordic.ca.read_bytes()
    facts: dict[str, Any] = {"ca_key": keystore.ca_key, "org_id": "nordic", "hosts": ["nordic.example"]}
    ensure(nordic.ca.parent, **facts)
    assert certificate(nordic.server_certificate) == before
    ensure(nordic.ca.parent, **facts, lifetimes=LIFETIMES._replace(renew=timedelta(days=398)))
    assert certificate(nordic.server_certificate).serial_number != before.serial_number
    assert nordic.ca.read_bytes() == authority


def test_an_authority_is_renewed_under_its_key_while_partners_hold_the_older_one(
    nordic: TlsFiles, huaxia: TlsFiles, keystore: Keystore, folder: Path
) -> None:
    older = folder / "older.pem"
    older.write_bytes(nordic.ca.read_bytes())
    short = LIFETIMES._replace(certificate=timedelta(days=365 * 20))
    ensure(nordic.ca.parent, ca_key=keystore.ca_key, org_id="nordic", lifetimes=short)
    assert nordic.ca.read_bytes() != older.read_bytes()
    nordic.server_certificate.unlink()
    ensure(nordic.ca.parent, ca_key=keystore.ca_key, org_id="nordic")
    for held in (older, nordic.ca):
        handshake(nordic, huaxia, "localhost", trusts=held, trusted_by=huaxia.ca)
        handshake(huaxia, nordic, "localhost", trusts=huaxia.ca, trusted_by=held)


def test_who_looks_is_warned_thirty_days_before_the_end(nordic: TlsFiles) -> None:
    ends = certificate(nordic.server_certificate).not_valid_after_utc
    soon = {one.name: one.ends_soon for one in tls.validities(nordic, now=ends - timedelta(days=29))}
    assert soon == {"authority": False, "server": True, "client": True}
    assert not any(one.ends_soon for one in tls.validities(nordic, now=ends - timedelta(days=31)))
    assert {one.not_after for one in tls.validities(nordic)} >= {int(ends.timestamp() * 1000)}
    with pytest.raises(Invalid):
        tls.validity("nordic", "no certificate")


@pytest.mark.parametrize("name", ["server.pem", "server.key", "client.pem", "client.key"])
def test_lost_or_damaged_files_are_made_anew(nordic: TlsFiles, huaxia: TlsFiles, keystore: Keystore, name: str) -> None:
    path = nordic.ca.parent / name
    if path.suffix == ".pem":
        path.write_bytes(b"damaged")
    else:
        path.unlink()
    ensure(nordic.ca.parent, ca_key=keystore.ca_key, org_id="nordic", hosts=["nordic.example"])
    handshake(nordic, huaxia, "localhost", trusts=nordic.ca, trusted_by=huaxia.ca)
    handshake(huaxia, nordic, "localhost", trusts=huaxia.ca, trusted_by=nordic.ca)


def test_a_partner_who_holds_an_older_authority_accepts_its_successor(
    nordic: TlsFiles, huaxia: TlsFiles, keystore: Keystore, folder: Path
) -> None:
    older = write_bundle(folder / "older.pem", [nordic.ca.read_text()])
    nordic.ca.unlink()
    ensure(nordic.ca.parent, ca_key=keystore.ca_key, org_id="nordic", hosts=["new.example"])
    assert nordic.ca.read_text().strip() != older.read_text().strip()
    handshake(nordic, huaxia, "new.example", trusts=older, trusted_by=huaxia.ca)


def test_another_organisations_files_are_not_taken_over(nordic: TlsFiles, other_keystore: Keystore) -> None:
    ensure(nordic.ca.parent, ca_key=other_keystore.ca_key, org_id="nordic")
    authority = certificate(nordic.ca)
    assert authority.public_key() == other_keystore.ca_key.public_key()
    certificate(nordic.client_certificate).verify_directly_issued_by(authority)


def test_a_folder_open_to_others_and_a_bad_host_are_refused(folder: Path, keystore: Keystore) -> None:
    with pytest.raises(Invalid, match="host"):
        ensure(folder, ca_key=keystore.ca_key, org_id="nordic", hosts=["a b"])
    folder.chmod(0o755)
    with pytest.raises(OpenToOthers):
        ensure(folder, ca_key=keystore.ca_key, org_id="nordic")
