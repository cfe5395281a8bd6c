"""Three organisations on three real nodes, each a process with its own nats-server, met only through their APIs."""

import asyncio
import contextlib
import io
import os
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest

from support.chain import LocalChain
from support.nursery import Child, born
from support.parties import NAMES
from tallystick.node.cli.main import main as tally

PASSWORD = "a!b@c$d()e*_,/:;=?@ff[]22 密码"
PATIENCE_S = 60.0
API = "/api/v1"
T = TypeVar("T")


class Member:
    """One organisation's node and its administrator's session."""

    def __init__(self, org: str, folder: Path, name: str | None = None) -> None:
        self.org = org
        self.name = name or NAMES[org]
        self.data = folder / org
        self.url = ""
        self.process: Child | None = None
        self._log = folder / f"{org}.log"
        self._http: httpx2.AsyncClient | None = None
        self.passphrase = f"correct horse battery staple of {org}"
        self._environment = {**os.environ, "TALLYSTICK_PASSPHRASE": self.passphrase}

    @property
    def http(self) -> httpx2.AsyncClient:
        """A signed-in client."""
        assert self._http is not None
        return self._http

    async def init(self, *more: str) -> None:
        """Make the organisation as `tally init` does, which gets `more`; here, where derived keys may cost little."""
        password = self.data.with_suffix(".password")
        password.write_text(PASSWORD)
        words = ("--data", str(self.data), "--org-id", self.org, "--name", self.name)
        rest = ("--domain", f"{self.org}.example", "--admin-password-file", str(password))
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
            for name, value in self._environment.items():
                patch.setenv(name, value)
            assert tally(["init", *words, *rest, *more]) == 0

    async def tally(self, *words: str) -> str:
        """What a command says about this organisation's data folder."""
        process = await asyncio.create_subprocess_exec(
            *_tally(), *words, "--data", str(self.data), env=self._environment, stdout=-1
        )
        said, _ = await process.communicate()
        assert process.returncode == 0
        return said.decode()

    async def start(self) -> None:
        """Run the node and sign in."""
        self._log.touch()
        begin = self._log.stat().st_size
        self.process = born("node", "--data", str(self.data), env=self._environment, output=self._log)
        self.url = await until(lambda: self._ready(begin))
        self._http = httpx2.AsyncClient(base_url=self.url + API, timeout=20, trust_env=False)
        answer = await self._http.post("/sessions", json={"username": "admin", "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        self._http.headers["authorization"] = f"Bearer {answer.json()['access_token']}"

    async def _ready(self, begin: int) -> str | None:
        assert self.process is not None
        assert self.process.returncode is None, self.log()
        match = re.search(r"^ready (http\S+)", self._log.read_bytes()[begin:].decode(), re.MULTILINE)
        return match.group(1) if match else None

    def log(self) -> str:
        """The end of the node's log."""
        return self._log.read_text()[-4000:]

    def log_bytes(self) -> bytes:
        """The whole log."""
        return self._log.read_bytes()

    async def kill(self) -> None:
        """End the node as ``kill -9`` does."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()
        await self.http.aclose()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The node does nothing for the block, and goes on afterwards as if no time had passed."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

    async def ensure_started(self) -> None:
        """Run the node again if a test ended it."""
        if self.process is None or self.process.returncode is not None:
            await self.start()

    async def stop(self) -> None:
        """End the node in order."""
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()
        if self._http is not None:
            await self._http.aclose()

    def nats_pid(self) -> int:
        """The process id of the node's own nats-server: the child whose configuration lies in our data folder."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if b"nats-server" in words and str(self.data).encode() in words:
                    return int(entry.name)
        raise AssertionError(f"{self.org} runs no nats-server")

    def kill_nats(self) -> None:
        """End its nats-server as ``kill -9`` does."""
        os.kill(self.nats_pid(), signal.SIGKILL)

    async def get(self, path: str) -> Any:
        """A resource's JSON."""
        answer = await self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """What a POST answers."""
        answer = await self.http.post(path, json=body or {})
        assert answer.status_code in {200, 201, 202}, f"{path}: {answer.text}"
        return answer.json()


class Trio:
    """The three (or those of ``names``), introduced to each other; with a chain they anchor on it."""

    def __init__(self, folder: Path, chain: LocalChain | None = None, names: Mapping[str, str] = NAMES) -> None:
        folder.chmod(0o700)
        self.chain = chain
        self.members = {org: Member(org, folder, name) for org, name in names.items()}
        self.databases: dict[str, str] = {}  # URLs; who is not among them has SQLite in its folder

    async def start(self, prepare: Callable[[], None] = lambda: None) -> None:
        """Make, run and introduce them; ``prepare`` is called between the first two, to change settings."""
        words = self.chain.words if self.chain else []
        await asyncio.gather(*(one.init(*words, *self._database(one.org)) for one in self.members.values()))
        prepare()
        await asyncio.gather(*(one.start() for one in self.members.values()))
        cards = {org: await one.get("/organisation/card") for org, one in self.members.items()}
        if self.chain:
            await self.chain.fund(*(card["chain_admin"] for card in cards.values()))
        for org, one in self.members.items():
            for other, card in cards.items():
                if other != org:
                    answer = await one.http.put(f"/partners/{other}", json={"card": card["card"]})
                    assert answer.status_code in {200, 201}, answer.text

    async def ensure_started(self) -> None:
        """Run those again that a test ended."""
        for one in self.members.values():
            await one.ensure_started()

    def _database(self, org: str) -> tuple[str, ...]:
        return ("--database-url", self.databases[org]) if org in self.databases else ()

    async def stop(self) -> None:
        """End everything."""
        await asyncio.gather(*(one.stop() for one in self.members.values()))

    async def begin(self, definition: dict[str, Any], terms: dict[str, Any] | None = None) -> str:
        """Propose by the first participant, accepted by all, started; the collaboration's id."""
        first, *others = [self.members[one["org_id"]] for one in definition["participants"]]
        proposed = await first.post("/collaborations", {"definition": definition, "terms": terms or {}})
        path = f"/collaborations/{proposed['collaboration_id']}"
        for one in others:
            await until(partial(_known, one, path))
            await one.post(f"{path}/consent", {"decision": "accepted"})
        await self.status(first, path, "ready")
        await first.post(f"{path}/start", {"input": {}})
        return str(proposed["collaboration_id"])

    async def status(self, member: Member, path: str, *wanted: str) -> dict[str, Any]:
        """The collaboration, once it is in one of the states."""

        async def look() -> dict[str, Any] | None:
            found: dict[str, Any] = await member.get(path)
            return found if found["status"] in wanted else None

        return await until(look)

    async def play(self, collaboration: str, *, approve: bool = True) -> dict[str, dict[str, Any]]:
        """Answer every task until all three see the end; each one's execution then."""
        path = f"/executions/{collaboration}"

        async def look() -> dict[str, dict[str, Any]] | None:
            for one in self.members.values():
                await work(one, approve=approve)
            seen = {org: await one.get(path) for org, one in self.members.items()}
            done = all(_settled(one) for one in seen.values())
            return seen if done else None

        return await until(look)


def _settled(execution: dict[str, Any]) -> bool:
    attested = [one for one in execution["attested_by"] if one["size"] == execution["size"]]
    return execution["status"] in {"completed", "failed", "cancelled", "terminated"} and len(attested) == len(NAMES)


async def work(member: Member, *, approve: bool = True) -> None:
    """One round of a member's staff: answer open tasks, acknowledge what asks for it."""
    for task in (await member.get("/tasks"))["items"]:
        if task["status"] != "open":
            continue
        path = f"/tasks/{task['task_id']}"
        claimed = await member.http.post(f"{path}/claim", json={})
        if claimed.is_error and claimed.json().get("state") == "cancelled":
            continue  # its execution was cancelled since it was listed
        assert not claimed.is_error, claimed.text
        if task["task_type"] == "approval":
            await member.post(f"{path}/{'approve' if approve else 'reject'}", {"comments": "看过 了"})
        else:
            await member.post(f"{path}/complete", {"data": await answers(member, task["form"])})
    for note in (await member.get("/notifications"))["items"]:
        if note["requires_acknowledgment"] and not note["acknowledged"]:
            await member.http.post(f"/notifications/{note['id']}/acknowledge")


async def each_effect_once(trio: Trio, collaboration: str) -> None:
    """A gapless record at all three, no statement in two entries, and no task completed twice."""
    for one in trio.members.values():
        items = (await one.get(f"/executions/{collaboration}/timeline"))["items"]
        assert [item["seq"] for item in items] == list(range(len(items)))
        assert len({item["statement_id"] for item in items}) == len(items)
        events = [event for item in items for event in item["events"]]
        done = [event["task"] for event in events if event["type"] == "answered" and event["status"] == "completed"]
        assert done
        assert len(set(done)) == len(done)


async def answers(member: Member, form: list[dict[str, Any]]) -> dict[str, Any]:
    """Something right for every field of a form; a document where there is no form."""
    by_type = {"string": "x", "integer": 7, "boolean": True, "decimal": "12.50", "date": "2026-11-24", "object": {}}
    if not form or any(field["property_type"] == "file" for field in form):
        content = b"<Order>" + b"x" * 300_000 + b"</Order>"
        headers = {"content-type": "application/xml"}
        answer = await member.http.post("/documents?name=order%20%E5%8D%95.xml", content=content, headers=headers)
        assert answer.status_code == 201, answer.text
        by_type["file"] = {"$file": {"document_id": answer.json()["document_id"]}}
    return {field["id"]: by_type[field["property_type"]] for field in form} or {"document": by_type["file"]}


async def until(look: Callable[[], Awaitable[T | None]]) -> T:
    """What ``look`` finds, asked again and again for at most a minute."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = await look()
        if found is not None:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"nothing came of it in {PATIENCE_S} s")


async def _known(member: Member, path: str) -> bool | None:
    return (await member.http.get(path)).status_code == 200 or None


def _tally() -> tuple[str, ...]:
    return (str(Path(sys.executable).with_name("tally")),)
