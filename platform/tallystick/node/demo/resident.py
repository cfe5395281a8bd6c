"""`make up` and `make down`: the three organisations left running for the reader, and ended by process id."""

import shutil
from pathlib import Path
from typing import Any

import msgspec

from tallystick.core.errors import Unavailable
from tallystick.node.client import Client
from tallystick.tenants.files import read_private, write_private

from . import auditor
from .cast import ORGANISATIONS, SUPPLIER
from .console import Console
from .documents import gather
from .people import staff
from .processes import Running
from .run import DOCUMENTS, NAMES, alone, definition_for, save_evidence
from .script import WHOLE, write
from .stack import ADMIN, ROOT, Stack, tally
from .story import Story, settled

FOLDER = ROOT / ".demo" / "up"
FOR_THE_READER = "order_approval"
MAX_STATE = 100_000
VERSION = 1


class Resident(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One process that was left running; the chain has no `url` for a reader."""

    name: str
    pid: int
    since: str
    url: str = ""

    @property
    def running(self) -> Running:
        """The process, if it is still the same."""
        return Running(name=self.name, pid=self.pid, since=self.since)


class State(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the state file says: the processes, in the order in which to stop them."""

    v: int
    residents: list[Resident]
    chain: str = ""  # its JSON-RPC address

    @property
    def whole(self) -> bool:
        """Whether everything that was left running still runs."""
        return all(each.running.alive for each in self.residents)


def load(folder: Path) -> State | None:
    """What was left running last, if anything."""
    path = folder / "up.json"
    if not path.exists():
        return None
    state = msgspec.json.decode(read_private(path, max_bytes=MAX_STATE), type=State)
    if state.v != VERSION:
        raise Unavailable(f"{path} was written by another version; stop what it names and delete it", code="state")
    return state


async def up(console: Console, folder: Path = FOLDER) -> int:
    """Start, play one collaboration to its end and leave another waiting for the reader; harmless when already up."""
    with alone(folder):
        state = load(folder)
        if state is not None and state.whole:
            console.line("Already running.")
        else:
            await _end(state)
            state = await _begin(console, folder)
        await _show(console, folder, state)
    return 0


async def down(console: Console, folder: Path = FOLDER) -> int:
    """Stop what `up` started, by process id; harmless when nothing runs."""
    with alone(folder):
        state = load(folder)
        await _end(state)
        (folder / "up.json").unlink(missing_ok=True)
    console.line("Stopped." if state else "Nothing was running.")
    return 0


async def _end(state: State | None) -> None:
    for each in state.residents if state else []:
        await each.running.stop()


async def _begin(console: Console, folder: Path) -> State:
    evidence = folder / "evidence"
    for old in (folder / "run", folder / "logs", evidence):
        shutil.rmtree(old, ignore_errors=True)
    evidence.mkdir()
    console.line("Starting a chain, three nodes and their three nats-servers …")
    stack = Stack(folder / "run", logs=folder / "logs", usual_ports=True)
    try:
        await stack.start()
        await _prepare(stack, console, evidence)
    except BaseException:
        await stack.stop()
        raise
    state = _state(stack)
    write_private(folder / "up.json", msgspec.json.format(msgspec.json.encode(state)))
    return state


def _state(stack: Stack) -> State:
    nodes = [(node.running, node.url) for node in stack.nodes.values()]
    return State(
        v=VERSION,
        residents=[
            Resident(name=each.name, pid=each.pid, since=each.since, url=url)
            for each, url in [*nodes, (stack.chain.running, "")]
            if each is not None
        ],
        chain=stack.chain.url,
    )


async def _prepare(stack: Stack, console: Console, evidence: Path) -> None:
    """Something to look at, something to verify while its chain runs, and something to do."""
    script = write(WHOLE)
    documents = gather(DOCUMENTS, None, script.percent).by_kind
    definition = definition_for(script, documents)
    async with staff(stack) as people:

        def narrate(org: str, text: str) -> None:
            console.say(NAMES[org], text)

        ending = await Story(people, script, documents, narrate).play(definition)
        await settled(people, ending.execution_id)
        bundles, _ = await save_evidence(stack, people, ending.execution_id, evidence)
        auditor.put_together(bundles)
        await Story(people, script, documents, narrate, hold=frozenset({FOR_THE_READER})).play(definition)


async def _show(console: Console, folder: Path, state: State) -> None:
    """Where to go; the links work once each, and every `up` makes new ones."""
    console.title("Sign in with one click (each link works once)")
    urls = {each.name: each.url for each in state.residents if each.url}
    console.table(
        [(each.name, each.user_name, await _link(folder, each.org_id, each.user, urls)) for each in ORGANISATIONS]
    )
    console.line()
    console.line(f"The first task waits at {SUPPLIER.name}: approve or reject the order.")
    console.line(f"Documents to send on: {DOCUMENTS}")
    console.line("Verify the finished one, and ask the contract beside:")
    evidence = folder / "evidence"
    files = f"{_here(evidence / auditor.TOGETHER)} --trust {_here(evidence / 'trust.json')}"
    console.line(f"  {_here(tally())} verify {files} --on-chain {state.chain}")
    console.line("`make down` stops everything.")


def _here(path: Path) -> str:
    """A path as one types it in the checkout."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


async def _link(folder: Path, org_id: str, username: str, urls: dict[str, str]) -> str:
    url = urls[org_id]
    password = (folder / "run" / org_id / "admin-password").read_text().strip()
    async with Client(url) as admin:
        await admin.sign_in(ADMIN, password)
        made: dict[str, Any] = await admin.post(f"/users/{username}/links")
    link = str(made["link"])
    return link if link.startswith("http") else f"{url}/sign-in#link={link}"
