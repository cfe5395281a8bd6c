"""Forged copies of the evidence, and the check that catches each.

The strongest is made with a real key: the coordinator opens its own keystore and signs another history. Every signature
in it holds; what the others signed and what stands on the chain does not.
"""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tallystick.core import canonical
from tallystick.core.keys import SigningKey
from tallystick.ledger.forgeries import Forgery, forgeries
from tallystick.tenants.files import read_private
from tallystick.tenants.keystore import Keystore

from .auditor import verify
from .console import Console

MAX_PASSPHRASE = 1000


async def show(console: Console, evidence: Path, trust: Path, cheat: Path) -> bool:
    """Forge copies of `evidence`, one with the key of the organisation in folder `cheat`; True when all are caught."""
    forged = _forge(evidence, cheat)
    found = await asyncio.gather(*(verify(path, trust) for _, path in forged))
    console.title("Forged copies, each with the check that catches it")
    lines = [_line(one, verdict) for (one, _), verdict in zip(forged, found, strict=True)]
    console.table((one.name, *line) for (one, _), line in zip(forged, lines, strict=True))
    return all(status == "FAIL" for status, *_ in lines)


def _forge(evidence: Path, cheat: Path) -> list[tuple[Forgery, Path]]:
    folder = cheat.parent / "forged"
    folder.mkdir(exist_ok=True)
    made = []
    for number, one in enumerate(forgeries(json.loads(evidence.read_bytes()), _key(cheat)), 1):
        path = folder / f"{number}.json"
        path.write_bytes(canonical.encode(one.bundle))
        made.append((one, path))
    return made


def _key(folder: Path) -> SigningKey:
    passphrase = read_private(folder / "passphrase", max_bytes=MAX_PASSPHRASE).decode()
    return Keystore.open(folder / "data" / "keystore.json", passphrase).signing_key


def _line(forgery: Forgery, found: Mapping[str, Any]) -> tuple[str, int, str, str]:
    """The check that should name this forgery: what it says."""
    check = next(each for each in found["checks"] if each["name"] == forgery.check)
    return check["status"], check["number"], check["name"], check["detail"]
