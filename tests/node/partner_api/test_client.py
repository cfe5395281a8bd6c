"""Sending over the partner API: to a real one, and to servers that answer what they should not."""

import asyncio
import secrets
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from node.activities.calls import http, serving
from node.partner_api.conftest import Stand
from node.partner_api.test_server import consent
from support.parties import BUYER, NOON, SUPPLIER
from tallystick.core.errors import Invalid, TallystickError, Unavailable
from tallystick.core.keys import SigningKey
from tallystick.node.partner_api import client as clients
from tallystick.node.partner_api import rules
from tallystick.node.partner_api.client import HttpsClient, Recipient
from tallystick.node.partner_api.settings import PartnerApiSettings
from tallystick.node.record import messages as m
from tallystick.tenants import tls


def client(
    folder: Path, *allowed: str, keys: Sequence[SigningKey] = (), now: int = NOON, **settings: Any
) -> HttpsClient:
    held = keys or (SigningKey(secrets.token_bytes(32)),)
    bounds = PartnerApiSettings(allowed_hosts=allowed, **settings)
    return HttpsClient(bounds, folder, org_id=SUPPLIER, keys=lambda: held, now=lambda: now)


def to(endpoint: str, ca_pem: str | None = None) -> Recipient:
    return Recipient(org_id=BUYER, endpoint_url=endpoint, ca_pem=ca_pem)


async def told(sender: HttpsClient, recipient: Recipient, payload: bytes = b"{}") -> TallystickError:
    """Why it did not go; the partner's state says the same."""
    with pytest.raises(TallystickError) as failed:
        await sender.send(recipient, payload)
    assert sender.states[BUYER][1] == failed.value.detail
    await sender.close()
    return failed.value


@pytest.mark.parametrize("newer", [0, 1, 2])
async def test_an_older_key_speaks_until_the_partner_has_the_newest_card(stand: Stand, newer: int) -> None:
    """After a rotation the newest key is not known there yet; after a revocation only the root key is."""
    held = [SigningKey(secrets.token_bytes(32)) for _ in range(newer)]
    keystore = stand.supplier.keystore
    known = keystore.need_root_key() if newer == 2 else stand.supplier.key
    counter = stand.counter
    sender = client(Path(), f"127.0.0.1:{counter.port}", keys=[*held, known], now=stand.desk.now)
    await sender.send(to(f"http://127.0.0.1:{counter.port}"), consent(stand))
    assert stand.desk.seen()[0] == 2
    assert sender.states[BUYER][1] is None
    await sender.close()


async def test_what_is_refused_for_good_is_not_sent_again(stand: Stand) -> None:
    counter = stand.counter
    sender = client(Path(), f"127.0.0.1:{counter.port}", keys=[stand.supplier.key], now=stand.desk.now)
    await sender.send(to(f"http://127.0.0.1:{counter.port}"), b'{"v":9}')  # returns: it is settled
    assert len(stand.desk.rows("reject")) == 1
    await sender.close()


async def test_a_stranger_is_told_and_keeps_its_message(stand: Stand) -> None:
    counter = stand.counter
    sender = client(Path(), f"127.0.0.1:{counter.port}", now=stand.desk.now)
    failure = await told(sender, to(f"http://127.0.0.1:{counter.port}"), consent(stand))
    assert isinstance(failure, Unavailable)
    assert "401: bad_signature" in failure.detail


async def test_a_clock_that_is_off_is_named(stand: Stand) -> None:
    counter = stand.counter
    sender = client(
        Path(), f"127.0.0.1:{counter.port}", keys=[stand.supplier.key], now=stand.desk.now + 2 * 24 * 3_600_000
    )
    assert "outside_window" in (await told(sender, to(f"http://127.0.0.1:{counter.port}"), consent(stand))).detail


