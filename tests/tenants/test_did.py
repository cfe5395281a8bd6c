"""The DID document: what the card says, in the forms of DID Core 1.0 and did:web."""

import json
from pathlib import Path

import pytest

from tallystick.core import b64
from tallystick.tenants import card as cards
from tallystick.tenants import did, hpke, tls
from tallystick.tenants.card import Card
from tallystick.tenants.keystore import Keystore


@pytest.fixture(scope="module")
def card(keystore: Keystore, tmp_path_factory: pytest.TempPathFactory) -> Card:
    return card_of(keystore, tmp_path_factory.mktemp("tls"))


def card_of(keystore: Keystore, folder: Path, chain_org: str = "0x" + "ab" * 32) -> Card:
    token = cards.build(
        keystore,
        org_id="huaxia",
        name="华夏汽车",
        domain="huaxia.example",
        endpoint_url="https://huaxia.example:8443/node/",
        capabilities=[],
        chain_org=chain_org,
        leaf_url="tls://127.0.0.1:7422",
        tls_ca=tls.ensure(folder, ca_key=keystore.ca_key, org_id="huaxia").ca.read_text(),
    )
    return cards.verify(token)


def test_every_key_of_the_card_is_a_method_under_the_did(card: Card, keystore: Keystore) -> None:
    found = did.document(card, chain_id=31337)
    assert found["id"] == "did:web:huaxia.example"
    methods = {one["id"]: one for one in found["verificationMethod"]}
    assert len(methods) == len(found["verificationMethod"]) == 5
    assert all(one["controller"] == found["id"] for one in methods.values())
    root = methods["did:web:huaxia.example#root"]
    assert root["publicKeyJwk"] == {"kty": "OKP", "crv": "Ed25519", "x": b64.encode(keystore.need_root_key().public)}
    signing = methods[f"did:web:huaxia.example#{keystore.signing_key.kid}"]
    assert signing["type"] == "JsonWebKey2020"
    assert signing["publicKeyJwk"]["x"] == b64.encode(keystore.signing_key.public)
    sealing = methods[f"did:web:huaxia.example#{keystore.sealing_key.kid}"]
    assert sealing["publicKeyJwk"]["crv"] == "X25519"
    admin = methods["did:web:huaxia.example#chain-admin"]
    assert admin["blockchainAccountId"] == f"eip155:31337:{keystore.chain_address}"


def test_relationships_name_methods_that_are_there(card: Card, keystore: Keystore) -> None:
    found = did.document(card, chain_id=31337)
    methods = {one["id"] for one in found["verificationMethod"]}
    me = found["id"]
    assert found["assertionMethod"] == found["authentication"] == [f"{me}#{keystore.signing_key.kid}"]
    assert found["keyAgreement"] == [f"{me}#{keystore.sealing_key.kid}"]
    assert f"{me}#root" not in found["assertionMethod"]
    for relationship in ("assertionMethod", "authentication", "keyAgreement", "capabilityInvocation"):
        assert set(found[relationship]) <= methods
    services = {one["id"]: one["serviceEndpoint"] for one in found["service"]}
    assert services[f"{me}#card"] == "https://huaxia.example:8443/node/api/v1/organisation/card"
    assert services[f"{me}#nats"] == "tls://127.0.0.1:7422"


def test_no_private_part_of_any_key_is_told(card: Card, keystore: Keystore) -> None:
    text = json.dumps(did.document(card, chain_id=31337))
    assert '"d"' not in text
    for secret in (keystore.need_root_key().seed, keystore.signing_key.seed, keystore.chain_key, keystore.log_key):
        assert b64.encode(secret) not in text
        assert secret.hex() not in text


def test_without_a_chain_there_are_no_accounts(keystore: Keystore, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    nowhere = card_of(keystore, tmp_path / "tls", "0x" + "0" * 64)
    for found in (did.document(nowhere, chain_id=31337), did.document(nowhere)):
        assert {one["type"] for one in found["verificationMethod"]} == {"JsonWebKey2020"}


def test_a_hybrid_sealing_key_stands_in_the_card_only(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    hybrid = Keystore.create(tmp_path / "keystore.json", "correct horse battery staple", suite=hpke.HYBRID)
    found = did.document(card_of(hybrid, tmp_path / "tls"))
    assert "keyAgreement" not in found
    assert not [one for one in found["verificationMethod"] if one.get("publicKeyJwk", {}).get("crv") == "X25519"]
