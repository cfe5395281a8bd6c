"""Promises about whole nodes: who can read what, what never leaves, and the same verdict in any surroundings."""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.parties import BUYER, CARRIER, DEFINITION, NAMES, SUPPLIER
from support.trio import Member, Trio, until
from tallystick.core import canonical
from tallystick.tenants.keystore import Keystore, KeystoreLocked

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
NOBODY = 65534
FILES = ("tenant.db", "keystore.json", "settings.json")
SECRET = f"geheim-{uuid.uuid4()}"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that others may enter, so that what denies them is the nodes' own doing."""
    made = Path(tempfile.mkdtemp(prefix="tally-"))
    yield made
    shutil.rmtree(made)


def _open(folder: Path) -> None:
    folder.chmod(0o755)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(folder: Path) -> AsyncIterator[Trio]:
    three = Trio(folder)
    try:
        await three.start()
        _open(folder)
        yield three
    finally:
        await three.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def collaboration(stage: Trio) -> str:
    """Played to its end; the order's data are for buyer and supplier only."""
    made = await stage.begin(DEFINITION)
    buyer = stage.members[BUYER]
    task = (await buyer.get("/tasks"))["items"][0]["task_id"]
    await buyer.post(f"/tasks/{task}/claim")
    stored = await buyer.http.post(f"/documents?name={SECRET}.txt", content=f"<{SECRET}>".encode())
    values = {"document": {"$file": {"document_id": stored.json()["document_id"]}}, "price": SECRET}
    await buyer.post(f"/tasks/{task}/complete", {"data": values})
    await stage.play(made)
    return made


def spellings(secret: str) -> list[bytes]:
    """The text itself and its base64 at each of the three offsets."""
    raw = secret.encode()
    coded = [base64.urlsafe_b64encode(b"x" * shift + raw)[4 * (shift > 0) : -4] for shift in range(3)]
    return [raw, *coded, raw.hex().encode()]


def holds(data: Path, wanted: list[bytes]) -> list[Path]:
    """The files below a folder in which one of these stands."""
    found = []
    for path in data.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            found += [path] if any(one in content for one in wanted) else []
    return found


async def test_no_undisclosed_value_reaches_who_was_not_given_it(stage: Trio, collaboration: str) -> None:
    wanted = spellings(SECRET)
    assert holds(stage.members[BUYER].data, wanted), "the search itself must find it where it may be"
    assert holds(stage.members[SUPPLIER].data, wanted)
    assert holds(stage.members[CARRIER].data, wanted) == []
    for one in stage.members.values():
        assert not any(each in one.log_bytes() for each in wanted)
    bundle = await stage.members[CARRIER].get(f"/executions/{collaboration}/evidence")
    assert not any(each in canonical.encode(bundle) for each in wanted)
    for item in (await stage.members[CARRIER].get(f"/executions/{collaboration}/timeline"))["items"]:
        assert SECRET not in json.dumps(item)


async def test_files_are_their_owners_alone(stage: Trio) -> None:
    for one in stage.members.values():
        private = [one.data, *(one.data / name for name in ("tenant.db", "keystore.json", "settings.json", "chunks"))]
        assert [path.stat().st_mode & 0o077 for path in private] == [0] * len(private)


def run_as(user: int, *words: str | Path) -> tuple[bool, bytes]:
    """Whether a command run as another user succeeds, and what it prints."""
    ended = subprocess.run(words, user=user, group=user, extra_groups=[], capture_output=True, check=False)
    return ended.returncode == 0, ended.stdout


def can_become_another_user() -> bool:
    """Whether this process may (root may, unless it is root in a user namespace of its own)."""
    try:
        return run_as(NOBODY, "true")[0]
    except PermissionError:
        return False


def opens(user: int, database: Path) -> bool:
    """Whether that user can read the database: this process acts as the user for the moment."""
    os.setegid(user)
    os.seteuid(user)
    try:
        with contextlib.closing(sqlite3.connect(database)) as connection:
            return connection.execute("SELECT count(*) FROM execution").fetchone() is not None
    except sqlite3.OperationalError:
        return False
    finally:
        os.seteuid(0)
        os.setegid(0)


def give(folder: Path, user: int) -> None:
    """Make a folder and all in it another user's."""
    for path in (folder, *folder.rglob("*")):
        with contextlib.suppress(FileNotFoundError):  # the nodes are running
            os.chown(path, user, user, follow_symlinks=False)


@pytest.mark.skipif(not can_become_another_user(), reason="only root can become another user; enable: run as root")
async def test_each_nodes_user_reads_its_own_files_and_database_and_no_others(stage: Trio, folder: Path) -> None:
    """Each node as a user of its own, as the README has it; a stranger gets nothing from any."""
    assert run_as(NOBODY, "ls", folder)[0], "others may come this far, so what follows is the nodes' own doing"
    users = {org: NOBODY - 1 - number for number, org in enumerate(stage.members)}
    names = [*FILES, "chunks", "tls", "nats"]
    try:
        for org, one in stage.members.items():
            give(one.data, users[org])
        for who, user in {**users, "a stranger": NOBODY}.items():
            for org, one in stage.members.items():
                seen = [name for name in names if run_as(user, "ls", one.data / name)[0]]
                read = [name for name in FILES if run_as(user, "cat", one.data / name)[0]]
                own = (names, list(FILES), True) if who == org else ([], [], False)
                assert (seen, read, opens(user, one.data / "tenant.db")) == own, (who, org)
    finally:
        for one in stage.members.values():
            give(one.data, os.getuid())


