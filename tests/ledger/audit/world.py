"""A whole case for the verifier: three parties' execution, anchored on a real chain, and what an auditor trusts."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Any

import msgspec

from ledger import parties as chains
from support.parties import BUYER, CARRIER, NAMES, SUPPLIER, Parties, agreement_document
from support.processes import Processes, start_anvil
from tallystick.core import b64, canonical, statement
from tallystick.core.commitment import Opening, Place, commit, data_hash, new_salt
from tallystick.core.keys import SigningKey
from tallystick.core.merkle import Frontier, leaf_hash
from tallystick.core.policy import DIRECT
from tallystick.core.replay import anchored_commitments
from tallystick.ledger import citation
from tallystick.ledger import leaf as leaves
from tallystick.ledger.audit.report import Check
from tallystick.ledger.audit.trust import Trust
from tallystick.ledger.audit.verify import verify
from tallystick.ledger.chain import Chain
from tallystick.ledger.contracts import Contracts
from tallystick.ledger.deploy import deploy
from tallystick.ledger.leaf import Leaf
from tallystick.ledger.service import OrgLedger
from tallystick.ledger.trust import chain_trust

CHAIN_ID = 31337
DOCUMENT = "订单 <Order>12.50</Order>".encode()
SEALED = "ab" * 32
Bundle = dict[str, Any]


@dataclass(frozen=True)
class World:
    """An honest bundle, the auditor's inputs, and the keys that forgers would like to have."""

    bundle: Bundle
    trust: Trust
    keys: dict[str, SigningKey]


def file_value(data: bytes) -> dict[str, Any]:
    """A file as the record knows it."""
    manifest = {
        "v": 1,
        "name": "Order 订单.xml",
        "media_type": "application/xml",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "chunk_size": 262144,
        "key": b64.encode(bytes(32)),
        "chunks": ["cd" * 32],
    }
    return {"$file": manifest}


def play(parties: Parties) -> None:
    """Every kind of statement that an ordinary run has, with values and a document."""
    begin(parties)
    finish(parties)


def begin(parties: Parties) -> None:
    """Up to the start."""
    parties.say(BUYER, "propose", {"nonce": parties.nonce})
    parties.say(SUPPLIER, "consent", {"decision": "accepted"})
    parties.say(CARRIER, "consent", {"decision": "accepted"})
    start(parties, {"reference": "采购 4711"})


def finish(parties: Parties) -> None:
    """All the work."""
    values = {"document": file_value(DOCUMENT), "amount": "12.50"}
    parties.answer(BUYER, "order.1", values, sealed=[SEALED])
    parties.say(SUPPLIER, "received", {"task": "order.1", "attempt": 1, "sealed": [SEALED]})
    parties.answer(SUPPLIER, "approve.1", {"approval_decision": True, "comments": "ok"})
    parties.answer(SUPPLIER, "approve_decision.1", {}, outcome="true")
    parties.answer(CARRIER, "carry.1", {"weight": "9"}, attempt=2)  # void: there is no second attempt
    parties.answer(CARRIER, "carry.1", {"weight": "3.5"})
    parties.answer(BUYER, "closing.1", {})
    parties.say(SUPPLIER, "acknowledge", {"task": "closing.1", "attempt": 1})


def start(parties: Parties, values: dict[str, Any]) -> None:
    """The start with committed input, whose openings are kept."""
    place = Place(execution=parties.execution, issuer=BUYER)
    openings = [Opening(property=name, salt=new_salt(), value=value) for name, value in values.items()]
    entry = parties.say(BUYER, "start", {"input": {one.property: commit(place, one) for one in openings}})
    facts = {"statement_id": entry.statement_id, "task": "", "attempt": 0}
    parties.openings += [{**facts, **msgspec.to_builtins(one)} for one in openings]


def bundle_of(parties: Parties, anchors: list[Any], documents: tuple[bytes, ...] = (DOCUMENT,)) -> Bundle:
    """The bundle that holds everything."""
    return {
        "v": 1,
        "kind": "evidence",
        "execution": parties.execution,
        "agreement": parties.document,
        "statements": dict(parties.tokens),
        "entries": [msgspec.to_builtins(entry) for entry in parties.entries],
        "heads": parties.heads[-1:],
        "attestations": parties.attestations(),
        "openings": parties.openings,
        "documents": {hashlib.sha256(data).hexdigest(): b64.encode(data) for data in documents},
        "submissions": [],
        "receipts": [],
        "anchors": msgspec.to_builtins(anchors),
        "scope": {"withheld_statements": [], "withheld_openings": 0, "exported_by": BUYER, "exported_at": parties.at},
    }


def trust_of(parties: Parties, **chain: Any) -> Trust:
    """An auditor who knows the three organisations, and perhaps the chain."""
    names = ("org_id", "name", "root_key", "chain_org")
    organisations = [{name: one[name] for name in names} for one in parties.document["participants"]]
    return msgspec.convert({"v": 1, "organisations": organisations, **chain}, Trust)


def checks(bundle: Bundle, trust: Trust) -> dict[int, Check]:
    """The verifier's checks by number."""
    return {check.number: check for check in verify(canonical.encode(bundle), trust).checks}


def finding(number: int, bundle: Bundle, trust: Trust) -> tuple[str, str]:
    """What one check says: its status and the code of its text."""
    check = checks(bundle, trust)[number]
    return check.status, check.code


