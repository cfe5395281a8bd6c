"""Agreements that give an observer more to do than to observe."""

import copy
from typing import Any

import pytest

from support.parties import BUYER, CARRIER, DEFINITION, SUPPLIER, Parties, agreement_document
from tallystick.core import agreement as agreements
from tallystick.core.definition.compile import audiences, compile_definition
from tallystick.core.errors import Invalid

SOURCE = copy.deepcopy(DEFINITION)
SOURCE["tasks"] = [one for one in SOURCE["tasks"] if one["assigned_org"] != CARRIER]
SOURCE["participants"][2]["role"] = "observer"


def document(**carrier: Any) -> dict[str, Any]:
    compiled = compile_definition(SOURCE)
    found = agreement_document(Parties().keys, definition=compiled, visibility=audiences(compiled))
    found["participants"][2] |= {"role": "observer", **carrier}
    return found


def test_an_observer_is_a_participant_that_does_nothing() -> None:
    agreement = agreements.read(document())
    assert [one.observes for one in agreement.participants] == [False, False, True]


@pytest.mark.parametrize(
    "change",
    [
        {"coordinator": CARRIER},
        {"initiator": CARRIER},
        {"replaces": {"execution": "e" * 64, "agreement": "a" * 64, "version": 2, "by": CARRIER}},
        {"participants": document(can_terminate=True)["participants"]},
    ],
)
def test_more_than_that_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        agreements.read({**document(), **change})
    assert caught.value.code == "bad_agreement"


def test_whoever_has_a_step_is_no_observer() -> None:
    found = Parties().document
    for index in (1, 2):  # the supplier is also told something, the carrier only works
        participants = copy.deepcopy(found["participants"])
        participants[index]["role"] = "observer"
        with pytest.raises(Invalid) as caught:
            agreements.read({**found, "participants": participants})
        assert caught.value.code == "bad_agreement"


def test_only_consent_is_heard() -> None:
    base = document()
    parties = Parties(definition=base["definition"], visibility=base["visibility"], participants=base["participants"])
    parties.say(BUYER, "propose", {"nonce": parties.nonce})
    change = {"agreement": "ab" * 32, "nonce": "AAAA"}
    assert parties.say(CARRIER, "change", change).outcome == "void:observes_only"
    assert parties.say(CARRIER, "consent", {"decision": "accepted"}).applied
    parties.say(SUPPLIER, "consent", {"decision": "accepted"})
    assert parties.say(CARRIER, "start", {"input": {}}).outcome == "void:observes_only"
    assert parties.say(BUYER, "start", {"input": {}}).applied
    for kind, body in (("signal", {"name": "go"}), ("terminate", {"reason": "ab" * 32}), ("retry", {"task": "x"})):
        assert parties.say(CARRIER, kind, body).outcome == "void:observes_only"