async def test_a_keystore_opens_for_its_own_organisation_only(stage: Trio) -> None:
    for org, one in stage.members.items():
        path = one.data / "keystore.json"
        assert Keystore.open(path, one.passphrase)
        for other, stranger in stage.members.items():
            if other != org:
                with pytest.raises(KeystoreLocked):
                    Keystore.open(path, stranger.passphrase)


async def test_keys_and_databases_are_shared_by_no_two(stage: Trio) -> None:
    keystores = [Keystore.open(one.data / "keystore.json", one.passphrase) for one in stage.members.values()]
    keys = [key for one in keystores for key in (one.root_public.key, one.signing_key.public_hex, one.chain_address)]
    assert len(set(keys)) == 3 * len(NAMES)
    assert len({(one.data / "tenant.db").stat().st_ino for one in stage.members.values()}) == len(NAMES)


def fetched(member: Member, execution: str, folder: Path) -> Path:
    """The bundle, as `tally evidence` brings it."""
    words = [str(Path(sys.executable).with_name("tally")), "evidence", execution, "-o", str(folder / "bundle.json")]
    who = ["--node", member.url, "--user", "admin", "--password-file", str(member.data.with_suffix(".password"))]
    ended = subprocess.run([*words, *who], capture_output=True, text=True, check=False)
    assert (ended.returncode, "bytes" in ended.stdout) == (0, True), ended.stderr
    return folder / "bundle.json"


def report_in(environment: dict[str, str], here: Path, bundle: Path, trust: Path) -> bytes:
    """What `tally verify` reports in these surroundings."""
    words = [str(Path(sys.executable).with_name("tally")), "verify", str(bundle), "--trust", str(trust), "--json"]
    ended = subprocess.run(words, env={**os.environ, **environment}, cwd=here, capture_output=True, check=False)
    assert ended.returncode == 3, ended.stderr  # there is no chain here, so not all checks can pass
    return ended.stdout


async def test_the_same_verdict_in_any_surroundings(stage: Trio, collaboration: str, folder: Path) -> None:
    """Invariants 1 and 10: locale, time zone, hash seed and working folder change no byte of the report."""
    bundle = await asyncio.to_thread(fetched, stage.members[SUPPLIER], collaboration, folder)
    assert canonical.parse_canonical(bundle.read_bytes())["execution"] == collaboration
    cards = [await one.get("/organisation/card") for one in stage.members.values()]
    organisations = [
        {"org_id": card["id"], "name": card["name"], "root_key": card["public_key"], "chain_org": card["chain_org"]}
        for card in cards
    ]
    trust = folder / "trust.json"
    trust.write_text(json.dumps({"v": 1, "organisations": organisations}))
    surroundings: list[dict[str, str]] = [
        {"LC_ALL": "C", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "1"},
        {"LC_ALL": "tr_TR.UTF-8", "TZ": "America/St_Johns", "PYTHONHASHSEED": "2", "PYTHONOPTIMIZE": "2"},
        {"LC_ALL": "zh_CN.UTF-8", "TZ": "UTC", "PYTHONUTF8": "0"},
    ]
    reports = []
    for number, one in enumerate(surroundings):
        here = folder / f"here-{number}"
        here.mkdir()
        reports.append(report_in(one, here, bundle, trust))
    assert len(set(reports)) == 1
    report: dict[str, Any] = json.loads(reports[0])
    assert [one["status"] for one in report["checks"][:8]] == ["PASS"] * 8


async def test_the_largest_file_reaches_whom_it_is_for(stage: Trio) -> None:
    """64 MiB through both nodes and their message servers, confirmed by the recipient, byte for byte."""
    content = os.urandom(1 << 20) * 64
    name = hashlib.sha256(content).hexdigest()
    made = await stage.begin(DEFINITION)
    buyer, supplier = stage.members[BUYER], stage.members[SUPPLIER]
    task = next(one for one in (await buyer.get("/tasks"))["items"] if one["execution_id"] == made)["task_id"]
    await buyer.post(f"/tasks/{task}/claim")
    stored = await buyer.http.post("/documents?name=large.bin", content=content, timeout=120)
    assert stored.status_code == 201, stored.text
    value = {"$file": {"document_id": stored.json()["document_id"]}}
    await buyer.post(f"/tasks/{task}/complete", {"data": {"document": value}})

    async def received() -> bool | None:
        seen = await buyer.get(f"/collaborations/{made}")
        return any(one["task"] == "order.1" for one in seen["completed_activities"]) or None

    await until(received)
    there = await supplier.http.get(f"/documents/{name}/content", timeout=120)
    assert there.content == content
    assert (await stage.members[CARRIER].http.get(f"/documents/{name}/content")).status_code == 404
