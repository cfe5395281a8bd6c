"""The configuration as text, and as the real server reads it."""

import hashlib
import json
import subprocess
from pathlib import Path

import msgspec
import pytest

from node.links.organisations import make_identity
from tallystick.core.errors import Invalid
from tallystick.node.links import config, process
from tallystick.node.links.settings import Former, LinkSettings, Partner
from tallystick.tenants import nkey

_ME, _A, _B = (bytes([number]) * 32 for number in (1, 2, 3))
_PORTS = config.Ports(client=4222, leaf=7422)


@pytest.fixture
def settings(tmp_path: Path) -> LinkSettings:
    return make_identity(tmp_path / 'tls "数据"', "me").settings(tmp_path / 'links $HOME "a\\b" 数据')


def partner(org_id: str = "alpha", *, key: bytes = _A, leaf_url: str = "tls://127.0.0.1:7000") -> Partner:
    return Partner(org_id=org_id, leaf_url=leaf_url, nkey_public=nkey.public_text(key), ca_pem="pem")


def build(settings: LinkSettings, *partners: Partner) -> str:
    internal = {
        account: nkey.public_text(hashlib.sha256(account.encode()).digest()) for account in config.accounts(partners)
    }
    files = config.Files(folder=settings.data_dir)
    return config.build(settings, partners, files=files, ports=_PORTS, internal=internal)


def _former(settings: LinkSettings, partners: tuple[str, ...], key: bytes = _B) -> Former:
    files = {"client_cert_file": settings.client_cert_file, "client_key_file": settings.client_key_file}
    return Former(nkey_seed=nkey.seed_text(key), partners=frozenset(partners), **files)


def test_it_is_a_pure_function_that_does_not_depend_on_the_order_of_partners(settings: LinkSettings) -> None:
    one, two = partner("alpha", key=_A), partner("beta", key=_B)
    assert build(settings, one, two) == build(settings, two, one)


def test_no_secret_is_in_it(settings: LinkSettings) -> None:
    assert settings.nkey_seed not in build(settings, partner())
    assert settings.nkey_seed not in repr(settings)
    assert settings.nkey_seed in config.seed_text(settings)
    moving = msgspec.structs.replace(settings, former=(_former(settings, ("alpha",)),))
    assert nkey.seed_text(_B) not in build(moving, partner()) + repr(moving) + repr(moving.former)
    assert nkey.seed_text(_B) in config.seed_text(moving, [partner()])


def test_a_former_key_is_shown_to_those_only_who_may_know_us_by_it(settings: LinkSettings) -> None:
    moving = msgspec.structs.replace(settings, former=(_former(settings, ("beta",)),))
    text = build(moving, partner("alpha", key=_A), partner("beta", key=_B))
    text = text.replace('include "leaf-seed.conf"', "").replace("$LEAF_SEED", "0")
    remotes = json.loads(text.replace("0_1", "1"))["leafnodes"]["remotes"]
    assert [(one["account"], one["nkey"]) for one in remotes] == [("OUT_alpha", 0), ("OUT_beta", 0), ("OUT_beta", 1)]


def test_the_rights_of_a_partner_are_its_inbox_and_its_replies(settings: LinkSettings) -> None:
    text = build(settings, partner()).replace('include "leaf-seed.conf"', "").replace("$LEAF_SEED", "0")
    document = json.loads(text)
    account = document["accounts"]["IN_alpha"]
    assert account["users"][0] == {
        "nkey": nkey.public_text(_A),
        "allowed_connection_types": ["LEAFNODE"],
        "permissions": {
            "publish": {"allow": ["tally.inbox.me.alpha"]},
            "subscribe": {"allow": ["tally.reply.alpha.>"]},
        },
    }
    assert {"no_auth_user", "authorization"}.isdisjoint(document)
    assert document["jetstream"]["sync_interval"] == "always"
    assert document["leafnodes"]["tls"]["verify"] is True
    assert [remote["account"] for remote in document["leafnodes"]["remotes"]] == ["OUT_alpha"]


