"""Chain accounts against eth_account."""

import pytest
from eth_account import Account

from tallystick.tenants import secp256k1


def test_addresses_are_those_of_eth_account() -> None:
    for _ in range(20):
        private = secp256k1.generate()
        assert secp256k1.address(private) == Account.from_key(private).address


@pytest.mark.parametrize(
    "address",  # the mixed-case examples of EIP-55
    [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ],
)
def test_the_checksum_of_eip_55(address: str) -> None:
    assert secp256k1.checksummed(bytes.fromhex(address[2:].lower())) == address


def test_keys_are_in_range_and_differ() -> None:
    keys = {secp256k1.generate() for _ in range(50)}
    assert len(keys) == 50
    assert all(0 < int.from_bytes(key, "big") < secp256k1.ORDER for key in keys)
