"""`tally keys sign` without a network, `tally keys root` beside a node, and what doctor says of the root key."""

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from support.alone import PASSPHRASE
from tallystick.core import jws
from tallystick.core.keys import SigningKey
from tallystick.core.statement import STATEMENT
from tallystick.node.cli import main as cli
from tallystick.node.cli.checkup_root import root_key as findings
from tallystick.node.cli.root_signing import SignedFile, ToSignFile
from tallystick.tenants import root_key
from tallystick.tenants.folder_lock import FolderLock
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.root_key import RootKey

OTHER = "another passphrase 根密钥"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RootKey:
    """One in its file, and its passphrase in the environment."""
    tmp_path.chmod(0o700)
    monkeypatch.setenv(root_key.VARIABLE, OTHER)
    made = RootKey("huaxia", SigningKey.generate())
    root_key.write(tmp_path / "root.json", OTHER, made)
    return made


def inputs(root: RootKey, number: int, **changes: Any) -> list[str]:
    """Revocations in as many executions."""
    payload = {"v": 1, "iss": "huaxia", "aud": "ab" * 32, "kind": "revoke_key", "basis": None, "iat": 1}
    body = {"kid": "ef" * 8, "reason": "lost"}
    return [
        jws.unsigned(root.key, STATEMENT, {**payload, "execution": f"{at:064x}", "body": body, **changes})
        for at in range(number)
    ]


def sign(folder: Path, *more: str) -> int:
    files = ("--root-key", str(folder / "root.json"), "--from", str(folder / "a"), "--to", str(folder / "b"))
    return cli.main(["keys", "sign", *files, *more])


def write(path: Path, **content: Any) -> None:
    path.write_text(json.dumps({"v": 1, "kind": "tallystick-to-sign", **content}), encoding="utf-8")


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_what_is_signed_offline_is_shown_from_its_bytes(
    root: RootKey, tmp_path: Path, capsys: pytest.CaptureFixture[str], language: str
) -> None:
    write(tmp_path / "a", signing_inputs=inputs(root, 201))
    assert sign(tmp_path, "--yes", "--lang", language) == 0
    said = capsys.readouterr().out
    assert said.count("ef" * 8) == 201
    tokens = json.loads((tmp_path / "b").read_text())["tokens"]
    assert [jws.read(one, STATEMENT).payload["execution"] for one in tokens] == [f"{at:064x}" for at in range(201)]
    for one in tokens:
        jws.verify(jws.read(one, STATEMENT), root.key.public_hex)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"signing_inputs": ["x"]}, ""),
        ({"signing_inputs": 7}, "not what is expected"),
        ({"signing_inputs": [], "extra": 1}, "not what is expected"),
        ({"signing_inputs": [], "kind": "tallystick-signed"}, "not what is expected"),
        ({"signing_inputs": ["x"] * 10_001}, "more than 10000"),
    ],
)
def test_files_that_are_something_else_are_refused(
    root: RootKey, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: dict[str, Any], said: str
) -> None:
    write(tmp_path / "a", **content)
    assert sign(tmp_path, "--yes") == cli.REFUSED
    assert said in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_one_that_is_not_for_this_root_stops_all(root: RootKey, tmp_path: Path) -> None:
    write(tmp_path / "a", signing_inputs=[*inputs(root, 2), *inputs(root, 1, iss="nordic")])
    assert sign(tmp_path, "--yes") == cli.REFUSED
    assert not (tmp_path / "b").exists()


def test_nothing_is_signed_unasked(root: RootKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a", signing_inputs=inputs(root, 1))
    assert sign(tmp_path) == cli.REFUSED, "there is no terminal"
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "y")
    assert sign(tmp_path) == cli.REFUSED
    assert not (tmp_path / "b").exists()
    monkeypatch.setattr("builtins.input", lambda _: "yes")
    assert sign(tmp_path) == 0


def test_a_wrong_passphrase_and_wrong_usage(
    root: RootKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a", signing_inputs=inputs(root, 1))
    assert cli.main(["keys", "sign", "--from", "a", "--to", "b"]) == cli.REFUSED
    assert "--root-key" in capsys.readouterr().err
    monkeypatch.setenv(root_key.VARIABLE, "wrong horse battery")
    assert sign(tmp_path, "--yes") == cli.REFUSED
    assert "wrong horse" not in capsys.readouterr().err


def test_the_files_name_themselves() -> None:
    assert (ToSignFile(signing_inputs=[]).kind, SignedFile(tokens=[]).kind) == (
        "tallystick-to-sign",
        "tallystick-signed",
    )


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An organisation's folder."""
    monkeypatch.setenv("TALLYSTICK_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv(root_key.VARIABLE, OTHER)
    tmp_path.chmod(0o700)
    (tmp_path / "password").write_text(PASSPHRASE, encoding="utf-8")
    words = ["--data", str(tmp_path / "org"), "--org-id", "huaxia", "--name", "华夏", "--domain", "huaxia.example"]
    assert cli.main(["init", *words, "--admin-password-file", str(tmp_path / "password")]) == 0
    return tmp_path / "org"


def test_the_root_key_is_moved_only_while_no_node_runs_and_doctor_says_where_it_is(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def move(direction: str, file: Path) -> int:
        return cli.main(["keys", "root", direction, "--data", str(data), "--root-key", str(file)])

    assert [one.state for one in findings(data)] == ["ok"]
    with FolderLock(data, alone=False):
        assert move("take-out", tmp_path / "root.json") == cli.REFUSED
    assert move("take-out", data / "root.json") == cli.REFUSED, "not beside the node's other keys"
    assert not (tmp_path / "root.json").exists()
    assert move("take-out", tmp_path / "root.json") == 0
    [found] = findings(data)
    assert (found.state, found.fails) == ("awaited", False), "no card has been signed yet"
    assert move("take-out", tmp_path / "root.json") == cli.REFUSED
    assert "root_key_away" not in capsys.readouterr().out
    assert move("put-back", tmp_path / "root.json") == 0
    assert Keystore.open(data / "keystore.json", PASSPHRASE).root_key is not None


@pytest.mark.parametrize("direction", ["take-out", "put-back"])
def test_a_command_killed_at_any_moment_leaves_the_key_in_one_place_at_least(
    data: Path, tmp_path: Path, direction: str
) -> None:
    """And the next one comes to the end."""
    path, tally = tmp_path / "root.json", str(Path(sys.executable).with_name("tally"))
    keystore = Keystore.open(data / "keystore.json", PASSPHRASE)
    seed = keystore.need_root_key().seed
    if direction == "put-back":
        root_key.take_out(keystore, "huaxia", path, OTHER)
    command = [tally, "keys", "root", direction, "--data", str(data), "--root-key", str(path)]
    began = time.monotonic()
    subprocess.run([*command, "--help"], check=True, stdout=-3)
    start = time.monotonic() - began  # what loading the program takes; the work comes after it
    for step in range(8):
        process = subprocess.Popen(command, stdout=-3, stderr=-3)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(start + step * 0.1)
        process.kill()
        process.wait()
        held = Keystore.open(data / "keystore.json", PASSPHRASE).root_key
        kept = root_key.read(path, OTHER).key if path.exists() else held
        assert seed in {held and held.seed, kept and kept.seed}
        if (held is None) == (direction == "take-out"):
            break
    if (held is None) != (direction == "take-out"):
        assert subprocess.run(command, check=False).returncode == 0
    assert root_key.read(path, OTHER).key.seed == seed
    assert (Keystore.open(data / "keystore.json", PASSPHRASE).root_key is None) == (direction == "take-out")
