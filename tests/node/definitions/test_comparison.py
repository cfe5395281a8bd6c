"""What differs between two agreements, found and said in words."""

import copy
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.parties import BUYER, CARRIER, DEFINITION, SUPPLIER, Parties, agreement_document
from tallystick.core import agreement as agreements
from tallystick.core import policy
from tallystick.core.agreement import Agreement
from tallystick.core.definition import model
from tallystick.core.definition.compile import audiences, compile_definition
from tallystick.core.policy import DIRECT
from tallystick.node.cli import agreement as command
from tallystick.node.definitions import wording
from tallystick.node.definitions.comparison import compare

KEYS = Parties().keys


def agreement(source: dict[str, Any] = DEFINITION, **changes: Any) -> Agreement:
    compiled = compile_definition(source)
    named = [one["org_id"] for one in source["participants"]]
    document = agreement_document(KEYS, definition=compiled, visibility=audiences(compiled), **changes)
    document["participants"] = [one for one in document["participants"] if one["org_id"] in named]
    return agreements.read(document)


def said(before: Agreement, after: Agreement, language: str = "en") -> list[str]:
    return [wording.sentence(one, before, after, language) for one in compare(before, after)]


def test_salts_and_times_say_nothing() -> None:
    assert compare(agreement(), agreement(salt="A" * 22, created_at=7)) == []


def test_every_term_is_told() -> None:
    """Whatever an agreement holds is compared, or is one of those that differ always."""
    always = {"v", "kind", "salt", "created_at", "replaces", "parent"}
    elsewhere = {"definition", "visibility", "participants"}
    limits = {"skew_ms": 1000, "sequencing_ms": 2000, "max_entries": 3, "max_statement_bytes": 4}
    chain = {"chain_id": 1, "org_registry": "0x1", "workflow_registry": "0x2", "execution_ledger": "0x3",
             "workflow_salt": "x", **DIRECT, "also": []}  # fmt: skip
    other = agreement(
        initiator=SUPPLIER, coordinator=CARRIER, quorums={}, limits=limits, retention_days=1, anchoring=chain,
        sealing_suite="mlkem768x25519-hkdf-sha256-chacha20poly1305",
    )  # fmt: skip
    pointers = {one.pointer.split("/")[1] for one in compare(agreement(), other)}
    assert pointers | always | elsewhere | {"versions"} == set(Agreement.__struct_fields__)
    assert "limits › clock skew allowed (ms): 300000 → 1000" in said(agreement(), other)


def test_an_anchoring_policy_is_told_in_words() -> None:
    chain = {"chain_id": 1, "org_registry": "0x1", "workflow_registry": "0x2", "execution_ledger": "0x3",
             "workflow_salt": "x", "also": []}  # fmt: skip
    strict = policy.terms({"mode": "batched", "padding": "power_of_two", "start_anchor": "required",
                           "finality": "finalized"})  # fmt: skip
    before, after = agreement(anchoring={**chain, **DIRECT}), agreement(anchoring={**chain, **strict})
    assert said(before, after) == [
        "anchoring on the chain › an anchor counts with: 1 blocks, its own included → the chain's mark “finalized”",
        "anchoring on the chain › anchored every (s): 0 → 60",
        "anchoring on the chain › leaves of a batch at most: 1 → 256",
        "anchoring on the chain › anchored: at once → in batches",
        "anchoring on the chain › batches filled up: not at all → to a power of two",
        "anchoring on the chain › anchor of the start: work does not wait for it → no work before it",
    ]
    assert said(before, after, "zh-CN")[4:] == [
        "链上锚定 › 批次填充：不填充 → 至 2 的幂",
        "链上锚定 › 启动的锚定：工作不等待 → 完成锚定之前不开始工作",
    ]
    assert wording.term("padding", {"multiple_of": 16}, "en") == "batches filled up: to a multiple of 16"


def test_participants_rights_and_keys() -> None:
    source = copy.deepcopy(DEFINITION)
    source["participants"].pop()
    source["tasks"] = [one for one in source["tasks"] if one["assigned_org"] != CARRIER]
    before, after = agreement(), agreement(source)
    assert "participant “Blueline Freight” removed: Blueline Freight · blueline · carrier" in said(before, after)
    assert "参与方 “Blueline Freight” 新增：Blueline Freight · blueline · carrier" in said(after, before, "zh-CN")
    document = msgspec.to_builtins(before)
    document["participants"][1] |= {"role": "seller", "can_terminate": True, "root_key": "00" * 32}
    changed = agreements.read(document)
    assert {(one.section, one.pointer) for one in compare(before, changed)} == {
        ("roles", f"/participants/{SUPPLIER}/role"),
        ("roles", f"/participants/{SUPPLIER}/can_terminate"),
        ("keys", f"/participants/{SUPPLIER}/root_key"),
    }


def test_steps_are_told_by_their_names() -> None:
    source = copy.deepcopy(DEFINITION)
    source["tasks"][2] |= {"timeout_seconds": 60, "assigned_org": SUPPLIER}
    source["tasks"].append(
        {"id": "extra", "name": "Extra 附加", "task_type": "activity", "assigned_org": BUYER, "timeout_seconds": 5}
    )
    english, chinese = (said(agreement(), agreement(source), language) for language in ("en", "zh-CN"))
    assert "step “Carry” › assigned organisation: blueline → nordic" in english
    assert "步骤 “Carry” › 超时（秒）：100 → 60" in chinese
    assert any(one.startswith("步骤 “Extra 附加” 新增：Extra 附加 · activity · huaxia") for one in chinese)


def test_every_member_of_a_definition_has_a_word_in_both_languages() -> None:
    structs = [one for one in vars(model).values() if isinstance(one, type) and issubclass(one, msgspec.Struct)]
    names = {name for one in structs for name in one.__struct_fields__}
    for name in names:
        pointer = f"/definition/{name}"
        one = compare(agreement(), agreement(retention_days=1))[0]
        text = wording.sentence(msgspec.structs.replace(one, pointer=pointer), agreement(), agreement(), "zh-CN")
        assert not text.startswith(f"{name}："), name


def test_the_command_compares_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = tmp_path / "before.json", tmp_path / "after 后.json"
    before.write_text(json.dumps(msgspec.to_builtins(agreement())))
    after.write_text(json.dumps({"agreement": msgspec.to_builtins(agreement(retention_days=90)), "source": None}))
    assert command.main(["diff", str(before), str(after), "--lang", "zh-CN"]) == 1
    assert capsys.readouterr().out.splitlines()[1:] == ["条款", "  保留天数：30 → 90"]
    assert command.main(["diff", str(before), str(after), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["items"][0]["pointer"] == "/retention_days"
    assert command.main(["diff", str(before), str(before)]) == 0
    before.write_text("{}")
    assert command.main(["diff", str(before), str(after)]) == 1
    assert "version" in capsys.readouterr().err
