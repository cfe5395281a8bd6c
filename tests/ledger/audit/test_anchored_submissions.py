"""Check 20 with anchors: a submission on the chain is dated by nobody's own clock, and is told."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Callable
from typing import Any

import pytest

from ledger import parties as chains
from ledger.audit.test_submissions import LIMITS
from ledger.audit.world import CHAIN_ID, Bundle, World, bundle_of, checks, parties_on, trust_of
from support.parties import BUYER, CARRIER, NAMES, SUPPLIER, Parties
from support.processes import Processes, start_anvil
from tallystick.core.head import Receipt, sign_receipt
from tallystick.core.statement import Basis
from tallystick.ledger import leaf as leaves
from tallystick.ledger.audit.report import Check
from tallystick.ledger.chain import Chain
from tallystick.ledger.deploy import deploy
from tallystick.ledger.leaf import Leaf
from tallystick.ledger.trust import chain_trust

RESULT = {"task": "carry.1", "attempt": 1, "status": "completed", "data": {"weight": "ab" * 32}}
HOUR_MS = 3_600_000
Change = Callable[[Bundle], object]


async def build(begun_ms: int, **wrong: Any) -> tuple[World, str]:
    """The carrier answers, submits and anchors; the coordinator times it out. A receipt of the supplier's beside it."""
    with Processes() as processes:
        url = start_anvil(processes).url
        chain = Chain(url, CHAIN_ID)
        try:
            return await _build(url, chain, begun_ms, wrong)
        finally:
            await chain.close()


async def _build(url: str, chain: Chain, begun_ms: int, wrong: dict[str, Any]) -> tuple[World, str]:
    deployment = await deploy(chain, chains.FAUCET)
    members = {org: await chains.make_party(url, chain, deployment) for org in NAMES}
    parties = parties_on(members, deployment.contracts, {"limits": LIMITS})
    parties.at = begun_ms
    token, receipt, leaf = _ignore(parties, members[CARRIER].org, wrong)
    ledger = members[CARRIER].ledger()
    members[CARRIER].leaves.append(leaf.encode())
    await chains.settle(ledger)
    proof = await ledger.proof(0)
    await ledger.close()
    facts = await chain_trust(chain, deployment.contracts, range(await chain.block_number() + 1))
    bundle = {**bundle_of(parties, [proof], documents=()), "submissions": [token], "receipts": [receipt]}
    return World(bundle, trust_of(parties, **facts), parties.keys), receipt


def _ignore(parties: Parties, org: bytes, wrong: dict[str, Any]) -> tuple[str, str, Leaf]:
    parties.begin()
    parties.answer(BUYER, "order.1", {"amount": "1"}, sealed=["ab" * 32])
    parties.say(SUPPLIER, "received", {"task": "order.1", "attempt": 1, "sealed": ["ab" * 32]})
    parties.answer(SUPPLIER, "approve.1", {"approval_decision": True})
    parties.answer(SUPPLIER, "approve_decision.1", {}, outcome="true")
    (name,) = (one for one, timer in parties.log.state.timers.items() if timer.purpose == "timeout")
    token = parties.token(CARRIER, "result", RESULT)
    said = parties.open(token)
    size, root = parties.log.state.size, parties.log.root
    basis = Basis(term=0, size=size, root=root)
    facts: dict[str, Any] = {"v": 1, "iss": SUPPLIER, "aud": parties.hash, "execution": parties.execution}
    receipt = Receipt(**facts, statement_id=said.id, basis=basis, iat=parties.at)
    words = {"execution": parties.execution, "agreement": parties.hash, "root": root, "input": said.id}
    leaf = Leaf(
        kind=leaves.SUBMISSION,
        org=org,
        term=0,
        size=size,
        start_index=0,
        salt=b"s" * 32,
        **{name: bytes.fromhex(text) for name, text in {**words, **wrong}.items()},  # type: ignore[arg-type]
    )
    parties.at = parties.log.state.timers[name].due_at
    assert any(event["type"] == "timed_out" for event in parties.say(BUYER, "timer", {"timer": name}).events)
    return token, sign_receipt(parties.keys[SUPPLIER], receipt), leaf


@pytest.fixture(scope="module")
def ignored() -> World:
    """Give a run whose time-out is dated after the anchor of the answer."""
    return asyncio.run(build(time.time_ns() // 1_000_000))[0]


def judged(world: World, change: Change = lambda _: None) -> Check:
    bundle = copy.deepcopy(world.bundle)
    change(bundle)
    return checks(bundle, world.trust)[20]


def test_receipts_and_the_anchor_together_are_told(ignored: World) -> None:
    found = judged(ignored)
    assert (found.status, found.code) == ("FAIL", "ignored_anchored")
    assert found.facts["block"] == ignored.bundle["anchors"][0]["block_number"]


def test_the_anchor_alone_shows_that_it_was_said_but_not_that_anybody_knew(ignored: World) -> None:
    found = judged(ignored, lambda one: one.update(receipts=[]))
    assert (found.status, found.code) == ("INDETERMINATE", "anchored_before")


def test_without_the_anchor_receipts_decide_as_before(ignored: World) -> None:
    found = judged(ignored, lambda one: one.update(anchors=[]))
    assert (found.status, found.code) == ("FAIL", "ignored_statement")


def test_an_anchor_without_its_statement_is_judged_by_nobody(ignored: World) -> None:
    found = judged(ignored, lambda one: one.update(submissions=[], receipts=[]))
    assert (found.status, found.code) == ("INDETERMINATE", "submission_alone")


def test_an_untrusted_block_dates_nothing(ignored: World) -> None:
    trust = type(ignored.trust)(v=1, organisations=ignored.trust.organisations)
    found = checks({**ignored.bundle, "receipts": []}, trust)[20]
    assert (found.status, found.code) == ("INDETERMINATE", "perhaps_ignored")


def test_an_anchor_after_the_time_out_says_nothing() -> None:
    world, _ = asyncio.run(build(time.time_ns() // 1_000_000 - 2 * HOUR_MS))
    found = judged(world, lambda one: one.update(receipts=[]))
    assert (found.status, found.code) == ("INDETERMINATE", "perhaps_ignored")


@pytest.mark.parametrize("wrong", [{"root": "ab" * 32}, {"agreement": "ab" * 32}, {"execution": "ab" * 32}])
def test_a_leaf_that_says_something_else_of_it(wrong: dict[str, str]) -> None:
    world, _ = asyncio.run(build(time.time_ns() // 1_000_000, **wrong))
    found = judged(world)
    assert (found.status, found.code) == ("FAIL", "other_submission_anchored")
