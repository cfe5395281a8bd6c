"""What a database or a page could not hold ends in a refusal: it neither comes again for ever nor fails with others."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from node.work.test_citations import TERMS
from node.work.test_inbox import Desk
from support.parties import BUYER, SUPPLIER, Parties
from tallystick.core import canonical, jws
from tallystick.core.statement import ATTESTATION, STATEMENT
from tallystick.ledger.leaf import Leaf
from tallystick.node.record import messages as m
from tallystick.tenants.database import Database
from tallystick.tenants.keystore import Keystore

HUGE = 2**53 - 1


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    on_postgres = request.param == "postgres"
    with Database(request.getfixturevalue("postgres").new() if on_postgres else tmp_path / "tenant.db") as made:
        made.create_schema()
        yield made


@pytest.fixture
async def desk(tmp_path: Path, database: Database) -> AsyncIterator[Desk]:
    tmp_path.chmod(0o700)  # noqa: ASYNC240 - before anything else runs
    made = Desk(tmp_path, database, Keystore.create(tmp_path / "keystore.json", "correct horse battery staple"))
    made.parties = Parties(keys={BUYER: made.context.keystore.signing_key}, anchoring=TERMS)
    await made.begin()
    yield made
    await made.committer.close()


def result(**changes: Any) -> dict[str, Any]:
    """A result's payload, changed in its body."""
    body = {"task": "approve.1", "attempt": 1, "status": "completed", "data": {"approval_decision": "ab" * 32}}
    return {"kind": "result", "body": body | changes}


async def refused(desk: Desk, message: m.Message | bytes) -> str:
    """The code under which the message was refused."""
    before = desk.seen()
    known = {row.message_id for row in desk.rows("reject")}
    raw = message if isinstance(message, bytes) else m.encode(message)
    assert await desk.inbox.receive(SUPPLIER, f"{len(known)}", raw) == "ack"
    assert desk.seen() == before
    (row,) = [row for row in desk.rows("reject") if row.message_id not in known]
    return row.reason.partition(":")[0]


async def test_text_that_a_database_cannot_hold_is_refused(desk: Desk) -> None:
    author = desk.author()
    header = canonical.encode({"alg": "EdDSA", "kid": author.key.kid, "typ": STATEMENT})
    document = {**desk.parties.document, "salt": "\0"}
    for said in (
        {"type": "need", "execution": "\0", "size": 0},
        {"type": "agreement", "agreement": document},
        {"type": "agreement", "agreement": desk.parties.document, "source": {"\0": 1}},
    ):
        assert await refused(desk, json.dumps({"v": 1, **said}).encode()) == "nul_character"
    for changes in ({"execution": "\0"}, result(task="a\0.1"), result(data={"\0": "ab" * 32})):
        token = author.compact(header, json.dumps({**author.payload, **changes}).encode())
        assert await refused(desk, m.StatementMessage(token=token)) == "nul_character"


async def test_a_backslash_before_u0000_is_text(desk: Desk) -> None:
    await desk.give(m.NeedMessage(execution=r"\u0000", size=0))
    assert [row.reason.partition(":")[0] for row in desk.rows("wait")] == ["no_execution"]


@pytest.mark.parametrize("attempt", [-1, 2**31, HUGE])
async def test_a_number_that_no_column_holds_is_refused(desk: Desk, attempt: int) -> None:
    token = desk.author().token(**result(attempt=attempt))
    assert await refused(desk, m.StatementMessage(token=token)) == "bad_statement"


@pytest.mark.parametrize("size", [0, -1, -HUGE])
async def test_an_attestation_of_no_entries_is_refused(desk: Desk, size: int) -> None:
    """Otherwise each negative number would be a row of its own, and evidence for ever."""
    author = desk.author()
    head = {name: author.payload[name] for name in ("v", "iss", "aud", "execution", "iat")}
    token = jws.sign(author.key, ATTESTATION, {**head, "term": 0, "size": size, "root": "ab" * 32})
    assert await refused(desk, m.AttestationMessage(token=token)) == "bad_token"


async def test_an_execution_is_named_by_its_hash_only(desk: Desk) -> None:
    """What waits is indexed by it."""
    await desk.give(m.NeedMessage(execution="x" * 500_000, size=0))
    await desk.token(desk.author().token(execution="y" * 100_000))
    assert {row.execution for row in desk.rows("wait")} == {None}


async def test_an_anchor_on_no_chain_is_refused(desk: Desk) -> None:
    said: dict[str, Any] = {"version": 1, "kind": 1, "term": 0, "size": 1, "status": 0, "start_index": 0}
    words: dict[str, Any] = {name: bytes(32) for name in ("agreement", "root", "input", "result", "salt")}
    execution = desk.parties.execution
    leaf = Leaf(org=SUPPLIER.encode().rjust(32, b"\0"), execution=bytes.fromhex(execution), **said, **words)
    chains: list[Any] = [[], {}, "1", None, 2]
    for chain in chains:
        proof = {"leaf": "0x" + leaf.encode().hex(), "chain_id": chain}
        assert await refused(desk, m.AnchorMessage(execution=execution, proof=proof)) == "bad_anchor"
