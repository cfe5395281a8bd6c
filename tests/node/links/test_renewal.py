"""Certificates that live for seconds are renewed over real nats-servers, and no link notices."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from node.links.organisations import Organisation, eventually, introduce, make_identity
from tallystick.core.errors import Unavailable
from tallystick.node.work.certificates import Certificates, keep_renewed
from tallystick.tenants import tls
from tallystick.tenants.tls import LIFETIMES, Lifetimes

SECONDS = Lifetimes(LIFETIMES.authority, certificate=timedelta(seconds=16), renew=timedelta(seconds=8))


def shown(organisation: Organisation) -> int:
    """The serial number of the certificate that its server shows to whoever connects."""
    host, port = organisation.links.leaf_url.removeprefix("tls://").rsplit(":", 1)
    files = organisation.identity.files
    context = ssl.create_default_context(cafile=files.ca)
    context.load_cert_chain(files.client_certificate, files.client_key)
    pem = ssl.DER_cert_to_PEM_cert(_peer(context, host, int(port)))
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def _peer(context: ssl.SSLContext, host: str, port: int) -> bytes:
    import socket

    with (
        contextlib.suppress(ConnectionError),
        socket.create_connection((host, port), timeout=5) as raw,
        context.wrap_socket(raw, server_hostname=host) as connection,
    ):
        found = connection.getpeercert(binary_form=True)
        assert found is not None
        return found
    raise AssertionError("no handshake")


def held(path: Path) -> int:
    return x509.load_pem_x509_certificate(path.read_bytes()).serial_number


async def test_short_lived_certificates_are_renewed_while_links_flow(tmp_path: Path) -> None:
    folder = tmp_path / "a!b@c$d 数据"
    ca_key = ec.generate_private_key(ec.SECP256R1())
    certificates = Certificates(folder / "huaxia-tls", ca_key=ca_key, org_id="huaxia", hosts=[], lifetimes=SECONDS)
    identity = make_identity(folder / "spare", "huaxia")
    identity = type(identity)(identity.org_id, identity.seed, certificates.files)
    one = Organisation(identity, folder / "huaxia")
    others = [Organisation(make_identity(folder / f"{org}-tls", org), folder / org) for org in ("nordic", "blueline")]
    renewals: list[int] = []

    async def renewed() -> None:
        await one.links.renewed()
        renewals.append(held(certificates.files.server_certificate))

    loop = asyncio.create_task(keep_renewed(certificates.renew, renewed, every_s=0.5))
    try:
        for each in (one, *others):
            await each.start()
        await introduce(one, *others)
        pids = [each.links.server_pid for each in (one, *others)]
        for sender, receiver in permutations((one, *others), 2):
            await sender.send(receiver, f"{sender.id}>{receiver.id}")
        links = [each.links for each in (one, *others)]
        await eventually(lambda: all(up.connected and up.incoming for each in links for up in each.status().values()))
        ups = {each.id: each.links.status() for each in (one, *others)}
        first = held(certificates.files.server_certificate)
        ends = time.monotonic() + 20  # longer than the first certificate was good for
        number, failures = 0, []
        while time.monotonic() < ends:
            number += 1
            for sender, receiver in ((one, others[0]), (others[1], one), (others[0], others[1])):
                try:
                    await sender.links.send(receiver.id, f"m{number}", b"{}", timeout=5.0)
                except Unavailable as error:
                    failures.append((sender.id, receiver.id, str(error)))
            await asyncio.sleep(0.1)
        assert failures == [], "no link notices"
        assert len(renewals) >= 2
        assert first not in renewals
        assert await asyncio.to_thread(shown, one) == held(certificates.files.server_certificate)
        assert [each.links.server_pid for each in (one, *others)] == pids, "no server was started again"
        now = {each.id: each.links.status() for each in (one, *others)}
        assert {org: {name: link.since for name, link in found.items()} for org, found in now.items()} == {
            org: {name: link.since for name, link in found.items()} for org, found in ups.items()
        }, "every link has stood all the time"
        await others[0].restart([one.card, others[1].card])  # who connects anew is shown the new one, and shows its own
        await others[0].send(one, "anew")
        await one.send(others[0], "to-the-new-one")
        await one.got("anew")
    finally:
        loop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loop
        await asyncio.gather(*(each.links.stop() for each in (one, *others)))


async def test_a_renewed_authority_reaches_partners_and_drops_no_other_link(tmp_path: Path) -> None:
    ca_key = ec.generate_private_key(ec.SECP256R1())
    facts: dict[str, Any] = {"ca_key": ca_key, "org_id": "huaxia"}
    files = tls.ensure(tmp_path / "huaxia-tls", **facts)
    identity = make_identity(tmp_path / "spare", "huaxia")
    one = Organisation(type(identity)(identity.org_id, identity.seed, files), tmp_path / "huaxia")
    two, three = (Organisation(make_identity(tmp_path / f"{o}-tls", o), tmp_path / o) for o in ("nordic", "blueline"))
    try:
        for each in (one, two, three):
            await each.start()
        await introduce(one, two, three)
        await one.send(two, "before")
        await two.send(three, "before")
        await three.send(two, "before")
        await eventually(lambda: two.links.status()["blueline"].connected)  # messages are quicker than the next look
        since = two.links.status()["blueline"].since
        older = files.ca.read_bytes()
        tls.ensure(files.ca.parent, **facts, lifetimes=LIFETIMES._replace(certificate=LIFETIMES.authority))
        assert files.ca.read_bytes() != older
        await one.links.renewed()
        await one.send(two, "older-still-held")
        await two.links.set_partners([one.card, three.card])  # as its card brings it
        await one.send(two, "newer-now")
        await two.send(one, "both-ways")
        await one.got("both-ways")
        assert two.links.status()["blueline"].since == since, "nobody else's link was dropped"
        await eventually(lambda: two.links.status()["huaxia"].connected)
    finally:
        await asyncio.gather(*(each.links.stop() for each in (one, two, three)))
