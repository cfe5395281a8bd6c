"""The partner API from a partner's side: what is taken, what comes of it, and what each attack gets."""

import asyncio
import base64
import contextlib
import hashlib
import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest
from http_message_signatures import algorithms
from sqlmodel import select

from node.partner_api.conftest import Stand
from support.counter import Outgoing
from support.hostile import FORGERIES
from support.parties import CARRIER, SUPPLIER
from tallystick.core import b64
from tallystick.core.errors import Unavailable
from tallystick.core.keys import SigningKey
from tallystick.node.partner_api import rules, server
from tallystick.node.record import messages as m
from tallystick.node.record import quota
from tallystick.node.work import inbox as inboxes
from tallystick.tenants.models.record import InboxRow
from tallystick.tenants.models.transport import NonceRow


def consent(stand: Stand, org: str = SUPPLIER) -> bytes:
    """A message that is taken in."""
    return m.encode(m.StatementMessage(token=stand.desk.author(org).token()))


def good(stand: Stand, body: bytes | None = None, **how: Any) -> Outgoing:
    body = consent(stand) if body is None else body
    return stand.supplier.sign(stand.counter.url, body, stand.desk.now, **how)


def nonces(stand: Stand) -> int:
    with stand.desk.database.session() as session:
        return len(session.exec(select(NonceRow)).all())


def noted(stand: Stand) -> int:
    with stand.desk.database.session() as session:
        return len(session.exec(select(InboxRow)).all())


async def test_a_statement_is_taken_in_once_however_often_it_comes(stand: Stand) -> None:
    body = consent(stand)
    for _ in range(3):
        answer = await stand.counter.send(good(stand, body))
        assert (answer.status_code, answer.json()) == (200, {"outcome": "confirm"})
    assert stand.desk.seen()[0] == 2
    assert nonces(stand) == 3


async def test_what_came_over_nats_before_has_no_second_effect(stand: Stand) -> None:
    body = consent(stand)
    assert await stand.desk.inbox.receive(SUPPLIER, m.message_id("huaxia", body), body) == "ack"
    assert (await stand.counter.send(good(stand, body))).json() == {"outcome": "confirm"}
    assert stand.desk.seen()[0] == 2


async def test_authority_and_path_serve_for_the_target(stand: Stand) -> None:
    answer = await stand.counter.send(good(stand, covered=rules.COVERED_APART))
    assert answer.status_code == 200


async def test_sha_512_serves_for_the_digest(stand: Stand) -> None:
    body = consent(stand)
    value = f"sha-512=:{base64.b64encode(hashlib.sha512(body).digest()).decode()}:"
    answer = await stand.counter.send(good(stand, body, digest=value))
    assert answer.status_code == 200


async def test_a_message_that_waits_is_kept_and_named(stand: Stand) -> None:
    body = m.encode(m.NeedMessage(execution="ab" * 32, size=0))
    answer = await stand.counter.send(good(stand, body))
    assert answer.status_code == 202
    assert (answer.json()["outcome"], answer.json()["code"]) == ("wait", "no_execution")
    assert len(stand.desk.rows("wait")) == 1
    assert (await stand.counter.send(good(stand, body))).status_code == 202
    assert len(stand.desk.rows("wait")) == 1  # the same message, not a second one


async def test_a_message_that_is_refused_says_so_for_good_and_signs_it(stand: Stand) -> None:
    token = FORGERIES["resting on another history"](stand.desk.author())
    answer = await stand.counter.send(good(stand, m.encode(m.StatementMessage(token=token))))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["outcome"], answer.json()["code"]) == ("reject", "contradictory_basis")
    (refusal,) = stand.desk.refusals()
    assert refusal.code == "contradictory_basis"


BODIES = {
    "empty": b"",
    "no JSON": b"{",
    "an unknown version": b'{"v":9}',
    "nested 10,000 deep": b"[" * 10_000 + b"]" * 10_000,
    "nested deep in a message": b'{"v":1,"type":"agreement","agreement":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001,
    "a member twice": b'{"v":1,"v":1}',
    "not a number": b'{"v":NaN}',
    "beyond 2^53": b'{"v":9007199254740993}',
    "a lone surrogate": b'{"v":"\\ud800"}',
}


@pytest.mark.parametrize("name", BODIES)
async def test_bytes_that_are_no_message_are_refused_for_good(stand: Stand, name: str) -> None:
    before = stand.desk.seen()
    answer = await stand.counter.send(good(stand, BODIES[name]))
    assert answer.status_code in {400, 422}
    assert answer.json()["outcome"] == "reject"
    assert stand.desk.seen() == before


