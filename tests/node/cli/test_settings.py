"""`tally init` and `tally settings`: budget, policy and further chains by name; bad values named, none kept."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tallystick.node import settings as node_settings
from tallystick.node.adjusting import SettingsErrors, adjusted
from tallystick.node.cli import main as cli
from tallystick.node.cli.texts import catalogue

PASSPHRASE = "a!b@c$d()e*_,/:;=?@ff[]22 密码"
SECRET = "https://user:hunter2@rpc.example/v3/s3cr3t"


def deployed(folder: Path, chain_id: int) -> str:
    """The file that deploying the contracts writes."""
    path = folder / f"contracts-{chain_id}.json"
    names = ("org_registry", "workflow_registry", "execution_ledger")
    found = {name: "0x" + f"{number}" * 40 for number, name in enumerate(names, 1)}
    path.write_text(json.dumps({**found, "chain_id": chain_id, "genesis_hash": "0x" + "ab" * 32}))
    return str(path)


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What makes an organisation with a chain."""
    monkeypatch.setenv("TALLYSTICK_PASSPHRASE", PASSPHRASE)
    (tmp_path / "password").write_text(PASSPHRASE + "\n", encoding="utf-8")
    names = ["--org-id", "huaxia", "--name", "华夏 汽车", "--domain", "huaxia.example"]
    chain = ["--blockchain-url", SECRET, "--contracts", deployed(tmp_path, 31337)]
    return [
        "init",
        "--data",
        str(tmp_path / "org"),
        "--admin-password-file",
        str(tmp_path / "password"),
        *names,
        *chain,
    ]


@pytest.fixture
def org(words: list[str], tmp_path: Path) -> Path:
    """Give its folder."""
    assert cli.main(words) == 0
    return tmp_path / "org"


def run(org: Path, what: str, *words: str) -> int:
    return cli.main(["settings", what, "--data", str(org), *words])


def shown(org: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert run(org, "show", "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)["settings"]
    return found


def test_init_sets_them(words: list[str], tmp_path: Path) -> None:
    given = {
        "blockchain.budget.wei": "50000000000000000",
        "blockchain.budget.period_seconds": "3600",
        "blockchain.policy.mode": "batched",
        "blockchain.policy.padding": '{"multiple_of":64}',
        "blockchain.policy.finality": "finalized",
        "blockchain.also.31338.budget.wei": "7",
    }
    also = ["--also", "http://127.0.0.1:8546", deployed(tmp_path, 31338)]
    assert cli.main([*words, *also, *[word for one in given.items() for word in ("--set", "=".join(one))]]) == 0
    blockchain = node_settings.load(tmp_path / "org").blockchain
    assert blockchain is not None
    assert blockchain.budget == node_settings.BudgetSettings(wei="50000000000000000", period_seconds=3600)
    assert blockchain.policy == {"mode": "batched", "padding": {"multiple_of": 64}, "finality": "finalized"}
    (further,) = blockchain.also
    assert (further.chain_id, further.blockchain_url) == (31338, "http://127.0.0.1:8546")
    assert further.budget == node_settings.BudgetSettings(wei="7")
    assert (further.genesis_hash, further.contracts.org_registry) == ("0x" + "ab" * 32, "0x" + "1" * 40)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--set", "blockchain.budget.wei=0"], "blockchain.budget.wei: has to be a whole number of wei above zero"),
        (["--set", "nothing"], "nothing is not NAME=VALUE"),
        (["--also", "ftp://x", "/nowhere"], "must begin with http:// or https://"),
        (["--also", "http://127.0.0.1:1", "/nowhere"], "/nowhere: No such file"),
    ],
)
def test_what_init_refuses_leaves_nothing(
    words: list[str], tmp_path: Path, more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*words, *more]) == cli.REFUSED
    assert said in capsys.readouterr().err
    assert not (tmp_path / "org").exists()


def test_a_chain_that_is_named_twice_is_refused(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*words, "--also", "http://127.0.0.1:1", deployed(tmp_path, 31337)]) == cli.REFUSED
    assert "names a chain twice" in capsys.readouterr().err
    assert not (tmp_path / "org").exists()


