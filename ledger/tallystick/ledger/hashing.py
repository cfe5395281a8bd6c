"""Keccak-256 and the 32-byte words that contracts work with."""

from eth_hash.auto import keccak as _keccak

try:
    from sha3 import keccak_256 as _fast  # ten times as fast, where it has a wheel
except ImportError:
    _fast = None

WORD = 32
ADDRESS = 20
EMPTY_ROOT = bytes.fromhex("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")  # keccak256("")


def keccak(data: bytes) -> bytes:
    """Keccak-256, the organisation log's :data:`~tallystick.core.merkle.Hash`."""
    digest: bytes = _keccak(data) if _fast is None else _fast(data).digest()
    return digest


def word(number: int) -> bytes:
    """An unsigned integer as a 32-byte big-endian word."""
    return number.to_bytes(WORD, "big")


def address_word(address: str) -> bytes:
    """An address (``0x…``) as ``abi.encode`` pads it."""
    return unhex(address, ADDRESS).rjust(WORD, b"\x00")


def unhex(text: str, size: int | None = None) -> bytes:
    """The bytes of ``0x…``; ValueError when it is not hex or not ``size`` bytes long."""
    data = bytes.fromhex(text[2:])
    # `fromhex` skips blanks: one value would have many spellings.
    if not text.startswith("0x") or len(text) != 2 + 2 * len(data):
        raise ValueError("is not 0x and hex digits")
    if size is not None and len(data) != size:
        raise ValueError(f"is {len(data)} bytes long, not {size}")
    return data


def to_hex(data: bytes) -> str:
    """Lower-case hex behind ``0x``, as Ethereum writes it."""
    return "0x" + data.hex()