Attack = Callable[[Stand], Outgoing]


def bent(change: Callable[[Outgoing], Outgoing]) -> Attack:
    return lambda stand: change(good(stand))


def stranger(stand: Stand) -> SigningKey:
    return SigningKey(secrets.token_bytes(32))


def twice(stand: Stand) -> Outgoing:
    """Two signatures with our tag: which of them counts?"""
    first, second = good(stand), good(stand)
    headers = {name.lower(): value for name, value in first.headers.items()}
    for name in ("signature", "signature-input"):
        other = {key.lower(): value for key, value in second.headers.items()}[name]
        headers[name] += ", " + other.replace("any=", "other=")
    return Outgoing("POST", first.url, headers, first.body)


def without(*names: str) -> tuple[str, ...]:
    return tuple(one for one in rules.COVERED if one not in names)


def renamed(one: Outgoing) -> Outgoing:
    held = {name.lower(): value for name, value in one.headers.items()}["signature-input"]
    return one.changed(signature_input=held.replace('alg="ed25519"', 'alg="rsa-pss-sha512"'))


ATTACKS: dict[str, tuple[int, str, Attack]] = {
    "unsigned": (401, "no_signature", bent(lambda one: one.changed(signature="", signature_input=""))),
    "a signature without its input": (401, "no_signature", bent(lambda one: one.changed(signature_input=""))),
    "garbage for a signature": (401, "bad_signature", bent(lambda one: one.changed(signature="any=:AAAA:"))),
    "no structured field": (401, "bad_signature", bent(lambda one: one.changed(signature_input="(((("))),
    "an endless field": (401, "bad_signature", bent(lambda one: one.changed(signature_input="a" * 5_000))),
    "another key under the partner's name": (401, "bad_signature", lambda s: good(s, key=stranger(s))),
    "a key that its card does not have": (401, "bad_signature", lambda s: good(s, keyid=f"{SUPPLIER}#{'0' * 16}")),
    "an organisation that is no partner": (401, "bad_signature",
        lambda s: good(s, keyid=f"mallory#{s.supplier.key.kid}")),
    "another partner's name": (401, "bad_signature", lambda s: good(s, keyid=f"{CARRIER}#{s.supplier.key.kid}")),
    "another partner's key id": (401, "bad_signature", lambda s: good(s, keyid=f"{CARRIER}#{s.carrier.key.kid}")),
    "no key id of our form": (401, "bad_signature", lambda s: good(s, keyid="x")),
    "method not covered": (401, "missing_component", lambda s: good(s, covered=without("@method"))),
    "target not covered": (401, "missing_component", lambda s: good(s, covered=without("@target-uri"))),
    "path alone for the target": (401, "missing_component",
        lambda s: good(s, covered=(*without("@target-uri"), "@path"))),
    "media type not covered": (401, "missing_component", lambda s: good(s, covered=without("content-type"))),
    "digest not covered": (401, "missing_component", lambda s: good(s, covered=without("content-digest"))),
    "no digest": (401, "missing_component", bent(lambda one: one.changed(content_digest=""))),
    "a digest of something else": (401, "bad_digest",
        lambda s: good(s, digest="sha-256=:" + "A" * 43 + "=:")),
    "a digest that is weak": (401, "bad_digest",
        lambda s: good(s, digest="md5=:AAAAAAAAAAAAAAAAAAAAAA==:")),
    "another digest than signed": (401, "bad_signature",
        bent(lambda one: one.changed(content_digest="sha-256=:" + "A" * 43 + "=:"))),
    "another body": (401, "bad_digest",
        lambda s: Outgoing("POST", s.counter.url, good(s).headers, consent(s, CARRIER))),
    "another media type than signed": (401, "bad_signature",
        bent(lambda one: one.changed(content_type="text/plain"))),
    "another media type": (415, "unsupported_media_type", lambda s: good(s, media_type="text/plain")),
    "a content coding": (415, "unsupported_media_type", lambda s: good(s).changed(content_encoding="gzip")),
    "a signature for GET": (401, "bad_signature", lambda s: moved(s, method="GET")),
    "a signature for another path": (401, "bad_signature", lambda s: signed_for(s, "/partner/v1/outbox")),
    "a signature for another tenant": (401, "bad_signature", lambda s: signed_for(s, "", host="127.0.0.1:1")),
    "another tenant's authority": (401, "bad_signature",
        lambda s: signed_for(s, "", host="127.0.0.1:1", covered=rules.COVERED_APART)),
    "made too long ago": (401, "outside_window", lambda s: good(s, created=-301)),
    "made too far ahead": (401, "outside_window", lambda s: good(s, created=301)),
    "expired": (401, "outside_window", lambda s: good(s, created=-60, expires=30)),
    "good for too long": (401, "outside_window", lambda s: good(s, expires=301)),
    "expires before it was made": (401, "outside_window", lambda s: good(s, created=10, expires=-5)),
    "good for ever": (401, "missing_parameter", lambda s: good(s, expires=None)),
    "no nonce": (401, "missing_parameter", lambda s: good(s, nonce=None)),
    "a short nonce": (401, "missing_parameter", lambda s: good(s, nonce="1")),
    "an endless nonce": (401, "missing_parameter", lambda s: good(s, nonce="1" * 129)),
    "no tag": (401, "bad_signature", lambda s: good(s, tag=None)),
    "another application's tag": (401, "bad_signature", lambda s: good(s, tag="other")),
    "two signatures": (401, "bad_signature", twice),
    "HMAC under the public key": (401, "bad_signature",
        lambda s: good(s, algorithm=algorithms.HMAC_SHA256, key=s.supplier.key.public)),
    "the algorithm's name changed": (401, "bad_signature", bent(renamed)),
}  # fmt: skip


