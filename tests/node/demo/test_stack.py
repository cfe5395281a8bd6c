"""A node and the chain are killed in the middle of the story; it ends once, and the evidence holds."""

import asyncio
from pathlib import Path

import pytest

from tallystick.core import canonical
from tallystick.node.demo import auditor
from tallystick.node.demo.cast import SUPPLIER
from tallystick.node.demo.combine import combine
from tallystick.node.demo.documents import gather
from tallystick.node.demo.people import staff
from tallystick.node.demo.run import DOCUMENTS, definition_for
from tallystick.node.demo.script import WHOLE, write
from tallystick.node.demo.stack import Stack
from tallystick.node.demo.story import Story, settled

pytestmark = pytest.mark.timeout(300)


async def test_the_story_survives_kill_9_of_a_node_and_of_the_chain(tmp_path: Path) -> None:
    under_way = asyncio.Event()
    told: list[str] = []

    def narrate(org_id: str, text: str) -> None:
        told.append(text)
        if text.startswith("sends despatch advice"):
            under_way.set()

    async def strike(stack: Stack) -> None:
        await under_way.wait()
        before = stack.nodes[SUPPLIER.org_id].pid
        await asyncio.gather(stack.kill(SUPPLIER.org_id), stack.kill_anvil())
        await asyncio.sleep(1)
        await asyncio.gather(stack.restart(SUPPLIER.org_id), stack.restart_anvil())
        assert stack.nodes[SUPPLIER.org_id].pid != before

    script = write(WHOLE)
    documents = gather(DOCUMENTS, None, script.percent).by_kind
    async with Stack(tmp_path / "stack") as stack:
        await stack.start()
        async with staff(stack) as people:
            story = Story(people, script, documents, narrate)
            ending, _ = await asyncio.gather(story.play(definition_for(script, documents)), strike(stack))
            await settled(people, ending.execution_id)
            bundles = [await each.client.get(f"/executions/{ending.execution_id}/evidence") for each in people]
        trust = await auditor.write_trust(stack, tmp_path / "trust.json")
    assert (ending.status, ending.outcome) == ("completed", "completed")
    assert len([line for line in told if line.startswith("sends")]) == 7
    (tmp_path / "together.json").write_bytes(canonical.encode(combine(bundles)))
    found = await auditor.verify(tmp_path / "together.json", trust)
    assert found["verdict"] == "PASS", [each for each in found["checks"] if each["status"] != "PASS"]
