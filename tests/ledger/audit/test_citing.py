"""Check 21: an anchored start that is cited stands on the chain, and did when it was cited."""

import asyncio
import copy
from collections.abc import Callable

import pytest

from ledger.audit.world import Bundle, World, build_cited, checks, finding, judge
from support.parties import BUYER, Parties
from tallystick.core.policy import DIRECT
from tallystick.core.statement import read

Change = Callable[[Bundle], object]


@pytest.fixture(scope="module")
def cited() -> World:
    """Give a run whose start was anchored before anything else was done."""
    return asyncio.run(build_cited())


def changed(world: World, change: Change) -> Bundle:
    bundle = copy.deepcopy(world.bundle)
    change(bundle)
    return bundle


def test_an_honest_one_passes_like_everything_else(cited: World) -> None:
    found = checks(cited.bundle, cited.trust)
    assert {one.status for one in found.values()} == {"PASS"}
    assert found[21].code == "cited"


def test_nothing_had_to_wait_where_that_was_not_agreed(world: World) -> None:
    assert finding(21, world.bundle, world.trust) == ("PASS", "not_required")


def citation_of(bundle: Bundle) -> str:
    statements: dict[str, str] = bundle["statements"]
    return next(name for name, token in statements.items() if read(token)[1].kind == "cite_start")


def test_without_the_statement_nothing_is_known(cited: World) -> None:
    bundle = changed(cited, lambda one: one["statements"].pop(citation_of(one)))
    assert finding(21, bundle, cited.trust) == ("INDETERMINATE", "citation_withheld")


def test_without_the_coordinators_proof_nothing_is_known(cited: World) -> None:
    """Another's start is no substitute for the one that is cited."""
    bundle = changed(cited, lambda one: one["anchors"].pop(0))
    assert finding(21, bundle, cited.trust) == ("INDETERMINATE", "citation_unproven")


def test_blocks_that_nobody_trusts_prove_nothing(cited: World) -> None:
    bundle = changed(cited, lambda _: None)
    assert finding(21, bundle, type(cited.trust)(v=1, organisations=cited.trust.organisations)) == (
        "INDETERMINATE",
        "untrusted_blocks",
    )


def test_a_citation_before_there_was_an_anchor() -> None:
    """The record says that it was cited an hour before the block that holds it: it could not have been."""
    world = asyncio.run(build_cited(behind_s=3_600))
    assert finding(21, world.bundle, world.trust) == ("FAIL", "cited_too_early")


TERMS = {
    **DIRECT,
    "start_anchor": "required",
    "also": [],
    "chain_id": 31337,
    "workflow_salt": "A" * 22,
    **dict.fromkeys(("org_registry", "workflow_registry", "execution_ledger"), "0x" + "11" * 20),
}


def test_a_start_that_waits_and_one_that_was_given_up() -> None:
    parties = Parties(anchoring=TERMS)
    parties.begin()
    assert judge(21, parties) == ("INDETERMINATE", "not_cited")
    parties.say(BUYER, "terminate", {"reason": "ab" * 32})
    assert judge(21, parties) == ("PASS", "never_begun")


def test_a_citation_that_contradicts_itself_fails() -> None:
    """The engine takes it, for it reads no hashes of the chain; every node and auditor sees through it."""
    parties = Parties(anchoring=TERMS)
    parties.begin()
    me = next(one for one in parties.agreement.participants if one.org_id == BUYER)
    words = ["1", "1", me.chain_org[2:], parties.execution, parties.hash, "0", "4", *["0"] * 4, "0", "ab" * 32]
    facts = {"chain_id": 31337, "log_epoch": 0, "log_size": 1, "log_root": "0x" + "cd" * 32, "block_number": 9}
    leaf = "0x" + "".join(word.zfill(64) for word in words)
    assert parties.say(BUYER, "cite_start", {"leaf": leaf, "index": 0, "path": [], **facts}).applied
    assert judge(21, parties) == ("FAIL", "false_citation")