def moved(stand: Stand, method: str) -> Outgoing:
    """Signed for one method, sent with another."""
    held = good(stand, method=method)
    return Outgoing("POST", held.url, held.headers, held.body)


def signed_for(stand: Stand, path: str, host: str = "", **how: Any) -> Outgoing:
    """Signed for one place, sent to another."""
    url = f"http://{host or stand.counter.url.split('/')[2]}{path or rules.INBOX}"
    held = stand.supplier.sign(url, consent(stand), stand.desk.now, **how)
    return Outgoing("POST", stand.counter.url, held.headers, held.body)


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_gets_a_reason_and_nothing_else(stand: Stand, name: str) -> None:
    status, code, make = ATTACKS[name]
    before = stand.desk.seen()
    answer = await stand.counter.send(make(stand))
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "outcome" not in answer.json()
    assert (stand.desk.seen(), noted(stand), nonces(stand)) == (before, 0, 0)
    assert (await stand.counter.send(good(stand))).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_other_methods_are_not_for_the_inbox(stand: Stand, method: str) -> None:
    assert (await stand.counter.send(good(stand, method=method))).status_code == 405


async def test_a_stranger_learns_nothing_of_who_is_a_partner(stand: Stand) -> None:
    answers = [
        await stand.counter.send(good(stand, keyid=keyid, key=stranger(stand)))
        for keyid in (f"{SUPPLIER}#{stand.supplier.key.kid}", f"mallory#{stand.supplier.key.kid}", f"{SUPPLIER}#0")
    ]
    assert len({(one.status_code, one.content) for one in answers}) == 1


async def test_a_request_is_taken_once_also_after_a_restart(stand: Stand) -> None:
    request = good(stand)
    assert (await stand.counter.send(request)).status_code == 200
    for _ in range(2):
        again = await stand.counter.send(request)
        assert (again.status_code, again.json()["code"]) == (401, "replayed")
        await stand.counter.stop()
        await stand.counter.start()


async def test_of_the_same_request_at_once_one_is_taken(stand: Stand) -> None:
    request = good(stand)
    answers = await asyncio.gather(*(stand.counter.send(request) for _ in range(6)))
    assert sorted(one.status_code for one in answers) == [200, 401, 401, 401, 401, 401]


async def test_a_partners_nonce_is_not_anothers(stand: Stand) -> None:
    nonce = secrets.token_urlsafe(16)
    assert (await stand.counter.send(good(stand, nonce=nonce))).status_code == 200
    other = stand.carrier.sign(stand.counter.url, consent(stand, CARRIER), stand.desk.now, nonce=nonce)
    assert (await stand.counter.send(other)).status_code == 200


async def test_nonces_are_dropped_when_they_no_longer_matter(stand: Stand) -> None:
    for _ in range(3):
        await stand.counter.send(good(stand))
    stand.desk.now += (2 * rules.WINDOW_S + 1) * 1000
    await stand.counter.send(good(stand))
    assert nonces(stand) == 1


async def test_a_suspended_partner_is_told_so_and_nobody_else_is(stand: Stand) -> None:
    stand.counter.partners.suspend(SUPPLIER)
    answer = await stand.counter.send(good(stand))
    assert (answer.status_code, answer.json()["code"]) == (403, "partner_suspended")
    assert (await stand.counter.send(good(stand, key=stranger(stand)))).json()["code"] == "bad_signature"
    stand.counter.partners.resume(SUPPLIER)
    assert (await stand.counter.send(good(stand))).status_code == 200