ANSWERS: dict[str, tuple[bytes, str]] = {
    "an error": (http(b"", status="500 Oops"), "500"),
    "a redirect": (http(b"", status="307 There", headers="location: http://127.0.0.1:1/\r\n"), "307"),
    "a page": (http(b"<html>", status="404 No"), "404"),
    "an acceptance of another status": (http(b'{"outcome": "confirm"}', status="204 No"), "204"),
    "no HTTP": (b"220 smtp.example ESMTP\r\n\r\n", "does not answer"),
    "nothing": (b"", "does not answer"),
    "too much": (http(b" " * (clients.MAX_ANSWER + 1)), "more than"),
    "words for a terminal": (
        http(rb'{"code": "no\n", "detail": "\u001b[2Jall is well\u202e"}', status="500 Oops"),
        r"no\n: \x1b[2Jall is well\u202e",
    ),
    "deep JSON": (http(b"[" * 10_000, status="500 Oops"), "500"),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_any_other_answer_keeps_the_message(tmp_path: Path, name: str) -> None:
    answer, words = ANSWERS[name]
    async with serving(answer) as server:
        failure = await told(client(tmp_path, f"127.0.0.1:{server.port}"), to(server.url))
    assert isinstance(failure, Unavailable)
    assert words in failure.detail
    assert len(server.requests) == 1  # no redirect is followed


async def test_a_partner_who_never_answers_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "SECONDS", 0.3)
    async with serving(lambda _: None) as server:
        failure = await told(client(tmp_path, f"127.0.0.1:{server.port}"), to(server.url))
    assert failure.code == "no_answer"


@pytest.mark.parametrize(
    ("endpoint", "code"),
    [
        ("https://127.0.0.1:8443", "not_allowed"),  # a private address that the settings do not name
        ("https://169.254.169.254", "not_allowed"),
        ("https://localhost", "not_allowed"),
        ("http://partner.example", "not_allowed"),  # no TLS
    ],
)
async def test_an_endpoint_is_an_outsiders_word(tmp_path: Path, endpoint: str, code: str) -> None:
    assert (await told(client(tmp_path), to(endpoint))).code == code


async def test_a_message_that_nobody_takes_is_not_sent(tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        await client(tmp_path).send(to("https://partner.example"), b" " * (m.MAX_MESSAGE + 1))


async def test_tls_trusts_the_pinned_authority_and_no_other(tmp_path: Path) -> None:
    own, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    files = tls.ensure(tmp_path / "tls", ca_key=own, org_id=BUYER)
    foreign = tls.ensure(tmp_path / "foreign", ca_key=other, org_id=BUYER).ca.read_text()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.server_certificate, files.server_key)
    async with serving(http(b'{"outcome": "confirm"}'), ssl=context) as server:
        url, allowed = f"https://127.0.0.1:{server.port}", f"127.0.0.1:{server.port}"
        for pem in (None, foreign):
            assert "certificate" in (await told(client(tmp_path, allowed), to(url, pem))).detail.lower()
        assert server.requests == []
        sender = client(tmp_path, allowed)
        await sender.send(to(url, files.ca.read_text()), b"{}")
        await sender.close()
        sender = client(tmp_path, allowed, ca_file="tls/ca.pem")
        await sender.send(to(url), b"{}")
        await sender.close()


@pytest.mark.parametrize(
    ("endpoint", "signed"),
    [
        ("https://Acme.Example", "https://acme.example/partner/v1/inbox"),
        ("https://acme.example:443/", "https://acme.example/partner/v1/inbox"),
        ("http://acme.example:80", "http://acme.example/partner/v1/inbox"),
        ("https://acme.example:8443/tally/", "https://acme.example:8443/tally/partner/v1/inbox"),
        ("https://[2001:DB8::1]:443", "https://[2001:db8::1]/partner/v1/inbox"),
    ],
)
async def test_both_sides_mean_the_same_target(endpoint: str, signed: str) -> None:
    assert rules.inbox_url(endpoint) == signed


async def test_a_connection_is_kept_for_the_next_message(tmp_path: Path) -> None:
    begun: list[int] = []
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.append(1)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)
                writer.write(http(b'{"outcome": "confirm"}'))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            ended.set()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    sender = client(tmp_path, f"127.0.0.1:{port}")
    for _ in range(5):
        await sender.send(to(f"http://127.0.0.1:{port}"), b"{}")
    await sender.close()
    await asyncio.wait_for(ended.wait(), 10)
    listening.close()
    await listening.wait_closed()
    assert len(begun) == 1