def judge(number: int, parties: Parties, **changes: Any) -> tuple[str, str]:
    """What one check says of a run without a chain, with some of its bundle's members changed."""
    return finding(number, {**bundle_of(parties, [], documents=()), **changes}, trust_of(parties))


def unanchored(**changes: Any) -> tuple[Parties, Bundle, Trust]:
    """A run without a chain; whatever needs one is indeterminate."""
    parties = Parties(**changes)
    play(parties)
    return parties, bundle_of(parties, []), trust_of(parties)


async def build() -> World:
    """Everything, on a chain that is stopped when it is done."""
    with Processes() as processes:
        anvil = start_anvil(processes)
        chain = Chain(anvil.url, CHAIN_ID)
        try:
            return await _build(anvil.url, chain)
        finally:
            await chain.close()


async def _build(url: str, chain: Chain) -> World:
    deployment = await deploy(chain, chains.FAUCET)
    members = {org: await chains.make_party(url, chain, deployment) for org in NAMES}
    parties = parties_on(members, deployment.contracts)
    play(parties)
    anchors = []
    for org in NAMES:
        ledger = members[org].ledger()
        for leaf in leaves_of(parties, org, index=0):
            members[org].leaves.append(leaf.encode())
        await chains.settle(ledger)
        anchors += [await ledger.proof(index) for index in (0, 1)]
        await ledger.close()
    facts = await chain_trust(chain, deployment.contracts, range(await chain.block_number() + 1))
    return World(bundle_of(parties, anchors), trust_of(parties, **facts), parties.keys)


async def build_cited(behind_s: int = 60) -> World:
    """A run in which no work was to begin before its start was anchored, its record dated behind the chain's clock."""
    with Processes() as processes:
        anvil = start_anvil(processes)
        chain = Chain(anvil.url, CHAIN_ID)
        try:
            return await _build_cited(anvil.url, chain, behind_s)
        finally:
            await chain.close()


async def _build_cited(url: str, chain: Chain, behind_s: int) -> World:
    deployment = await deploy(chain, chains.FAUCET)
    members = {org: await chains.make_party(url, chain, deployment) for org in NAMES}
    ledgers = {org: one.ledger() for org, one in members.items()}
    parties = parties_on(members, deployment.contracts, start_anchor="required")
    parties.at -= behind_s * 1000
    begin(parties)
    await _anchored(parties, members, ledgers, 0)
    parties.say(BUYER, "cite_start", statement.body_of(citation.of(await ledgers[BUYER].proof(0))))
    finish(parties)
    await _anchored(parties, members, ledgers, 1)
    anchors = [await one.proof(index) for one in ledgers.values() for index in (0, 1)]
    for one in ledgers.values():
        await one.close()
    facts = await chain_trust(chain, deployment.contracts, range(await chain.block_number() + 1))
    return World(bundle_of(parties, anchors), trust_of(parties, **facts), parties.keys)


async def _anchored(
    parties: Parties, members: dict[str, chains.Party], ledgers: dict[str, OrgLedger], which: int
) -> None:
    for org, ledger in ledgers.items():
        members[org].leaves.append(leaves_of(parties, org, index=0)[which].encode())
        await chains.settle(ledger)


def parties_on(
    members: dict[str, chains.Party], contracts: Contracts, changes: dict[str, Any] | None = None, **terms: Any
) -> Parties:
    """The three on a chain; ``changes`` are of the agreement, ``terms`` of its anchoring."""
    keys = {org: SigningKey(bytes([number]) * 32) for number, org in enumerate(NAMES, 1)}
    participants = agreement_document(keys)["participants"]
    for one in participants:
        one["chain_org"] = "0x" + members[one["org_id"]].org.hex()
    anchoring = {"chain_id": CHAIN_ID, **msgspec.to_builtins(contracts), "workflow_salt": "A" * 22}
    anchoring |= {**DIRECT, "also": [], **terms}
    parties = Parties(participants=participants, anchoring=anchoring, **(changes or {}))
    parties.at = time.time_ns() // 1_000_000 - 60_000  # the chain's clock is the real one
    return parties


def leaves_of(parties: Parties, org: str, index: int) -> list[Leaf]:
    """The start and completion leaves that an organisation's node appends at ``index``."""
    chain_org = next(one.chain_org for one in parties.agreement.participants if one.org_id == org)
    pairs = [(entry, parties.open(parties.tokens[entry.statement_id])) for entry in parties.entries]
    inputs, results = anchored_commitments(pairs)
    facts: dict[str, Any] = {
        "org": bytes.fromhex(chain_org[2:]),
        "execution": bytes.fromhex(parties.execution),
        "agreement": bytes.fromhex(parties.hash),
        "term": 0,
        "input": bytes.fromhex(data_hash(inputs)),
        "start_index": index,
        "salt": hashlib.sha256(org.encode()).digest(),
    }
    sizes = [next(entry.seq + 1 for entry, said in pairs if said.kind == "start"), len(pairs)]
    results_of = [data_hash([]), data_hash(results)]
    return [
        Leaf(**facts, kind=kind, size=size, root=_root(parties, size), result=bytes.fromhex(result), status=status)
        for kind, size, result, status in zip(
            (leaves.START, leaves.COMPLETION),
            sizes,
            results_of,
            (leaves.RUNNING, leaves.COMPLETED),
            strict=True,
        )
    ]


def _root(parties: Parties, size: int) -> bytes:
    frontier = Frontier()
    for entry in parties.entries[:size]:
        frontier = frontier.append(leaf_hash(entry.leaf()))
    return frontier.root()
