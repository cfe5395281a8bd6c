"""`tally init` makes an organisation whole, or says why not and leaves nothing behind."""

import asyncio
import json
import socket
from pathlib import Path

import pytest

from tallystick.core.errors import Unavailable
from tallystick.node import settings as node_settings
from tallystick.node.bootstrap import Node
from tallystick.node.cli import main as cli
from tallystick.node.links import process
from tallystick.node.services.organisation import own_card, wanted_card
from tallystick.tenants import root_key
from tallystick.tenants.keystore import Keystore

PASSPHRASE = "a!b@c$d()e*_,/:;=?@ff[]22 密码"


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What makes an organisation."""
    monkeypatch.setenv("TALLYSTICK_PASSPHRASE", PASSPHRASE)
    tmp_path.chmod(0o755)  # a checkout, or a home folder, which others may enter: the organisation's own they may not
    (tmp_path / "password").write_text(PASSPHRASE + "\n", encoding="utf-8")
    names = ["--org-id", "huaxia", "--name", "华夏 汽车 a!b@c$", "--domain", "huaxia.example"]
    return ["init", "--data", str(tmp_path / "org"), "--admin-password-file", str(tmp_path / "password"), *names]


def left(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.iterdir())


def test_an_organisation_is_made(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 0
    settings = node_settings.load(tmp_path / "org")
    assert (settings.org_id, settings.name, settings.blockchain) == ("huaxia", "华夏 汽车 a!b@c$", None)
    keystore = Keystore.open(settings.keystore_path, PASSPHRASE)
    assert keystore.root_public.key in capsys.readouterr().out
    assert all(path.stat().st_mode & 0o077 == 0 for path in [tmp_path / "org", *(tmp_path / "org").iterdir()])


def test_folders_on_the_way_are_made(words: list[str], tmp_path: Path) -> None:
    assert cli.main([*words, "--data", str(tmp_path / "a" / "b" / "org")]) == 0
    assert node_settings.load(tmp_path / "a" / "b" / "org").org_id == "huaxia"


def test_behind_a_proxy_with_tls(words: list[str], tmp_path: Path) -> None:
    assert cli.main([*words, "--url", "https://node.huaxia.example"]) == 0
    assert node_settings.load(tmp_path / "org").endpoint_url == "https://node.huaxia.example"


def test_a_second_time_changes_nothing(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(words)
    before = {path: path.read_bytes() for path in (tmp_path / "org").iterdir()}
    assert cli.main(words) == cli.REFUSED
    assert "is not empty" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in (tmp_path / "org").iterdir()}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--org-id", "Bad Id/.."], "id must be"),
        (["--name", " x"], "name must have"),
        (["--domain", "no domain"], "domain must be"),
        (["--port", "70000"], "no port 70000"),
        (["--blockchain-url", "http://127.0.0.1:8545"], "needs --contracts"),
        (["--admin-password-file", "/nowhere/at/all"], "/nowhere/at/all: No such file"),
        (["--admin", ""], "user"),
        (["--url", "ftp://x"], "endpoint_url must be"),
        (["--url", "https://a:b@huaxia.example"], "endpoint_url must be"),
    ],
)
def test_what_is_wrong_is_named(
    words: list[str], tmp_path: Path, more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*words, *more]) == cli.REFUSED
    assert said in capsys.readouterr().err
    assert left(tmp_path) == ["password"]


def test_a_weak_password_leaves_nothing(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "password").write_text("short")
    assert cli.main(words) == cli.REFUSED
    said = capsys.readouterr().err
    assert "a password has" in said
    assert "short" not in said
    assert left(tmp_path) == ["password"]


@pytest.mark.parametrize("missing", ["org_registry", "execution_ledger"])
def test_contracts_must_be_named(
    words: list[str], tmp_path: Path, missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = dict.fromkeys(("org_registry", "workflow_registry", "execution_ledger"), "0x" + "1" * 40)
    del found[missing]
    (tmp_path / "contracts").write_text(json.dumps({**found, "chain_id": 31337}))
    more = ["--blockchain-url", "http://127.0.0.1:8545", "--contracts", str(tmp_path / "contracts")]
    assert cli.main([*words, *more]) == cli.REFUSED
    assert "$.contracts" in capsys.readouterr().err
    assert left(tmp_path) == ["contracts", "password"]


def test_a_node_without_a_folder_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["node", "--data", str(tmp_path / "none")]) == cli.REFUSED
    assert "run tally init first" in capsys.readouterr().err


# The root key in a file of its own.


@pytest.fixture
def safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the root key is to be, and its passphrase."""
    monkeypatch.setenv(root_key.VARIABLE, "another passphrase 根密钥")
    (tmp_path / "safe").mkdir(mode=0o700)
    return tmp_path / "safe" / "root.json"


