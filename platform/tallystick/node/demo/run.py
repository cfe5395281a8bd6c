"""`make demo`: start three organisations, let them do business, audit the result, forge it, stop everything."""

import asyncio
import contextlib
import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tallystick.core import canonical
from tallystick.core.errors import Unavailable

from . import auditor, forging, report
from .cast import BUYER, ORGANISATIONS
from .console import RED, Console
from .documents import Document, Documents, gather
from .people import staff
from .script import Script, stage, write
from .stack import ROOT, Stack
from .story import Ending, Staff, Story, settled

DOCUMENTS = ROOT / "deploy" / "demo" / "documents"
DEFINITION = ROOT / "deploy" / "demo" / "definitions" / "order-to-remittance.json"
NAMES = {each.org_id: each.name for each in ORGANISATIONS}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the reader chose: a seed, a folder of their own documents, and where the demo may write."""

    seed: int = 0
    documents: Path | None = None
    folder: Path = ROOT / ".demo"


@dataclass(frozen=True, kw_only=True)
class Played:
    """What a run leaves behind: its evidence on disk, and how it ended."""

    ending: Ending
    bundles: Mapping[str, Path]
    trust: Path


async def demo(options: Options, console: Console) -> int:
    """The whole demo; 0 only if the story ended as its script says, every bundle verified and every forgery failed."""
    script = write(options.seed)
    documents = gather(DOCUMENTS, options.documents, script.percent)
    for note in documents.notes:
        console.note(note)
    with alone(options.folder):
        return await _perform(script, documents, _fresh(options.folder), console)


async def _perform(script: Script, documents: Documents, folders: Mapping[str, Path], console: Console) -> int:
    console.line("Starting a chain, three nodes and their three nats-servers …")
    async with Stack(folders["run"], logs=folders["logs"], usual_ports=True) as stack:
        await stack.start()
        console.say("set-up", "ready")
        played = await _business(stack, script, documents, console, folders["evidence"])
    console.title("Everything is stopped; the auditor works from the files alone")
    as_written = _as_scripted(played.ending, script, console)
    honest = await auditor.verify_all(console, played.bundles, played.trust, NAMES)
    cheat = folders["run"] / BUYER.org_id
    caught = await forging.show(console, folders["evidence"] / auditor.TOGETHER, played.trust, cheat)
    console.line()
    held = as_written and honest and caught
    console.line(f"Evidence: {folders['evidence']}; logs: {folders['logs']}")
    console.line(f"{'Everything held' if held else 'SOMETHING DID NOT HOLD'} ({console.elapsed:.1f} s).")
    return 0 if held else 1


def definition_for(script: Script, documents: Mapping[str, Document]) -> dict[str, Any]:
    """The definition (short form) as `script` plays it with these documents."""
    return stage(json.loads(DEFINITION.read_text(encoding="utf-8")), script, documents)


async def _business(stack: Stack, script: Script, documents: Documents, console: Console, evidence: Path) -> Played:
    """Play the story, report it, and save each organisation's bundle and the auditor's own inputs."""
    definition = definition_for(script, documents.by_kind)
    async with staff(stack) as people:
        story = Story(people, script, documents.by_kind, lambda org, text: console.say(NAMES[org], text))
        ending = await story.play(definition)
        console.say(
            "everyone", f"{ending.status} ({ending.outcome}) after {ending.seconds:.1f} s; waiting for the chain"
        )
        anchors = await settled(people, ending.execution_id)
        bundles, trust = await save_evidence(stack, people, ending.execution_id, evidence)
        timeline = await people[0].client.get(f"/executions/{ending.execution_id}/timeline")
        collaboration = await people[0].client.get(f"/collaborations/{ending.execution_id}")
    report.organisations(console, ORGANISATIONS, {org_id: node.url for org_id, node in stack.nodes.items()})
    report.steps(console, timeline["items"])
    await report.on_chain(console, stack.chain, collaboration, anchors, NAMES)
    return Played(ending=ending, bundles=bundles, trust=trust)


async def save_evidence(
    stack: Stack, people: Sequence[Staff], execution_id: str, folder: Path
) -> tuple[dict[str, Path], Path]:
    """Each organisation's bundle, and the auditor's own inputs, once the chain has what there is to anchor."""
    return await _save(people, execution_id, folder), await auditor.write_trust(stack, folder / "trust.json")


async def _save(people: Sequence[Staff], execution_id: str, folder: Path) -> dict[str, Path]:
    """Each organisation's evidence in its own file, in canonical form."""
    saved = {}
    for who in people:
        bundle = await _whole(who, execution_id, len(people))
        saved[who.org_id] = folder / f"{who.org_id}.json"
        saved[who.org_id].write_bytes(canonical.encode(bundle))
    return saved


async def _whole(who: Staff, execution_id: str, participants: int) -> dict[str, Any]:
    """The bundle, once the other participants' two anchors each have arrived, or after ten seconds as it is."""
    for _ in range(50):
        bundle: dict[str, Any] = await who.client.get(f"/executions/{execution_id}/evidence")
        if len(bundle["anchors"]) >= 2 * participants:
            break
        await asyncio.sleep(0.2)
    return bundle


def _as_scripted(ending: Ending, script: Script, console: Console) -> bool:
    """Whether it ended as the seed has it."""
    if (ending.status, ending.outcome) == ("completed", script.outcome):
        return True
    text = f"expected completed ({script.outcome}), ended as {ending.status} ({ending.outcome})"
    console.line(console.paint(RED, text))
    return False


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One run a folder at a time: a second would empty it under the first. The lock ends with the process."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unavailable(f"another run is using {folder}", code="busy") from error
        yield


def _fresh(folder: Path) -> dict[str, Path]:
    """Empty folders for this run; the evidence and the logs stay when it has ended."""
    made = {name: folder / name for name in ("run", "logs", "evidence")}
    for path in made.values():
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
    made["run"].chmod(0o700)  # secrets live below
    return made
