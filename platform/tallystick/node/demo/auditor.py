"""The auditor: inputs of their own, `tally verify` in a process of its own, and forged copies to catch.

What the auditor trusts comes from the chain itself (chain id, code, block hashes) and from the organisations' cards,
never from a bundle. A bundle holds what its exporter may see, so that a carrier's is INDETERMINATE where it was not
told a price; nothing may FAIL, and the buyer, who is told everything of its own order, must PASS.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tallystick.core import canonical
from tallystick.core.errors import Unavailable
from tallystick.core.keys import SigningKey
from tallystick.ledger.audit.trust import VERSION, Trust
from tallystick.ledger.chain import Chain as Endpoint
from tallystick.ledger.contracts import Contracts
from tallystick.ledger.forgeries import forgeries
from tallystick.ledger.trust import chain_trust
from tallystick.tenants.files import read_private
from tallystick.tenants.keystore import Keystore

from . import report
from .chain import CHAIN_ID
from .console import Console
from .saving import save
from .stack import Stack, tally

NEED_TO_KNOW = frozenset({"values as committed", "documents as committed", "decisions recomputed"})
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
    """Check every organisation's bundle; the first one's check list is shown in full."""
    found = dict(zip(bundles, await asyncio.gather(*(verify(each, trust) for each in bundles.values())), strict=True))
    first, *others = found
    report.checks(console, f"Auditor's check list of {names[first]}'s bundle", found[first])
    console.line()
    console.table((names[org], found[org]["verdict"], _short(found[org])) for org in others)
    return all(acceptable(each) for each in found.values())


def acceptable(found: Report) -> bool:
    """Nothing contradicted, and nothing open but what the exporter was not entitled to see."""
    open_checks = {each["name"] for each in found["checks"] if each["status"] != "PASS"}
    return found["verdict"] != "FAIL" and open_checks <= NEED_TO_KNOW


def _short(found: Report) -> str:
    return "; ".join(f"{each['name']}: {each['detail']}" for each in found["checks"] if each["status"] != "PASS")


def failing(found: Report) -> list[str]:
    """The names of the checks that fail."""
    return [str(each["name"]) for each in found["checks"] if each["status"] == "FAIL"]


def caught(rows: Iterable[tuple[str, str, Report]]) -> bool:
    """Whether each forgery (its name, the check that should name it, what was found) fails at that check."""
    return all(expected in failing(found) for _, expected, found in rows)


async def forge(console: Console, folders: Mapping[str, Path], bundles: Mapping[str, Path], trust: Path) -> bool:
    """Forge copies of one bundle; True when each fails at the check that names it."""
    org_id, path = next(iter(bundles.items()))
    made = forgeries(json.loads(path.read_bytes()), _key(folders["run"] / org_id))
    rows: list[tuple[str, str, Report]] = []
    for number, one in enumerate(made, 1):
        forged = folders["run"] / f"forged-{number}.json"
        forged.write_bytes(canonical.encode(one.bundle))
        rows.append((one.name, one.check, await verify(forged, trust)))
    report.forgeries(console, ((name, found["verdict"], _named(check, found), "") for name, check, found in rows))
    return caught(rows)


def _key(folder: Path) -> SigningKey:
    """The signing key of a participant that cheats."""
    passphrase = read_private(folder / "passphrase", max_bytes=1000).decode()
    return Keystore.open(folder / "data" / "keystore.json", passphrase).signing_key


def _named(check: str, found: Report) -> str:
    return next((f"{each['name']}: {each['detail']}" for each in found["checks"] if each["name"] == check), check)
