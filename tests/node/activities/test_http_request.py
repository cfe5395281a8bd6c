"""HTTP requests of steps, to real servers."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from node.activities.calls import FakeCall, HttpServer, http, serving
from tallystick.core import canonical
from tallystick.node.activities.failing import ActivityFailed
from tallystick.node.activities.http_request import HttpActivity
from tallystick.node.activities.settings import Credential, HttpSettings
from tallystick.tenants import tls
from tallystick.tenants.files import write_private

SECRET = "Bearer a!b@c$d()e*_,/:;=?@ff[]22"


def activity(server: HttpServer, folder: Path, **settings: Any) -> HttpActivity:
    return HttpActivity(HttpSettings(allowed_hosts=(f"127.0.0.1:{server.port}",), **settings), folder)


async def failure(activity: HttpActivity, **given: Any) -> ActivityFailed:
    with pytest.raises(ActivityFailed) as failed:
        await activity(FakeCall(input=given))
    return failed.value


async def test_a_request_and_its_answer(tmp_path: Path) -> None:
    body = '{"amount": 12.50, "count": 3, "id": 12345678901234567890, "名": "轴承"}'.encode()
    headers = "content-type: application/json; charset=utf-8\r\netag: x\r\nset-cookie: session=secret\r\n"
    async with serving(http(body, status="201 Created", headers=headers)) as server:
        given = {
            "method": "POST",
            "url": f"{server.url}/orders?a=1",
            "json": {"单": [1, None]},
            "headers": {"X-Trace": "7"},
        }
        answer = await activity(server, tmp_path)(FakeCall(input=given))
    assert answer["status"] == 201
    assert answer["headers"] == {"content-type": "application/json; charset=utf-8", "etag": "x"}
    assert answer["json"] == {"amount": "12.50", "count": 3, "id": "12345678901234567890", "名": "轴承"}
    canonical.encode(answer)  # the record can hold it
    head, _, sent = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    assert lines[0] == "post /orders?a=1 http/1.1"
    assert {"x-trace: 7", "content-type: application/json", "idempotency-key: t_0123456789abcdef"} < set(lines)
    assert f"host: 127.0.0.1:{server.port}" in lines
    assert sent == '{"单":[1,null]}'.encode()


@pytest.mark.parametrize(
    ("body", "content_type", "found"),
    [
        (b"", "text/plain", {}),
        ("好".encode(), "text/plain", {"body": "好"}),
        (b"\xff\x00", "x/y", {"body_base64": "/wA="}),
    ],
)
async def test_bodies_are_json_text_or_bytes(tmp_path: Path, body: bytes, content_type: str, found: Any) -> None:
    async with serving(http(body, headers=f"content-type: {content_type}\r\n")) as server:
        answer = await activity(server, tmp_path)(FakeCall(input={"url": server.url}))
    assert {name: one for name, one in answer.items() if name.startswith("body")} == found


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        ("404 Not Found", "unexpected_status", False),
        ("422 No", "unexpected_status", False),
        ("301 Moved", "unexpected_status", False),
        ("408 Late", "server_error", True),
        ("429 Slow", "server_error", True),
        ("503 Later", "server_error", True),
    ],
)
async def test_statuses_become_codes(tmp_path: Path, status: str, code: str, retryable: bool) -> None:
    async with serving(http(b"no", status=status, headers="location: http://127.0.0.1:1/\r\n")) as server:
        error = await failure(activity(server, tmp_path), url=server.url)
    assert (error.code, error.retryable) == (code, retryable)
    assert len(server.requests) == 1  # a redirect is an answer, not an order


async def test_the_step_says_which_statuses_it_expects(tmp_path: Path) -> None:
    async with serving(http(status="404 Not Found")) as server:
        call = FakeCall(input={"url": server.url, "expected_statuses": [200, 404]})
        assert (await activity(server, tmp_path)(call))["status"] == 404
    async with serving(http()) as server:
        assert (
            await failure(activity(server, tmp_path), url=server.url, expected_statuses=[404])
        ).code == "unexpected_status"


async def test_a_private_address_is_refused_before_a_byte_is_sent(tmp_path: Path) -> None:
    async with serving(http(b"metadata")) as server:
        error = await failure(HttpActivity(HttpSettings(), tmp_path), url=server.url)
    assert error.code == "not_allowed"
    assert server.requests == []


async def test_the_environment_offers_no_way_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(http(b"proxied")) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, server.url)
        error = await failure(HttpActivity(HttpSettings(), tmp_path), url="http://127.0.0.1:9/")
    assert error.code == "not_allowed"
    assert server.requests == []


async def test_answers_are_bounded_in_size_and_time(tmp_path: Path) -> None:
    async with serving(http(b"x" * 3000)) as server:
        assert (await failure(activity(server, tmp_path, max_bytes=2000), url=server.url)).code == "too_large"
    async with serving(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 3000) as server:
        assert (await failure(activity(server, tmp_path, max_bytes=2000), url=server.url)).code == "too_large"
    async with serving(lambda _: None) as server:
        error = await failure(activity(server, tmp_path), url=server.url, timeout_seconds=1)
    assert (error.code, error.retryable) == ("too_slow", True)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"SSH-2.0-x\r\n\r\n", "bad_answer"),
        (http(b"\x1f\x8b", headers="content-encoding: gzip\r\n"), "bad_answer"),
        (http(b"{", headers="content-type: application/json\r\n"), "bad_answer"),
        (http(b"[" * 30 + b"]" * 30, headers="content-type: application/json\r\n"), "bad_answer"),
        (http(b"[" * 100_000, headers="content-type: application/json\r\n"), "bad_answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", "bad_answer"),
        (b"", "bad_answer"),
    ],
)
async def test_answers_that_are_none(tmp_path: Path, answer: bytes, code: str) -> None:
    async with serving(answer) as server:
        assert (await failure(activity(server, tmp_path), url=server.url)).code == code


async def test_nobody_listening_is_worth_another_attempt(tmp_path: Path) -> None:
    async with serving(http()) as server:
        pass
    error = await failure(activity(server, tmp_path), url=server.url)
    assert (error.code, error.retryable) == ("unreachable", True)


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({}, "/input/url"),
        ({"url": 7}, "/input/url"),
        ({"url": "http://x/", "method": "TRACE"}, "/input/method"),
        ({"url": "http://x/", "methd": "GET"}, "/input/methd"),
        ({"url": "http://x/", "headers": {"a": 1}}, "/input/headers"),
        ({"url": "http://x/", "headers": {"Host": "evil"}}, "/input/headers/Host"),
        ({"url": "http://x/", "headers": {"Transfer-Encoding": "chunked"}}, "/input/headers/Transfer-Encoding"),
        ({"url": "http://x/", "headers": {"idempotency-key": "mine"}}, "/input/headers/idempotency-key"),
        ({"url": "http://x/", "headers": {"x": "a\r\nb: c"}}, "/input/headers/x"),
        ({"url": "http://x/", "headers": {"x y": "a"}}, "/input/headers/x y"),
        ({"url": "http://x/", "body": "a", "json": 1}, "/input/json"),
        ({"url": "http://x/", "expected_statuses": [200, 99]}, "/input/expected_statuses/1"),
        ({"url": "http://x/", "timeout_seconds": 0}, "/input/timeout_seconds"),
    ],
)
async def test_bad_input_names_the_field(tmp_path: Path, given: dict[str, Any], pointer: str) -> None:
    error = await failure(HttpActivity(HttpSettings(), tmp_path), **given)
    assert (error.code, error.pointer, error.retryable) == ("invalid_input", pointer, False)


async def test_a_credential_goes_to_its_origin_only(tmp_path: Path) -> None:
    write_private(tmp_path / "erp.secret", f"{SECRET}\n".encode())
    async with serving(http()) as server:
        good = Credential(origin=server.url, file="erp.secret")
        other = Credential(origin="https://erp.example", file="erp.secret")
        lost = Credential(origin=server.url, file="none")
        asking = activity(server, tmp_path, credentials={"erp": good, "other": other, "lost": lost})
        await asking(FakeCall(input={"url": server.url, "credential": "erp"}))
        assert f"authorization: {SECRET}".encode() in server.requests[0]
        for name, code in (("other", "not_allowed"), ("lost", "not_configured"), ("none", "not_configured")):
            error = await failure(asking, url=server.url, credential=name)
            assert error.code == code
            assert SECRET not in str(error)
        (tmp_path / "erp.secret").chmod(0o644)
        assert (await failure(asking, url=server.url, credential="erp")).code == "not_configured"
    assert len(server.requests) == 1


async def test_tls_checks_the_name_and_trusts_the_settings_authority(tmp_path: Path) -> None:
    files = tls.ensure(tmp_path / "tls", ca_key=_ca_key(), org_id="erp", hosts=["127.0.0.1"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.server_certificate, files.server_key)
    async with serving(http(b"safe"), ssl=context) as server:
        url = f"https://127.0.0.1:{server.port}/"
        trusting = activity(server, tmp_path, ca_file=str(files.ca))
        assert (await trusting(FakeCall(input={"url": url})))["body"] == "safe"
        assert (await failure(activity(server, tmp_path), url=url)).code == "unreachable"


def _ca_key() -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())
