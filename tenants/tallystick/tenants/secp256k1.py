"""Private keys of chain accounts and the Ethereum addresses that belong to them."""

import secrets

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_hash.auto import keccak

ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141


def generate() -> bytes:
    """A fresh private key: 32 bytes, uniform in 1 … order-1."""
    return (1 + secrets.randbelow(ORDER - 1)).to_bytes(32, "big")


def address(private: bytes) -> str:
    """The account's address, spelt with the checksum of EIP-55."""
    key = ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256K1())
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return checksummed(keccak(point[1:])[-20:])


def checksummed(raw: bytes) -> str:
    """The 20 bytes of an address in mixed case (EIP-55)."""
    digits = raw.hex()
    case = keccak(digits.encode("ascii")).hex()
    return "0x" + "".join(d.upper() if int(c, 16) >= 8 else d for d, c in zip(digits, case, strict=False))
