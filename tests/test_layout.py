"""The repository's own rules: roots and packages, layers, locks, and nothing that ties it to one registry."""

from __future__ import annotations

import ast
import importlib
import json
import platform
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOTS = ("platform", "tenants", "ledger", "edge_agent")
LOCKS = ("build", "dev", "fast", "second", "node")
# Written in halves, so that this file does not hold what it looks for.
HOSTS = tuple(
    ".".join(halves).encode()
    for halves in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("npmmirror", "com"),
        ("deb.debian", "org"),
        ("proxy.golang", "org"),
    )
)
# A lock line's digest, or `name==version`.
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)", re.MULTILINE)


def repository_files() -> list[Path]:
    """Return the files that git tracks or would track."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:  # an archive of the sources, without git
        kept = (path for top in (*ROOTS, "tests", "deploy", "requirements") for path in (ROOT / top).rglob("*"))
        return [path for path in kept if path.is_file() and "__pycache__" not in path.parts]
    paths = (ROOT / name for name in listed.stdout.decode().split("\0") if name)
    return [path for path in paths if path.is_file()]


def pins(lock: str) -> set[tuple[str, str]]:
    """Return the (name, version) pairs that a lock names."""
    return set(PIN.findall((ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")))


@pytest.mark.parametrize("root", ROOTS)
def test_roots_and_the_namespace_hold_no_package_file(root: str) -> None:
    assert not (ROOT / root / "__init__.py").exists()
    assert not (ROOT / root / "tallystick" / "__init__.py").exists()


def test_the_standard_library_keeps_its_platform_module() -> None:
    assert platform.__file__ is not None
    assert Path(platform.__file__).is_relative_to(sysconfig.get_path("stdlib"))


def test_no_package_file_holds_code() -> None:
    full = [
        path.relative_to(ROOT)
        for path in repository_files()
        if path.name == "__init__.py"
        for node in ast.parse(path.read_bytes()).body
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]
    assert not full


@pytest.mark.parametrize("package", ["core", "tenants", "ledger", "node", "edge_agent"])
def test_packages_come_from_their_roots(package: str) -> None:
    found = importlib.import_module(f"tallystick.{package}").__file__
    assert found is not None
    assert ROOT in Path(found).parents


def test_layers_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_names_a_registry() -> None:
    tied = [
        (str(path.relative_to(ROOT)), host.decode())
        for path in repository_files()
        for host in HOSTS
        if host in path.read_bytes()
    ]
    assert not tied


def test_licence_is_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes(lock: str) -> None:
    lines = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8").splitlines()
    requirements = "\n".join(lines).replace("\\\n", " ")
    bare = [line for line in requirements.splitlines() if line[:1].isalnum() and "--hash=sha256:" not in line]
    assert not bare
    assert pins(lock)


def test_locks_agree_with_each_other() -> None:
    everything = pins("dev")
    assert pins("build") <= everything
    names = {name for name, _ in everything}
    for optional in ("fast", "second"):
        assert {pin for pin in pins(optional) if pin[0] in names} <= everything


def test_locks_cover_what_pyproject_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *extras["audit"], *extras["node"], *extras["dev"]]
    names = {re.split(r"[\[<>=!~ ;]", line, maxsplit=1)[0].lower().replace("_", "-") for line in asked}
    assert names - {"tallystick"} <= {name for name, _ in pins("dev")}


def test_npm_lock_pins_what_this_machine_installs() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    placed = json.loads((ROOT / "node_modules" / ".package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert not [name for name, entry in packages.items() if "resolved" in entry]
    assert {name: entry["integrity"] for name, entry in placed.items()} == {
        name: packages[name].get("integrity") for name in placed
    }