async def test_a_body_that_is_too_large_is_not_read(stand: Stand) -> None:
    answer = await stand.counter.send(good(stand, b" " * (m.MAX_MESSAGE + 1)))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert (await stand.counter.send(good(stand, b" " * 2_000_000))).status_code == 413
    assert noted(stand) == 0


async def raw(stand: Stand, request: Outgoing, *, send: bytes, length: int) -> tuple[Any, Any]:
    """The request's header and a part of its body on a bare connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stand.counter.port)
    lines = [f"POST {rules.INBOX} HTTP/1.1", "Host: x", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + send)
    await writer.drain()
    return reader, writer


async def status(reader: asyncio.StreamReader) -> int:
    return int((await asyncio.wait_for(reader.readline(), 20)).split()[1])


async def test_a_body_that_drips_is_cut_off(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BODY_S", 0.5)
    request = good(stand)
    reader, writer = await raw(stand, request, send=request.body[:10], length=len(request.body))
    begun = time.monotonic()
    while time.monotonic() - begun < 0.4:
        writer.write(request.body[10:11])
        await asyncio.sleep(0.1)
    assert await status(reader) == 408
    writer.close()
    assert stand.desk.seen()[0] == 1


async def test_a_header_that_drips_is_cut_off(stand: Stand) -> None:
    """The server gives a connection as long as an idle one to bring its first whole header; here that is short."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stand.counter.port)
    begun = time.monotonic()
    writer.write(f"POST {rules.INBOX} HTTP/1.1\r\n".encode())

    async def drip() -> None:
        while True:
            writer.write(b"x: y\r\n")
            await asyncio.sleep(0.1)

    dripping = asyncio.create_task(drip())
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 20) == b""
    dripping.cancel()
    writer.close()
    assert time.monotonic() - begun > 0.5  # it was not cut at once
    assert (await stand.counter.send(good(stand))).status_code == 200


async def test_who_does_not_sign_is_answered_before_the_body_comes(stand: Stand) -> None:
    request = good(stand, key=stranger(stand))
    reader, writer = await raw(stand, request, send=b"", length=900_000)
    assert await status(reader) == 401
    writer.close()


async def test_a_partner_who_floods_suffers_alone(stand: Stand) -> None:
    held = []
    for _ in range(server.MAX_AT_ONCE + 1):  # each begins a body and never ends it
        request = good(stand)
        held.append(await raw(stand, request, send=b"{", length=len(request.body)))
    answers = [asyncio.create_task(status(reader)) for reader, _ in held]
    first, waiting = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
    assert [one.result() for one in first] == [429]  # the others hold every place now
    for one in waiting:
        one.cancel()
    answer = await stand.counter.send(good(stand))
    assert (answer.status_code, answer.json()["code"]) == (429, "over_quota")
    assert int(answer.headers["retry-after"]) > 0
    other = stand.carrier.sign(stand.counter.url, consent(stand, CARRIER), stand.desk.now)
    assert (await stand.counter.send(other)).status_code == 200
    for _, writer in held:
        writer.close()


async def test_too_many_messages_that_wait(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inboxes, "MAX_WAITING", 2)
    answers = [
        await stand.counter.send(good(stand, m.encode(m.NeedMessage(execution=f"{number:064x}", size=0))))
        for number in range(4)
    ]
    assert [one.status_code for one in answers] == [202, 202, 429, 429]
    assert answers[-1].json()["code"] == "over_quota"
    assert (await stand.counter.send(good(stand))).status_code == 200  # what does not wait goes through


async def test_too_many_chunks_that_nothing_names(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "MAX_UNNAMED", 1_000)
    monkeypatch.setattr(quota, "PER_CHUNK", 0)
    data = [bytes([number]) * 600 for number in range(2)]
    chunks = [
        m.ChunkMessage(
            execution=stand.desk.parties.execution, sha256=hashlib.sha256(one).hexdigest(), data=b64.encode(one)
        )
        for one in data
    ]
    first, second = [await stand.counter.send(good(stand, m.encode(one))) for one in chunks]
    assert first.status_code == 200
    assert (second.status_code, second.json()["code"]) == (429, "over_quota")


async def test_a_node_that_cannot_write_says_when_to_come_again(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: Any) -> Any:
        raise Unavailable("the disk is full")

    request = good(stand)
    with monkeypatch.context() as broken:
        broken.setattr(stand.desk.inbox, "take", full)
        answer = await stand.counter.send(request)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert "disk" not in answer.text
    assert (await stand.counter.send(request)).status_code == 200  # nothing was done, so its nonce is unused