def test_a_root_key_of_its_own_file_is_nowhere_else(
    words: list[str], tmp_path: Path, safe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*words, "--root-key", str(safe)]) == 0
    keystore = Keystore.open(tmp_path / "org" / "keystore.json", PASSPHRASE)
    root = root_key.read(safe, "another passphrase 根密钥")
    assert (keystore.root_key, keystore.root_public.key, root.org_id) == (None, root.key.public_hex, "huaxia")
    assert safe.stat().st_mode & 0o077 == 0
    said = capsys.readouterr().out
    assert f"tally keys sign --root-key {safe}" in said
    assert "It has signed the organisation's card" in said
    assert root.key.seed.hex() not in said


@pytest.mark.parametrize("more", [[], ["--no-nats"], ["--url", "https://node.huaxia.example"], ["chain"]])
def test_the_root_key_signs_the_first_card_while_it_is_open(
    words: list[str], tmp_path: Path, safe: Path, more: list[str]
) -> None:
    """What the node will want to say is what the card says, so that nothing waits."""
    if more == ["chain"]:
        contracts = dict.fromkeys(("org_registry", "workflow_registry", "execution_ledger"), "0x" + "1" * 40)
        (tmp_path / "contracts").write_text(json.dumps({**contracts, "chain_id": 31337}))
        more = ["--blockchain-url", "http://127.0.0.1:8545", "--contracts", str(tmp_path / "contracts")]
    assert cli.main([*words, *more, "--root-key", str(safe)]) == 0
    settings = node_settings.load(tmp_path / "org")
    node = Node(settings, Keystore.open(settings.keystore_path, PASSPHRASE))
    try:
        assert wanted_card(node.parts) is None, "nothing is left to sign"
        card = own_card(node.parts)
        assert card.endpoint_url == settings.endpoint_url
        assert (card.nats is None) == ("--no-nats" in more)
        assert card.nats is None or card.nats.leaf_url == node.parts.links.leaf_url
        assert (card.chain_org == "0x" + "0" * 64) == ("--contracts" not in more)
    finally:
        asyncio.run(node.stop())


def test_a_card_that_cannot_be_signed_yet_is_asked_for(
    words: list[str], tmp_path: Path, safe: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_given: object) -> Path:
        raise Unavailable("nats-server is not installed", code="nats_server")

    monkeypatch.setattr(process, "find_binary", missing)
    assert cli.main([*words, "--root-key", str(safe)]) == 0
    said = capsys.readouterr().out
    assert "is not signed yet (nats-server is not installed)" in said
    assert f"tally keys sign --root-key {safe} --node http://127.0.0.1:" in said
    assert not (tmp_path / "org" / "card.jwt").exists()


def test_a_port_that_was_taken_meanwhile_has_the_card_wait_again(words: list[str], tmp_path: Path, safe: Path) -> None:
    assert cli.main([*words, "--root-key", str(safe)]) == 0
    settings = node_settings.load(tmp_path / "org")
    ports = json.loads((settings.data_dir / "nats" / "ports.json").read_text())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports["leaf"]))
        taken.listen()
        node = Node(settings, Keystore.open(settings.keystore_path, PASSPHRASE))
        try:
            wanted = wanted_card(node.parts)
            assert wanted is not None
            assert wanted.nats is not None
            assert wanted.nats.leaf_url != f"tls://127.0.0.1:{ports['leaf']}"
            assert own_card(node.parts).nats != wanted.nats, "partners know the signed one until then"
        finally:
            asyncio.run(node.stop())


@pytest.mark.parametrize("wrong", ["inside", "there", "no passphrase", "weak passphrase", "bad admin password"])
def test_a_root_key_that_cannot_be_made_leaves_nothing_behind(
    words: list[str], tmp_path: Path, safe: Path, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = safe
    match wrong:
        case "inside":
            path = tmp_path / "org" / "root.json"
        case "there":
            safe.write_bytes(b"somebody's")
        case "no passphrase":
            monkeypatch.delenv(root_key.VARIABLE)
        case "weak passphrase":
            monkeypatch.setenv(root_key.VARIABLE, "short")
        case _:
            (tmp_path / "password").write_text("x", encoding="utf-8")
    before = safe.exists()
    assert cli.main([*words, "--root-key", str(path)]) == cli.REFUSED
    assert left(tmp_path) == ["password", "safe"]
    assert safe.exists() == before
    assert not before or safe.read_bytes() == b"somebody's"
