"""`tally verify` as an auditor runs it: exit statuses, languages, the chain asked beside, and nothing else loaded."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest

from ledger.audit.world import World, unanchored
from tallystick.core import canonical
from tallystick.core.errors import Invalid, UnknownVersion
from tallystick.ledger.audit import command, onchain, trust
from tallystick.ledger.audit.texts import ENGLISH, LANGUAGES, text
from tallystick.ledger.proofs import LeafProof


class Files:
    """An auditor's two files."""

    def __init__(self, folder: Path) -> None:
        self.bundle, self.trust = folder / "证据 file.json", folder / "trust.json"

    def write(self, bundle: Any, trusted: Any) -> None:
        self.bundle.write_bytes(canonical.encode(bundle))
        self.trust.write_text(json.dumps(msgspec.to_builtins(trusted), indent=2))

    def run(self, *more: str) -> int:
        return command.main([str(self.bundle), "--trust", str(self.trust), *more])


@pytest.fixture
def files(tmp_path: Path, world: World) -> Files:
    made = Files(tmp_path)
    made.write(world.bundle, world.trust)
    return made


def test_honest_evidence(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    assert files.run() == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in said[:20]] == ["PASS"] * 20
    assert said[-1].endswith("PASS")


def test_every_text_exists_in_every_language(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(LANGUAGES) == {"en", "zh-CN"}
    for language in LANGUAGES:
        assert files.run("--lang", language) == 0
    said = capsys.readouterr().out
    assert "通过" in said
    assert text("verdict", ENGLISH, verdict="x") != text("verdict", "zh-CN", verdict="x")


def test_what_fails_and_what_is_open(files: Files, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    files.write({**world.bundle, "execution": "ab" * 32}, world.trust)
    assert files.run() == 1
    _, bundle, trusted = unanchored()
    files.write(bundle, trusted)
    assert files.run() == 3
    assert "INDETERMINATE" in capsys.readouterr().out.splitlines()[-1]


def test_json_has_everything(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    assert files.run("--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["verdict"], len(found["checks"]), found["scope"]["entries"]) == ("PASS", 21, 12)
    assert "on_chain" not in found


@pytest.mark.parametrize("spoil", ["no bundle", "no trust", "a trust of nonsense", "another version", "a name twice"])
def test_inputs_that_cannot_be_read(files: Files, spoil: str, capsys: pytest.CaptureFixture[str]) -> None:
    trusted = json.loads(files.trust.read_text())
    if spoil == "no bundle":
        files.bundle.unlink()
    elif spoil == "no trust":
        files.trust.unlink()
    elif spoil == "a trust of nonsense":
        files.trust.write_text(json.dumps({**trusted, "organisations": "all"}))
    elif spoil == "another version":
        files.trust.write_text(json.dumps({**trusted, "v": 2}))
    else:
        files.trust.write_text(json.dumps({**trusted, "organisations": trusted["organisations"][:1] * 2}))
    assert files.run() == 2
    assert capsys.readouterr().err.startswith("tally verify: ")


def test_what_a_trust_file_may_hold() -> None:
    with pytest.raises(UnknownVersion):
        trust.read(b"[]")
    with pytest.raises(Invalid, match="trust file"):
        trust.read(b'{"v":1,"organisations":[],"more":1}')


class Endpoint:
    """A JSON-RPC endpoint that answers what it is told to; `asked` keeps the questions."""

    def __init__(self) -> None:
        self.answer: bytes = b""
        self.asked: list[Any] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(outer.answer)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def say(self, result: Any) -> None:
        self.answer = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.server.shutdown()
    made.server.server_close()


def _proofs(world: World) -> list[LeafProof]:
    return [msgspec.convert(one, LeafProof) for one in world.bundle["anchors"]]


def test_the_contract_is_asked_beside(
    files: Files, world: World, endpoint: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stand-in answers here; the real contract does in ``test_anchoring``."""
    endpoint.say("0x" + "1".zfill(64))
    assert files.run("--on-chain", endpoint.url) == 0
    assert len(endpoint.asked) == len(world.bundle["anchors"]) == 6
    assert endpoint.asked[0]["params"][0]["data"] == "0x" + onchain.call_data(_proofs(world)[0]).hex()
    capsys.readouterr()
    endpoint.say("0x" + "0" * 64)
    assert files.run("--on-chain", endpoint.url, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "PASS"
    assert {one["holds"] for one in found["on_chain"]} == {False}


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b"{}", b"[" * 100_000, b'{"result": 7}', b'{"result": "0x02"}', b"\xff"]
)
def test_an_endpoint_that_says_nothing_of_use(files: Files, endpoint: Endpoint, answer: bytes) -> None:
    endpoint.answer = answer
    assert files.run("--on-chain", endpoint.url) == 0  # the endpoint's silence is no denial


def test_an_answer_that_is_no_boolean(world: World, endpoint: Endpoint) -> None:
    endpoint.say("0x" + "2".zfill(64))
    proofs = _proofs(world)
    answers = onchain.ask(endpoint.url, proofs, proofs[0].execution_ledger)
    assert {(one.holds, one.reason) for one in answers} == {(None, "no boolean")}


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "file:///etc/passwd", "ftp://x"])
def test_an_endpoint_that_is_none(world: World, url: str) -> None:
    proofs = _proofs(world)
    assert {one.holds for one in onchain.ask(url, proofs, proofs[0].execution_ledger)} == {None}
    assert {one.holds for one in onchain.ask(url, proofs, None)} == {None}


def test_an_index_beyond_the_contracts_type(world: World) -> None:
    proof = msgspec.convert({**world.bundle["anchors"][0], "index": 2**64}, LeafProof)
    with pytest.raises(Invalid):
        onchain.call_data(proof)


def test_a_bundle_that_cannot_be_read_asks_nobody(files: Files, endpoint: Endpoint) -> None:
    files.bundle.write_bytes(b"{")
    assert files.run("--on-chain", endpoint.url) == 1
    assert endpoint.asked == []


PROBE = """
import sys
from tallystick.node.cli.main import main
status = main(sys.argv[1:])
heavy = {"web3", "eth_account", "starlette", "hypercorn", "sqlalchemy", "sqlmodel", "nats", "cryptography", "httpx2"}
print(sorted(heavy & set(sys.modules)), file=sys.stderr)
sys.exit(status)
"""


@pytest.mark.parametrize("cut", [False, True])
def test_it_needs_no_server_no_chain_client_and_no_network(files: Files, cut: bool) -> None:
    words = [sys.executable, "-c", PROBE, "verify", str(files.bundle), "--trust", str(files.trust)]
    if cut:
        if subprocess.run(["unshare", "-rn", "true"], check=False, capture_output=True).returncode:
            pytest.skip("no network namespaces here; enable: run as root, or allow user namespaces")
        words = [str(shutil.which("unshare")), "-rn", *words]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr.strip()) == (0, "[]"), ended.stderr
