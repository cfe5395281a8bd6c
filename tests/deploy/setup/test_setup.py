"""Set-up says what is missing, does nothing the second time, and takes only what the locks name."""

import json
import os
import subprocess
import sys
from pathlib import Path

import checks
import commands
import node_tools
import pytest
from stamps import Stamp, digest

ROOT = Path(__file__).resolve().parents[3]
BOOTSTRAP = ROOT / "deploy" / "setup" / "bootstrap.py"
NATIVE = "node_modules/@foundry-rs/anvil-linux-amd64"
META = "node_modules/@foundry-rs/anvil"


def npm_tree(root: Path, *, locked: dict[str, str], placed: dict[str, str]) -> Path:
    """Write a lock and what npm says it placed, each entry `version` and perhaps `integrity`."""
    meta = {"version": "1.7.1", "integrity": "sha512-meta"}
    lock = root / "package-lock.json"
    (root / "node_modules").mkdir()
    lock.write_text(json.dumps({"packages": {META: meta, NATIVE: locked}}), encoding="utf-8")
    hidden = root / "node_modules" / ".package-lock.json"
    hidden.write_text(json.dumps({"packages": {META: meta, NATIVE: placed}}), encoding="utf-8")
    return lock


def test_this_machine_lacks_nothing() -> None:
    assert checks.lacks(ROOT) == []


def test_a_missing_module_is_named_with_its_debian_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_importable", lambda name: name != "ensurepip")
    (lack,) = checks.lacks(ROOT)
    assert "`ensurepip`" in lack.what
    assert lack.mend == f"apt-get install python{sys.version_info[0]}.{sys.version_info[1]}-venv"


def test_everything_missing_is_said_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(checks, "_importable", lambda _: False)
    monkeypatch.setattr(checks, "DISK_NEEDED", 2**80)
    monkeypatch.setenv("PATH", str(tmp_path))
    said = " ".join(lack.what for lack in checks.lacks(tmp_path))
    assert all(word in said for word in ("venv", "ensurepip", "ssl", "sqlite3", "make", "free disk"))


def test_a_second_set_up_does_nothing_and_says_nothing() -> None:
    unreachable = {**os.environ, "PIP_INDEX_URL": "http://127.0.0.1:9/", "npm_config_registry": "http://127.0.0.1:9/"}
    words = [getattr(sys, "_base_executable", sys.executable), str(BOOTSTRAP)]
    done = subprocess.run(words, cwd=ROOT, env=unreachable, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_stamp_holds_for_its_inputs_only(tmp_path: Path) -> None:
    place = tmp_path / "stamp.json"
    stamp = Stamp(place, digest("3.11", "lock"))
    assert not stamp.current()
    stamp.set("absent")
    assert stamp.note() == "absent"
    assert not Stamp(place, digest("3.12", "lock")).current()
    assert digest("ab", "c") != digest("a", "bc")


@pytest.mark.parametrize("damage", ["", "not json", "{}"])
def test_a_damaged_stamp_is_no_stamp(tmp_path: Path, damage: str) -> None:
    place = tmp_path / "stamp.json"
    place.write_text(damage, encoding="utf-8")
    assert not Stamp(place, digest("x")).current()


def test_a_failing_client_is_quoted_and_named(tmp_path: Path) -> None:
    script = "import sys; print('no such package 轴承'); sys.exit(3)"
    with pytest.raises(commands.SetupError, match="installing: failed with code 3\n    no such package 轴承"):
        commands.run("installing", [sys.executable, "-c", script], cwd=tmp_path)


def test_a_client_that_is_not_there_is_a_set_up_error(tmp_path: Path) -> None:
    with pytest.raises(commands.SetupError, match="installing"):
        commands.run("installing", [tmp_path / "npm"], cwd=tmp_path)


def test_anvil_with_the_locked_hash_is_taken(tmp_path: Path) -> None:
    entry = {"version": "1.7.1", "integrity": "sha512-a"}
    lock = npm_tree(tmp_path, locked=entry, placed=entry)
    assert node_tools._check_native(tmp_path, lock, "anvil") == tmp_path / NATIVE / "bin" / "anvil"


@pytest.mark.parametrize(
    "placed", [{"version": "1.7.1", "integrity": "sha512-b"}, {"version": "1.7.1"}, {"version": "1.7.0"}]
)
def test_anvil_that_the_lock_does_not_name_is_refused(tmp_path: Path, placed: dict[str, str]) -> None:
    lock = npm_tree(tmp_path, locked={"version": "1.7.1", "integrity": "sha512-a"}, placed=placed)
    with pytest.raises(commands.SetupError, match=r"package-lock\.json"):
        node_tools._check_native(tmp_path, lock, "anvil")


def test_anvil_without_a_locked_hash_is_refused(tmp_path: Path) -> None:
    lock = npm_tree(tmp_path, locked={"version": "1.7.1"}, placed={"version": "1.7.1", "integrity": "sha512-a"})
    with pytest.raises(commands.SetupError, match=f"no hash for {NATIVE}"):
        node_tools._check_native(tmp_path, lock, "anvil")


def test_every_npm_package_is_locked_by_hash_for_every_system() -> None:
    """npm leaves out other systems' packages where its registry does not answer for them, and says nothing."""
    packages = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    wanted = {f"node_modules/{name}" for name in packages[META]["optionalDependencies"]}
    assert {f"{META}-{one}" for one in ("linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64")} <= wanted
    assert wanted <= set(packages)
    assert [name for name, one in packages.items() if name and "integrity" not in one] == []


@pytest.mark.parametrize(("says", "major"), [("v20.20.2", 20), ("11.19.1", 11), ("nonsense", 0)])
def test_versions_of_node_and_npm(tmp_path: Path, says: str, major: int) -> None:
    program = tmp_path / "node"
    program.write_text(f"#!/bin/sh\necho {says}\n", encoding="utf-8")
    program.chmod(0o755)
    assert node_tools._major(str(program), os.defpath) == major
    assert node_tools._major(str(tmp_path / "none"), os.defpath) == 0


def test_programs_of_this_folder_are_not_taken_for_the_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, machine = tmp_path / "checkout" / "node_modules" / ".bin", tmp_path / "usr" / "bin"
    for folder, says in ((own, "v24.0.0"), (machine, "v22.0.0")):
        folder.mkdir(parents=True)
        for name in ("node", "npm"):
            (folder / name).write_text(f"#!/bin/sh\necho {says}\n", encoding="utf-8")
            (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{own}{os.pathsep}{machine}")
    assert node_tools._node(tmp_path / "checkout") == (machine / "node", [str(machine / "npm")])