def test_without_a_chain_there_is_nothing_to_set(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*words[:-4], "--set", "blockchain.budget.wei=5"]) == cli.REFUSED
    assert "huaxia was set up without a chain" in capsys.readouterr().err
    assert cli.main(words[:-4]) == 0
    assert run(tmp_path / "org", "show") == 0
    assert "nothing to set" in capsys.readouterr().out
    assert run(tmp_path / "org", "set", "blockchain.budget.wei=5") == cli.REFUSED
    assert run(tmp_path / "org", "add-chain", "--url", "http://h", "--contracts", deployed(tmp_path, 5)) == cli.REFUSED


def test_what_is_set_is_shown_and_unset(org: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = shown(org, capsys)
    assert all(one["is_default"] for one in before.values())
    assert before["blockchain.budget.wei"]["value"] is None
    assert before["blockchain.policy.mode"]["value"] == "direct"
    assert run(org, "set", "blockchain.budget.wei=9", "blockchain.policy.mode=batched", "blockchain.relayers=2") == 0
    said = capsys.readouterr().out
    assert "blockchain.policy.max_leaves: 1 → 256" in said
    assert "restart it" in said
    after = shown(org, capsys)
    assert after["blockchain.budget.wei"] == {"value": "9", "is_default": False}
    assert after["blockchain.budget.period_seconds"] == {"value": 86_400, "is_default": True}
    assert after["blockchain.policy.max_age_seconds"] == {"value": 60, "is_default": True}
    assert run(org, "unset", "blockchain.budget", "blockchain.policy", "blockchain.relayers") == 0
    assert shown(org, capsys) == before
    assert run(org, "unset", "blockchain.budget") == 0
    assert "Nothing has changed" in capsys.readouterr().out
    assert (org / "settings.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("padding", "holds"), [('{"multiple_of":256}', True), ('{"multiple_of":257}', False), ("power_of_two", False)]
)
def test_a_heartbeat_needs_batches_of_one_size(
    org: Path, padding: str, holds: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    given = "blockchain.heartbeat=true", "blockchain.policy.mode=batched", f"blockchain.policy.padding={padding}"
    assert (run(org, "set", *given) == 0) is holds
    assert ("needs a policy" in capsys.readouterr().err) is not holds
    if holds:
        assert run(org, "unset", "blockchain.policy") == cli.REFUSED  # it would be left without
        cli.main(["doctor", "--data", str(org)])
        assert "anchors every 60 s, whether anything happened or not" in capsys.readouterr().out


def test_further_chains_come_and_go(org: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    added = ["--url", "http://127.0.0.1:1", "--url", "http://127.0.0.1:2", "--contracts", deployed(tmp_path, 31338)]
    assert run(org, "add-chain", *added, "--endpoint-quorum", "2") == 0
    assert run(org, "set", "blockchain.also.31338.gas_limit=100000") == 0
    found = shown(org, capsys)
    assert found["blockchain.also.31338.gas_limit"] == {"value": 100_000, "is_default": False}
    assert found["blockchain.also.31338.endpoint_quorum"] == {"value": 2, "is_default": False}
    assert run(org, "add-chain", *added) == cli.REFUSED
    assert "names a chain twice" in capsys.readouterr().err
    assert run(org, "remove-chain", "--chain-id", "5") == cli.REFUSED
    assert "no further chain 5" in capsys.readouterr().err
    assert run(org, "remove-chain", "--chain-id", "31338") == 0
    assert not [name for name in shown(org, capsys) if name.startswith("blockchain.also")]


BAD = {
    "blockchain.budget.wei=-1": "blockchain.budget.wei: has to be a whole number of wei",
    "blockchain.budget.wei=1e18": "blockchain.budget.wei: has to be a whole number of wei",
    "blockchain.budget.wei=1 ": "blockchain.budget.wei: has to be a whole number of wei",
    f"blockchain.budget.wei={'9' * 31}": "blockchain.budget.wei: has to be a whole number of wei",
    f"blockchain.budget.wei={'9' * 2_000}": "blockchain.budget.wei: a value has 1000 characters at most",
    "blockchain.budget.period_seconds=59": "blockchain.budget.period_seconds: has to be int >= 60",
    "blockchain.budget.alert_percent=101": "blockchain.budget.alert_percent: has to be int <= 100",
    "blockchain.budget.alert_percent=many": "blockchain.budget.alert_percent: has to be int, got str",
    "blockchain.fee_ceiling_gwei=0": "blockchain.fee_ceiling_gwei: has to be int >= 1",
    "blockchain.transaction_confirmation_blocks=0": "blockchain.transaction_confirmation_blocks: has to be int >= 1",
    "blockchain.endpoint_quorum=2": "endpoint_quorum is 2, and there are 1 endpoints",
    "blockchain.budget.alert_percent=50": "blockchain.budget: Object missing required field `wei`",
    "blockchain.policy.mode=batch": "blockchain.policy.mode: mode: Invalid enum value 'batch'",
    "blockchain.policy.max_leaves=7": "blockchain.policy.max_leaves: a leaf that is anchored at once",
    "blockchain.policy.finality={": "blockchain.policy.finality",
    'blockchain.policy.finality={"confirmations":0}': "blockchain.policy.finality.confirmations",
    f"blockchain.policy.padding={'[' * 900}": "blockchain.policy.padding",
    "blockchain.policy.fee=1": "there is no setting blockchain.policy.fee",
    "blockchain.heartbeat=true": "blockchain.heartbeat needs a policy",
    "blockchain.heartbeat=perhaps": "blockchain.heartbeat: has to be bool",
    "blockchain.polcy.mode=batched": "did you mean blockchain.policy.mode?",
    "blockchain.also.5.budget.wei=1": "there is no setting blockchain.also.5.budget.wei",
    "blockchain.blockchain_url=http://x": "there is no setting blockchain.blockchain_url",
    "org_id=other": "there is no setting org_id",
}


@pytest.mark.parametrize("given", BAD)
def test_a_bad_value_is_named_and_nothing_is_kept(org: Path, given: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = (org / "settings.json").read_bytes()
    assert run(org, "set", "blockchain.gas_limit=50000", given) == cli.REFUSED
    said = capsys.readouterr().err
    assert BAD[given] in said
    assert "s3cr3t" not in said
    assert (org / "settings.json").read_bytes() == before


def test_all_that_is_wrong_is_named_at_once(org: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [("blockchain.budget.wei", "x"), ("blockchain.gas_limit", "1"), ("nothing", "2")]
    with pytest.raises(SettingsErrors) as caught:
        adjusted(node_settings.load(org), given)
    assert [(one.pointer, one.code) for one in caught.value.errors] == [
        ("blockchain.budget.wei", "bad_value"),
        ("blockchain.gas_limit", "bad_value"),
        ("nothing", "unknown_setting"),
    ]
    assert run(org, "set", *("=".join(one) for one in given)) == cli.REFUSED
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_what_is_secret_in_a_url_is_not_shown(org: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(org, "show") == 0
    assert run(org, "show", "--json") == 0
    assert not [word for word in ("hunter2", "s3cr3t") if word in capsys.readouterr().out]


def test_both_languages_have_all_texts(org: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert catalogue("settings", "en").keys() == catalogue("settings", "zh-CN").keys()
    assert run(org, "set", "blockchain.relayers=1", "--lang", "zh-CN") == 0
    assert "请重启" in capsys.readouterr().out


def test_doctor_shows_them_and_names_what_cannot_be_read(org: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(org, "set", "blockchain.budget.wei=50000000000000000", "blockchain.policy.mode=batched") == 0
    cli.main(["doctor", "--data", str(org)])
    (line,) = [one for one in capsys.readouterr().out.splitlines() if one.startswith("settings of huaxia")]
    assert "50000000000000000 wei in 86400 s, alert at 80 %" in line
    assert "batched" in line
    assert "s3cr3t" not in line
    settings = msgspec.json.decode((org / "settings.json").read_bytes())
    settings["blockchain"]["policy"] = {"mode": "sometimes"}
    (org / "settings.json").write_bytes(msgspec.json.encode(settings))
    assert cli.main(["doctor", "--data", str(org)]) == 1
    (line,) = [one for one in capsys.readouterr().out.splitlines() if one.startswith("settings in")]
    assert "broken" in line
    assert "blockchain.policy/mode" in line
