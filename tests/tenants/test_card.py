"""Organisation cards: signed by their root key, every field held to its rule."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tallystick.core import jws
from tallystick.core.errors import BadSignature, Invalid, UnknownVersion
from tallystick.core.keys import SigningKey
from tallystick.tenants import card as cards
from tallystick.tenants import hpke, tls
from tallystick.tenants.card import BadCard, check_org_id
from tallystick.tenants.hpke import SealingKey
from tallystick.tenants.keystore import Keystore


@pytest.fixture(scope="module")
def authority(keystore: Keystore, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("tls")
    return tls.ensure(folder, ca_key=keystore.ca_key, org_id="huaxia").ca.read_text()


@pytest.fixture(scope="module")
def token(keystore: Keystore, authority: str) -> str:
    return build(keystore, authority)


def build(keystore: Keystore, authority: str, **changes: Any) -> str:
    fields: dict[str, Any] = {
        "org_id": "huaxia",
        "name": "华夏汽车 a!b@c$d()e*_,/:;=?@ff[]22",
        "domain": "huaxia.example",
        "endpoint_url": "https://huaxia.example:8443/node",
        "capabilities": ["data_exchange", "approval"],
        "chain_org": "0x" + "ab" * 32,
        "leaf_url": "tls://127.0.0.1:7422",
        "tls_ca": authority,
    }
    return cards.build(keystore, **{**fields, **changes})


def test_what_is_built_verifies(keystore: Keystore, token: str) -> None:
    card = cards.verify(token)
    assert (card.id, card.iss, card.name) == ("huaxia", "huaxia", "华夏汽车 a!b@c$d()e*_,/:;=?@ff[]22")
    assert card.public_key == keystore.root_public.key
    assert [key.key for key in card.signing_keys] == [keystore.signing_key.public_hex]
    assert card.sealing_key.key == keystore.sealing_key.public_hex
    assert (card.chain_admin, card.log_key) == (keystore.chain_address, keystore.log_address)
    assert card.nats is not None
    assert card.nats.nkey == keystore.nkey_public
    assert card.capabilities == ["approval", "data_exchange"]


def test_a_card_tells_no_secret(keystore: Keystore, token: str) -> None:
    payload = str(jws.read(token, cards.TYP).payload)
    for secret in (keystore.need_root_key().seed, keystore.signing_key.seed, keystore.chain_key, keystore.log_key):
        assert secret.hex() not in payload
    assert keystore.nkey_seed not in payload


def test_a_hybrid_sealing_key_fits(tmp_path: Path, authority: str) -> None:
    keystore = Keystore.create(tmp_path / "k.json", "a long pass phrase", suite=hpke.HYBRID)
    assert cards.verify(build(keystore, authority)).sealing_key.suite == hpke.HYBRID


MUTATIONS: list[Callable[[dict[str, Any]], Any]] = [
    lambda c: c.update(more=1),
    lambda c: c.pop("domain"),
    lambda c: c.update(iss="nordic"),
    lambda c: c.update(iat=0),
    lambda c: c.update(iat="now"),
    lambda c: c.update(id="Huaxia", iss="Huaxia"),
    lambda c: c.update(name=""),
    lambda c: c.update(name=" x"),
    lambda c: c.update(name="a\nb"),
    lambda c: c.update(name="x" * 201),
    lambda c: c.update(domain="-bad.example"),
    lambda c: c.update(domain="a b"),
    lambda c: c.update(domain="a." * 200 + "b"),
    lambda c: c.update(endpoint_url="ftp://huaxia.example"),
    lambda c: c.update(endpoint_url="https://user:password@huaxia.example"),
    lambda c: c.update(endpoint_url="https://huaxia.example?token=1"),
    lambda c: c.update(endpoint_url="https://huaxia.example:99999"),
    lambda c: c.update(endpoint_url="https://"),
    lambda c: c.update(endpoint_url="https://huaxia.example/" + "x" * 2048),
    lambda c: c.update(endpoint_url="javascript:alert(1)"),
    lambda c: c.update(is_active="yes"),
    lambda c: c.update(capabilities=["edge", "edge"]),
    lambda c: c.update(capabilities=["Not A Slug"]),
    lambda c: c.update(capabilities=[f"c{n}" for n in range(33)]),
    lambda c: c.update(public_key="zz"),
    lambda c: c.update(signing_keys=[]),
    lambda c: c.update(signing_keys=c["signing_keys"] * 2),
    lambda c: c["signing_keys"][0].update(kid="0" * 16),
    lambda c: c["signing_keys"][0].update(key="0"),
    lambda c: c["sealing_key"].update(suite="rot13"),
    lambda c: c["sealing_key"].update(key="00"),
    lambda c: c["sealing_key"].update(kid="0" * 16),
    lambda c: c["sealing_key"].update(key=SealingKey.generate().public_hex),
    lambda c: c.update(chain_org="0x12"),
    lambda c: c.update(chain_admin="0x" + "g" * 40),
    lambda c: c.update(log_key="ab" * 20),
    lambda c: c["nats"].update(leaf_url="http://127.0.0.1"),
    lambda c: c["nats"].update(leaf_url="tls://user:pass@127.0.0.1:7422"),
    lambda c: c["nats"].update(nkey="SUAA"),
    lambda c: c["nats"].update(tls_ca=""),
    lambda c: c["nats"].update(tls_ca="证书"),
    lambda c: c["nats"].update(tls_ca=c["nats"]["tls_ca"] * 2),
    lambda c: c["nats"].update(tls_ca=c["nats"]["tls_ca"] + " " * 20_000),
    lambda c: c["nats"].update(more=1),
]


@pytest.mark.parametrize("mutate", MUTATIONS)
def test_a_field_that_breaks_its_rule_is_refused_though_signed(
    keystore: Keystore, token: str, mutate: Callable[[dict[str, Any]], Any]
) -> None:
    payload = deepcopy(jws.read(token, cards.TYP).payload)
    mutate(payload)
    with pytest.raises(Invalid):
        cards.verify(jws.sign(keystore.need_root_key(), cards.TYP, payload))


@pytest.mark.parametrize("change", [{"v": 2}, {"v": None}])
def test_unknown_versions_are_refused(keystore: Keystore, token: str, change: dict[str, Any]) -> None:
    payload = {**jws.read(token, cards.TYP).payload, **change}
    with pytest.raises(UnknownVersion):
        cards.verify(jws.sign(keystore.need_root_key(), cards.TYP, payload))


def test_only_the_root_key_signs_a_card(keystore: Keystore, other_keystore: Keystore, token: str) -> None:
    payload = jws.read(token, cards.TYP).payload
    for key in (keystore.signing_key, other_keystore.need_root_key()):
        with pytest.raises(BadCard, match="is not the key that the token names"):
            cards.verify(jws.sign(key, cards.TYP, payload))


def test_altered_tokens_are_refused(token: str) -> None:
    header, payload, signature = token.split(".")
    other = ("A" if signature[5] != "A" else "B").join([signature[:5], signature[6:]])
    with pytest.raises(BadSignature):
        cards.verify(f"{header}.{payload}.{other}")
    for wrong in ("", "x", f"{header}.{payload}", f"{token}=", "x" * 100_000, f"{header}.{payload}."):
        with pytest.raises(Invalid):
            cards.verify(wrong)


def test_another_kind_of_token_is_no_card(keystore: Keystore, token: str) -> None:
    payload = jws.read(token, cards.TYP).payload
    with pytest.raises(Invalid, match="type"):
        cards.verify(jws.sign(keystore.need_root_key(), "tally-statement+jwt", payload))


def test_a_bad_card_is_not_even_built(keystore: Keystore, authority: str) -> None:
    with pytest.raises(BadCard) as caught:
        build(keystore, authority, domain="not a domain")
    assert (caught.value.field, caught.value.pointer) == ("domain", "/domain")


@pytest.mark.parametrize("org_id", ["", "a", "A1", "1a", "-a", "a_b", "a.b", "a" * 41, "华夏", "ab\n"])
def test_ids_are_slugs(org_id: str) -> None:
    with pytest.raises(BadCard):
        check_org_id(org_id)


def test_good_ids_pass() -> None:
    for org_id in ("ab", "nordic-bearings", "a" * 40, "b2b"):
        assert check_org_id(org_id) == org_id
    assert SigningKey.generate().public_hex


def test_names_in_languages_and_the_operator_are_told(keystore: Keystore, authority: str, token: str) -> None:
    assert cards.verify(token).names == {}
    assert cards.verify(token).operator == cards.verify(token).name
    card = cards.verify(build(keystore, authority, names={"zh-CN": "华夏汽车"}, operator="云 Hosting & Co"))
    assert (card.names, card.operator) == ({"zh-CN": "华夏汽车"}, "云 Hosting & Co")


@pytest.mark.parametrize(
    "names", [{"zh_CN": "x"}, {"": "x"}, {"en": ""}, {"en": " x"}, {"en": "a\nb"}, {"en": "x" * 201}]
)
def test_a_name_under_no_language_is_refused(keystore: Keystore, authority: str, names: dict[str, str]) -> None:
    with pytest.raises(BadCard):
        build(keystore, authority, names=names)
    with pytest.raises(BadCard):
        cards.check_names(names, None)


def test_there_are_only_so_many_names(keystore: Keystore, authority: str) -> None:
    with pytest.raises(BadCard):
        build(keystore, authority, names={f"a{chr(97 + n)}": "x" for n in range(21)})


def test_a_card_stays_the_same_until_something_changes(keystore: Keystore, authority: str) -> None:
    first = build(keystore, authority, issued_at=5000)
    assert build(keystore, authority, last=first, issued_at=9000) == first
    moved = build(keystore, authority, last=first, issued_at=4000, endpoint_url="https://new.example")
    assert cards.verify(moved).iat == 5001  # later than the one before, though the clock was turned back
    assert cards.verify(build(keystore, authority, last=moved, issued_at=9000)).iat == 9000
