"""`tally chain` over a real chain: deploy, status, fund, export; what it refuses, and what it never shows."""

from __future__ import annotations

import asyncio
import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from support.processes import Anvil
from support.submissions import ATTEMPT, submission
from tallystick.core.errors import Invalid
from tallystick.ledger.accounts import Account
from tallystick.node import settings as node_settings
from tallystick.node.anchoring.chainside import identity
from tallystick.node.anchoring.stores import SqlSubmissions
from tallystick.node.cli.chain import main
from tallystick.node.cli.init import main as init
from tallystick.node.cli.texts import catalogue
from tallystick.tenants.database import Database
from tallystick.tenants.folder_lock import FolderLock
from tallystick.tenants.keystore import Keystore

CHAIN = ("--chain-id", "31337")
SOMEBODY = "0x" + "5a" * 20


@pytest.fixture
def contracts(anvil: Anvil, tmp_path: Path) -> Path:
    """Give the file that deploying writes."""
    path = tmp_path / "contracts.json"
    assert main(["deploy", "--url", anvil.url, *CHAIN, "--out", str(path)]) == 0
    return path


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    """Give what was printed as JSON."""
    return json.loads(capsys.readouterr().out)


def test_deploying_twice(anvil: Anvil, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    contracts = tmp_path / "contracts.json"
    assert main(["deploy", "--url", anvil.url, *CHAIN, "--out", str(contracts)]) == 0
    first = capsys.readouterr().out
    assert "Created: ExecutionLedger, WorkflowRegistry." in first
    made = json.loads(contracts.read_bytes())
    assert made["execution_ledger"] in first
    assert made["genesis_hash"] in first
    assert main(["deploy", "--url", anvil.url, *CHAIN, "--json"]) == 0
    again = said(capsys)
    assert again == {**made, "created": []}
    assert main(["deploy", "--url", anvil.url, *CHAIN, "--lang", "zh-CN"]) == 0
    assert "合约早已部署" in capsys.readouterr().out


def test_deploying_from_a_key(anvil: Anvil, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    private = secrets.token_bytes(32)
    key = tmp_path / "key"
    key.write_text(f"0x{private.hex()}\n")
    address = Account(private).address
    assert main(["fund", "--url", anvil.url, *CHAIN, "--account", address, "--ether", "1", "--json"]) == 0
    assert said(capsys)["accounts"] == [{"address": address, "balance": str(10**18)}]
    assert main(["deploy", "--url", anvil.url, *CHAIN, "--key-file", str(key), "--json"]) == 0
    assert said(capsys)["created"] == ["ExecutionLedger", "WorkflowRegistry"]
    assert main(["status", "--url", anvil.url, *CHAIN, "--account", address, "--json"]) == 0
    assert 0 < int(said(capsys)["accounts"][0]["balance"]) < 10**18
    key.write_text(private.hex()[:-2])
    assert main(["deploy", "--url", anvil.url, *CHAIN, "--key-file", str(key)]) == 1
    assert private.hex()[:-2] not in capsys.readouterr().err


def test_the_status_says_whose_code_stands_there(
    anvil: Anvil, contracts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    words = ["status", "--url", anvil.url, "--url", "http://u:s3cr3t@127.0.0.1:1/t0ken", "--contracts", str(contracts)]
    assert main([*words, "--json"]) == 0
    found = said(capsys)
    assert [one["state"] for one in found["endpoints"]] == ["good", "unreachable"]
    assert [one["is_ours"] for one in found["contracts"]] == [True] * 3
    assert found["heads"]["latest"] >= 1
    assert main(words) == 0
    shown = capsys.readouterr()
    assert "http://127.0.0.1:1/…: does not answer" in shown.out
    assert "our code" in shown.out
    assert not [word for word in ("s3cr3t", "t0ken") if word in shown.out + shown.err + json.dumps(found)]
    assert main([*words, "--lang", "zh-CN"]) == 0
    assert "没有响应" in capsys.readouterr().out
    # Another file of addresses: nothing stands there.
    made = json.loads(contracts.read_bytes())
    contracts.write_text(json.dumps({**made, "workflow_registry": SOMEBODY}))
    assert main(words) == 1
    assert "no code stands there" in capsys.readouterr().out


def test_another_chain_is_refused_and_named(anvil: Anvil, contracts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["status", "--url", anvil.url, "--chain-id", "1"]) == 1
    assert "serves chain 31337, not 1" in capsys.readouterr().out
    made = json.loads(contracts.read_bytes())
    contracts.write_text(json.dumps({**made, "genesis_hash": "0x" + "00" * 32}))
    assert main(["status", "--url", anvil.url, "--contracts", str(contracts)]) == 1
    assert "the chain was reset" in capsys.readouterr().out
    assert main(["deploy", "--url", anvil.url, "--contracts", str(contracts)]) == 1
    assert "another first block" in capsys.readouterr().err


def test_what_is_missing_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for words in (["status"], ["deploy", "--url", "http://127.0.0.1:1"], ["export", "--out", str(tmp_path)]):
        assert main(words) == 1
    assert main(["fund", "--url", "http://127.0.0.1:1", *CHAIN]) == 1
    assert "whom?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["fund", "--account", "0x12"])


def test_the_export(contracts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    out = tmp_path / "export"
    assert main(["export", "--contracts", str(contracts), "--out", str(out), "--json"]) == 0
    assert sorted(said(capsys)["files"]) == sorted(str(path) for path in out.iterdir())
    names = {path.name for path in out.iterdir()}
    assert names == {
        *("standard-input.json", "verification.json"),
        *("ExecutionLedger.abi.json", "WorkflowRegistry.abi.json"),
    }


def test_an_organisation_knows_its_chain(
    anvil: Anvil,
    contracts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TALLYSTICK_PASSPHRASE", "a!b@c$d()e*_,/:;=?@ff[]22 通行")
    monkeypatch.delenv("TALLYSTICK_PASSPHRASE_FILE", raising=False)
    (tmp_path / "password").write_text("correct horse battery staple")
    data = str(tmp_path / "acme")
    words = ["--data", data, "--org-id", "acme", "--name", "Acme", "--domain", "acme.example"]
    chain = ["--blockchain-url", anvil.url, "--contracts", str(contracts), "--fallback-url", f"{anvil.url}/second"]
    assert init([*words, *chain, "--admin-password-file", str(tmp_path / "password")]) == 0
    settings = node_settings.load(tmp_path / "acme").blockchain
    assert settings is not None
    assert settings.genesis_hash == json.loads(contracts.read_bytes())["genesis_hash"]
    assert settings.fallback_urls == (f"{anvil.url}/second",)
    capsys.readouterr()
    assert main(["fund", "--data", data, "--ether", "2", "--json"]) == 0
    account = said(capsys)["accounts"][0]
    assert account["balance"] == str(2 * 10**18)
    assert main(["status", "--data", data, "--json"]) == 0
    found = said(capsys)
    assert found["accounts"] == [account]
    assert all(one["is_ours"] for one in found["contracts"])
    assert main(["status", "--data", data, "--chain-id", "5"]) == 1
    assert "does not anchor on chain 5" in capsys.readouterr().err
    assert main(["deploy", "--data", data, "--json"]) == 0
    assert said(capsys)["created"] == []
    assert main(["export", "--data", data, "--out", str(tmp_path / "export")]) == 0


def test_both_languages_have_every_text() -> None:
    assert catalogue("chain", "en").keys() == catalogue("chain", "zh-CN").keys()


def test_an_organisation_whose_keys_are_elsewhere(
    contracts: Path, anvil: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    signer = ("--signer", "http://127.0.0.1:1", "--signer-account", SOMEBODY, "--signer-account", "0x" + "6b" * 20)
    data = _organisation(contracts, anvil, tmp_path, monkeypatch, *signer)
    capsys.readouterr()
    assert main(["fund", "--data", str(data), "--ether", "2", "--json"]) == 0
    assert [one["address"].lower() for one in said(capsys)["accounts"]] == [SOMEBODY, "0x" + "6b" * 20]
    assert main(["deploy", "--data", str(data)]) == 1
    assert "external signer" in capsys.readouterr().err
    assert main(["rotate-keys", "--data", str(data)]) == 1
    assert "external signer" in capsys.readouterr().err


def test_accounts_are_replaced_while_no_node_runs(
    contracts: Path, anvil: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = _organisation(contracts, anvil, tmp_path, monkeypatch, "--relayers", "1")
    keystore = data / "keystore.json"
    held = keystore.read_bytes()
    capsys.readouterr()
    with FolderLock(data, alone=False):
        assert main(["rotate-keys", "--data", str(data)]) == 1
    assert "stop it first" in capsys.readouterr().err
    assert keystore.read_bytes() == held
    settings = node_settings.load(data)
    phrase = "a!b@c$d()e*_,/:;=?@ff[]22 通行"
    before = Keystore.open(keystore, phrase)
    assert settings.blockchain is not None
    identity_before = identity(settings.blockchain, before)
    assert main(["rotate-keys", "--data", str(data), "--json"]) == 0
    found = said(capsys)
    after = Keystore.open(keystore, phrase)
    assert found["accounts"][0] == after.chain_address != before.chain_address
    assert len(found["accounts"]) == 2, "the relayers' keys follow from the account's"
    assert (found["log_key"], found["former_log_keys"]) == (after.log_address, [before.log_address])
    assert found["former_accounts"] == [before.chain_address]
    now = identity(settings.blockchain, after)
    assert (now.org, now.log_key) == (identity_before.org, after.log_address)
    assert now.former_log_keys == [before.log_address]
    assert main(["rotate-keys", "--data", str(data)]) == 0
    text = capsys.readouterr().out
    assert text.index(after.chain_address) < text.index(before.chain_address), "the newest of the former first"


def test_accounts_of_two_kinds_are_refused(
    contracts: Path, anvil: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = ("--signer", "http://127.0.0.1:1", "--signer-account", SOMEBODY)
    for words in (("--relayers", "17"), ("--relayers", "1", *signer), signer[:2], signer[2:]):
        with pytest.raises(Invalid):
            _organisation(contracts, anvil, tmp_path, monkeypatch, *words)


def _organisation(contracts: Path, anvil: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> Path:
    monkeypatch.setenv("TALLYSTICK_PASSPHRASE", "a!b@c$d()e*_,/:;=?@ff[]22 通行")
    monkeypatch.delenv("TALLYSTICK_PASSPHRASE_FILE", raising=False)
    (tmp_path / "password").write_text("correct horse battery staple")
    words = ["--data", str(tmp_path / "acme"), "--org-id", "acme", "--name", "Acme", "--domain", "acme.example"]
    chain = ["--blockchain-url", anvil.url, "--contracts", str(contracts), *more]
    assert init([*words, *chain, "--admin-password-file", str(tmp_path / "password")]) == 0
    return tmp_path / "acme"


def test_what_an_organisation_sent_is_listed_with_its_cost(
    contracts: Path, anvil: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = _organisation(contracts, anvil, tmp_path, monkeypatch)
    capsys.readouterr()
    assert main(["transactions", "--data", str(data)]) == 0
    assert "Nothing was sent" in capsys.readouterr().out
    one = submission(
        "anchor:0:1", state="sent", nonce=7, attempts=(ATTEMPT,), error="out of funds", gas_used=2, price=3
    )
    with Database(data / "tenant.db") as database:
        asyncio.run(SqlSubmissions(database).save(one))
        asyncio.run(SqlSubmissions(database).save(submission("org", state="confirmed", block_number=1)))
    assert main(["transactions", "--data", str(data), "--state", "sent", "--json"]) == 0
    (found,) = said(capsys)["transactions"]
    assert (found["purpose"], found["cost"], found["transactions"]) == ("anchor:0:1", "6", ["0x01"])
    assert main(["transactions", "--data", str(data), "--lang", "zh-CN"]) == 0
    text = capsys.readouterr().out
    assert "已发送" in text
    assert "已确认" in text
    assert "0.000000000000000006 ETH" in text
    assert "out of funds" in text
