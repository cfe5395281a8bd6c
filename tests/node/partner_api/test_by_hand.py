"""The worked example of PARTNER_API.md, as it stands there, with the programs that it names."""

import asyncio
import json
import re
import shutil
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from node.partner_api.conftest import Stand
from support.processes import ROOT
from tallystick.node.record import messages as m

MISSING = [name for name in ("openssl", "curl", "sh", "sha256sum") if shutil.which(name) is None]
pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(bool(MISSING), reason="needs openssl and curl (apt-get install openssl curl)"),
]


def example(url: str) -> str:
    """The script, for another address."""
    text = (ROOT / "platform" / "PARTNER_API.md").read_text()
    found = re.search(r"```sh\n(.*?)```", text, re.DOTALL)
    assert found
    assert "https://acme.example/partner/v1/inbox" in found[1]
    return found[1].replace("https://acme.example/partner/v1/inbox", url)


@pytest.mark.parametrize(("execution", "outcome"), [(None, "confirm"), ("ab" * 32, "wait"), ("x" * 900_000, "")])
async def test_a_partner_without_our_software(
    stand: Stand, tmp_path: Path, execution: str | None, outcome: str
) -> None:
    stand.desk.now = time.time_ns() // 1_000_000
    key = Ed25519PrivateKey.from_private_bytes(stand.supplier.key.seed)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "signing.pem").write_bytes(pem)
    asked = m.encode(m.NeedMessage(execution=execution or stand.desk.parties.execution, size=0))
    (tmp_path / "message.json").write_bytes(asked)
    process = await asyncio.create_subprocess_exec(
        "sh", "-eu", "-c", example(stand.counter.url), cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    answer = json.loads(said)
    assert answer.get("outcome", "") == outcome, answer
    assert outcome or answer["code"] == "too_large"