@pytest.mark.parametrize("former", [(), ("p-0_x",), ("p-1_x", "p-2_x"), ("unknown",)])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_server_accepts_it(settings: LinkSettings, count: int, former: tuple[str, ...]) -> None:
    partners = [partner(f"p-{number}_x", key=bytes([number + 10]) * 32) for number in range(count)]
    both = (_former(settings, former), _former(settings, former[:1], _A))
    settings = msgspec.structs.replace(settings, former=both)
    files = config.Files(folder=settings.data_dir)
    files.folder.mkdir()
    files.config.write_text(build(settings, *partners))
    files.seed.write_text(config.seed_text(settings, partners))
    for path in (files.trusted, *(files.authority(known) for known in partners)):
        path.write_text(settings.ca_file.read_text())
    command = [str(process.find_binary(None)), "-t", "-c", str(files.config)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    "org_id", ["", "A", "a.b", "a b", "*", ">", "a/b", "-a", "a-", '"', "ä", "华夏", "a\n", "a" * 64, "../a", "$a"]
)
def test_an_id_that_is_no_slug_is_refused(settings: LinkSettings, org_id: str) -> None:
    with pytest.raises(Invalid):
        build(settings, partner(org_id))
    with pytest.raises(Invalid):
        build(msgspec.structs.replace(settings, org_id=org_id))


@pytest.mark.parametrize(
    "leaf_url",
    [
        "",
        "127.0.0.1:7000",
        "nats://127.0.0.1:7000",
        "tls://127.0.0.1",
        "tls://:7000",
        "tls://127.0.0.1:99999",
        "tls://127.0.0.1:x",
        "tls://user:pass@127.0.0.1:7000",
        "tls://@127.0.0.1:7000",
        "tls://127.0.0.1:7000/path",
        "tls://127.0.0.1:7000?x",
        "tls://127.0.0.1:7000#x",
        "tls://[127.0.0.1:7000",
        'tls://a"b:7000',
        "tls://a b:7000",
        "tls://a,b:7000",
    ],
)
def test_a_leaf_url_that_is_more_than_host_and_port_is_refused(settings: LinkSettings, leaf_url: str) -> None:
    with pytest.raises(Invalid):
        build(settings, partner(leaf_url=leaf_url))


@pytest.mark.parametrize("leaf_url", ["tls://127.0.0.1:1", "tls://[::1]:7422", "tls://nats.example-1.org:65535"])
def test_a_leaf_url_of_host_and_port_is_accepted(settings: LinkSettings, leaf_url: str) -> None:
    assert json.dumps(leaf_url) in build(settings, partner(leaf_url=leaf_url))


@pytest.mark.parametrize(
    "partners",
    [
        (partner("me"),),
        (partner("alpha"), partner("alpha", key=_B)),
        (partner("alpha"), partner("beta")),
        (msgspec.structs.replace(partner(), nkey_public="UABC"),),
        (msgspec.structs.replace(partner(), nkey_public=nkey.seed_text(_A)),),
    ],
    ids=["ourselves", "same id", "same key", "no key", "a seed"],
)
def test_partners_that_would_break_the_configuration_are_refused(
    settings: LinkSettings, partners: tuple[Partner, ...]
) -> None:
    with pytest.raises(Invalid):
        build(settings, *partners)


@pytest.mark.parametrize(
    "seed", ["", "SUABC", nkey.public_text(_ME), nkey.seed_text(_ME) + '"', nkey.seed_text(_ME) + "\n"]
)
def test_a_seed_that_is_none_is_refused_without_being_shown(settings: LinkSettings, seed: str) -> None:
    with pytest.raises(Invalid) as refused:
        config.seed_text(msgspec.structs.replace(settings, nkey_seed=seed))
    assert not seed or seed not in str(refused.value)
