"""`tally doctor` names what is missing, old, taken or too open, says how to mend it, and exits accordingly."""

import ast
import json
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tallystick.node.cli import checkup, doctor
from tallystick.node.cli.checkup import Finding
from tallystick.tenants import tls

ROOT = Path(__file__).resolve().parents[3]


def program(folder: Path, name: str, says: str) -> None:
    """Put a program into `folder` that prints `says`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def port() -> Iterator[int]:
    """Give a port that someone listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_this_checkout_is_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main([]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("what")
    assert printed.endswith("all that is required is here\n")


def test_certificates_that_end_soon_are_named(tmp_path: Path) -> None:
    short = tls.LIFETIMES._replace(certificate=timedelta(days=20), renew=timedelta(days=1))
    tmp_path.chmod(0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    tls.ensure(tmp_path / "acme" / "tls", ca_key=key, org_id="acme", lifetimes=short)
    (tmp_path / "acme" / "tls" / "client.pem").write_text("damaged")
    found = {one.what.rpartition("/")[2]: one for one in checkup.certificates(tmp_path)}
    assert {name: one.state for name, one in found.items()} == {
        "ca.pem": "ok",
        "client.pem": "broken",
        "server.pem": "ends soon",
    }
    assert all(one.mend for one in found.values() if one.state != "ok")


def test_something_required_that_is_missing_fails_and_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [Finding("solc", "missing", mend="make setup"), Finding("mosquitto", "missing", required=False)]
    monkeypatch.setattr(doctor, "findings", lambda data: found)
    assert doctor.main([]) == 1
    printed = capsys.readouterr().out
    assert "to mend first: solc\n" in printed
    assert "mosquitto  missing (optional)" in printed


@pytest.mark.parametrize(
    ("says", "state"), [("nats-server: v2.15.1", "ok"), ("nats-server: v2.9.25", "too old"), ("?", "broken")]
)
def test_a_program_is_judged_by_the_version_it_prints(tmp_path: Path, says: str, state: str) -> None:
    program(tmp_path, "nats-server", says)
    found = checkup.program("nats-server", tmp_path, oldest=(2, 11), mend="make setup")
    assert found.state == state
    assert found.mend == ("" if state == "ok" else "make setup")


def test_a_program_that_is_nowhere_is_missing(tmp_path: Path) -> None:
    assert checkup.program("no-such-program", tmp_path, oldest=(1,), mend="").state == "missing"


def test_packages_are_compared_with_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "requirements" / "dev.txt"
    lock.parent.mkdir()
    lock.write_text(
        "msgspec==0.0.1 \\\n    --hash=sha256:00\nno-such-package==1.0 \\\n    --hash=sha256:00\n"
        "for-windows==1.0 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n",
        encoding="utf-8",
    )
    (found,) = checkup.packages(tmp_path)
    assert found.state == "differs"
    assert "no-such-package missing" in found.detail
    assert "msgspec 0." in found.detail
    assert "windows" not in found.detail


def test_an_install_without_a_lock_is_fine(tmp_path: Path) -> None:
    (found,) = checkup.packages(tmp_path)
    assert not found.fails


@pytest.mark.parametrize(("pinned", "state"), [("sha512-a", "ok"), ("sha512-b", "not pinned"), (None, "not pinned")])
def test_anvil_is_the_package_that_the_lock_names(tmp_path: Path, pinned: str | None, state: str) -> None:
    name = "node_modules/@foundry-rs/anvil-linux-amd64"
    program(tmp_path / "node_modules" / ".bin", "anvil", "anvil Version: 1.7.1")
    entry = {"version": "1.7.1"} | ({"integrity": pinned} if pinned else {})
    (tmp_path / "package-lock.json").write_text(json.dumps({"packages": {name: entry}}), encoding="utf-8")
    placed = {"packages": {name: {"version": "1.7.1", "integrity": "sha512-a"}}}
    (tmp_path / "node_modules" / ".package-lock.json").write_text(json.dumps(placed), encoding="utf-8")
    assert checkup.anvil(tmp_path).state == state


def test_a_taken_port_is_told_and_does_not_fail(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setattr(checkup, "PORTS", {port: "the chain"})
    (found,) = checkup.ports()
    assert found.state == "taken"
    assert not found.fails


def test_usual_ports_are_those_that_the_demo_takes() -> None:
    # Read, not imported: the demo brings the whole server side along.
    tree = ast.parse((ROOT / "platform/tallystick/node/demo/stack.py").read_bytes())
    assigned = [node for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)]
    values = {node.targets[0].id: node.value for node in assigned if isinstance(node.targets[0], ast.Name)}
    chain, first = ast.literal_eval(values["CHAIN_PORT"]), ast.literal_eval(values["NODE_PORT"])
    assert set(checkup.PORTS) == {chain, first, first + 1, first + 2}


def test_a_keystore_that_others_may_read_fails(tmp_path: Path) -> None:
    keystore = tmp_path / "华夏 a!b" / "keystore.json"
    keystore.parent.mkdir()
    keystore.write_text("{}", encoding="utf-8")
    keystore.chmod(0o640)
    (found,) = checkup.private(tmp_path)
    assert found.fails
    assert str(keystore) in found.detail
    keystore.chmod(0o600)
    (found,) = checkup.private(tmp_path)
    assert not found.fails


def test_no_data_folder_is_nothing_to_say(tmp_path: Path) -> None:
    assert not list(checkup.private(tmp_path / "none"))


def test_too_little_disk_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(checkup, "DISK_BYTES", 2**80)
    assert checkup.disk(tmp_path).fails
