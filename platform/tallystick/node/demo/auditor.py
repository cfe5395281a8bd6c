"""The auditor: inputs of their own, `tally verify` in a process of its own, and forged copies to catch.

What the auditor trusts comes from the chain itself (chain id, code, block hashes) and from the organisations' cards,
never from a bundle. A bundle holds what its exporter was told and what it anchored itself, so that a carrier's is
INDETERMINATE where prices are concerned; put together, the three must PASS every check.
"""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tallystick.core import canonical
from tallystick.core.errors import Unavailable
from tallystick.ledger.audit.trust import VERSION, Trust
from tallystick.ledger.chain import Chain as Endpoint
from tallystick.ledger.contracts import Contracts
from tallystick.ledger.trust import chain_trust

from . import report
from .chain import CHAIN_ID
from .combine import combine
from .console import Console
from .saving import save
from .stack import Stack, tally

TOGETHER = "together.json"
OTHERS_KNOW = frozenset(
    {
        *("values as committed", "documents as committed", "decisions recomputed"),  # told only to whom they concern
        *("start anchored", "completion anchored"),  # each organisation proves its own log
    }
)
CONTRACTS = ("org_registry", "workflow_registry", "execution_ledger")
READABLE = frozenset({0, 1, 3})  # `tally verify` could read its inputs and printed a report

Report = Mapping[str, Any]


async def write_trust(stack: Stack, where: Path) -> Path:
    """The auditor's own inputs: organisations from their cards, everything else from the chain, asked directly."""
    deployed = json.loads((stack.folder / "contracts.json").read_bytes())
    latest = int((await stack.chain.block())["number"], 16)
    endpoint = Endpoint(stack.chain.url, CHAIN_ID)
    try:
        # Every block of this small chain counts as final: nobody else mines here.
        facts = await chain_trust(
            endpoint, Contracts(**{name: deployed[name] for name in CONTRACTS}), range(latest + 1)
        )
    finally:
        await endpoint.close()
    organisations = [_organisation(card) for card in (await stack.cards()).values()]
    return save(where, msgspec.convert({"v": VERSION, "organisations": organisations, **facts}, Trust))


def _organisation(card: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "org_id": card["id"],
        "name": card["name"],
        "root_key": card["public_key"],
        "chain_org": card["chain_org"],
    }


async def verify(bundle: Path, trust: Path) -> Report:
    """`tally verify`, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(tally(), "verify", bundle, "--trust", trust, "--json"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, complained = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode not in READABLE:
        raise Unavailable(f"tally verify {bundle.name}: {complained.decode()[-1000:]}", code="verify")
    found: Report = json.loads(said)
    return found


async def verify_all(console: Console, bundles: Mapping[str, Path], trust: Path, names: Mapping[str, str]) -> bool:
    """Check each organisation's bundle, and all of them together: only the last must PASS every check."""
    together = put_together(bundles)
    paths = [*bundles.values(), together]
    *alone, whole = await asyncio.gather(*(verify(each, trust) for each in paths))
    console.title("What each organisation alone can show")
    console.table((names[org], found["verdict"], _open(found)) for org, found in zip(bundles, alone, strict=True))
    report.checks(console, "Auditor's check list, all evidence together", whole)
    return whole["verdict"] == "PASS" and all(acceptable(each) for each in alone)


def put_together(bundles: Mapping[str, Path]) -> Path:
    """One bundle of what all have disclosed, beside theirs."""
    parts = [json.loads(each.read_bytes()) for each in bundles.values()]
    where = next(iter(bundles.values())).with_name(TOGETHER)
    where.write_bytes(canonical.encode(combine(parts)))
    return where


def acceptable(found: Report) -> bool:
    """Nothing contradicted, and nothing open but what the others know."""
    open_checks = {each["name"] for each in found["checks"] if each["status"] != "PASS"}
    return found["verdict"] != "FAIL" and open_checks <= OTHERS_KNOW


def _open(found: Report) -> str:
    """The checks that this bundle alone leaves open, or that fail."""
    names = [f"{each['name']} ({each['detail']})" for each in found["checks"] if each["status"] != "PASS"]
    return "; ".join(names) or "every check"
