"""What an account signs is what ``eth_account`` would, with the fast signer and without."""

import secrets
from typing import Any

import pytest
from eth_account import Account as EthAccount

from ledger.parties import new_account
from tallystick.ledger import accounts, eip1559
from tallystick.ledger.accounts import Account
from tallystick.ledger.hashing import to_hex, unhex

TRANSACTION: dict[str, Any] = {
    "type": 2,
    "chainId": 31337,
    "nonce": 0,
    "to": "0x" + "1f" * 20,
    "value": 0,
    "data": b"",
    "gas": 21_000,
    "maxFeePerGas": 2 * 10**9,
    "maxPriorityFeePerGas": 1,
}


@pytest.fixture(params=["fast", "plain"])
def account(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[Account, bytes]:
    """Give an account, and its key, with each way to sign."""
    if request.param == "plain":
        monkeypatch.setattr(accounts, "_coincurve", None)
    elif accounts._coincurve is None:
        pytest.skip("coincurve has no wheel here; enable: install coincurve")
    private = secrets.token_bytes(32)
    return Account(private), private


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"nonce": 127},
        {"nonce": 128, "value": 10**24},
        {"data": b"\x00"},
        {"data": b"\x80" * 55},
        {"data": bytes(3_000), "gas": 2**40, "maxFeePerGas": 2**63, "chainId": 2**31},
        {"to": None},
    ],
    ids=str,
)
def test_transactions_are_those_of_the_library(account: tuple[Account, bytes], change: dict[str, Any]) -> None:
    fields = {name: value for name, value in {**TRANSACTION, **change}.items() if value is not None}
    made, private = account
    for nonce in range(20):  # some of their signatures have r or s with leading zeros
        fields["nonce"] = fields["nonce"] + nonce
        target = {"to": unhex(fields["to"])} if "to" in fields else {}
        expected = EthAccount.from_key(private).sign_transaction({**fields, **target})
        raw, name = made.sign_transaction(fields)
        assert (raw, name) == (bytes(expected.raw_transaction), to_hex(bytes(expected.hash)))
        assert EthAccount.recover_transaction(raw) == made.address


def test_digests_are_signed_as_the_library_signs_them(account: tuple[Account, bytes]) -> None:
    made, private = account
    for _ in range(50):
        digest = secrets.token_bytes(32)
        assert made.sign(digest) == bytes(EthAccount.from_key(private).unsafe_sign_hash(digest).signature)


@pytest.mark.parametrize("change", [{"nonce": -1}, {"to": "0x11"}, {"to": "1f" * 21}, {"gas": -5}])
def test_what_is_no_transaction_is_not_signed(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is |no field"):
        new_account().sign_transaction({**TRANSACTION, **change})


def test_r_and_s_lose_their_leading_zeros() -> None:
    """RLP's integers have none; a client would refuse the transaction."""
    signature = bytes(31) + b"\x05" + bytes(30) + b"\x07\x08" + bytes([28])
    raw = eip1559.signed(eip1559.fields(TRANSACTION), signature)
    assert raw.endswith(b"\x01\x05\x82\x07\x08")
