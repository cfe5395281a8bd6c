"""Block headers: from what ``eth_getBlockByNumber`` says to the bytes whose hash is the block's, and back."""

from collections.abc import Mapping
from typing import Any

import msgspec

from . import trie
from .errors import InvalidProof
from .hashing import WORD, keccak, unhex

MAX_BYTES = 2048  # about 700 are used today
MAX_FIELDS = 32

# In the order of the header. From `baseFeePerGas` on, each came with a later fork; a chain has them up to its own.
_FIELDS = [
    *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom"),
    *("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData", "mixHash", "nonce"),
]
_LATER_FIELDS = [
    *("baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot", "requestsHash"),
]
_NUMBERS = {
    *("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "blobGasUsed", "excessBlobGas"),
}
_STATE_ROOT, _NUMBER, _TIMESTAMP = 3, 8, 11


class Header(msgspec.Struct, frozen=True):
    """What a header says, ``timestamp`` in seconds; ``hash`` is recomputed from its bytes."""

    hash: bytes
    number: int
    timestamp: int
    state_root: bytes


def encode(block: Mapping[str, Any]) -> bytes:
    """The header's RLP; InvalidProof unless its hash is the one that the block claims."""
    later = [name for name in _LATER_FIELDS if block.get(name) is not None]
    try:
        encoded = trie.encode([_value(name, block[name]) for name in _FIELDS + later])
        claimed = unhex(block["hash"], WORD)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidProof("the endpoint's block has no complete header") from error
    if keccak(encoded) != claimed:
        raise InvalidProof("the endpoint's block does not hash to its own hash")
    return encoded


def decode(data: bytes) -> Header:
    """Read a header. Fields of forks to come may follow those known: the hash covers them."""
    if len(data) > MAX_BYTES:
        raise InvalidProof(f"a header has at most {MAX_BYTES} bytes")
    fields = trie.decode(data)
    if not isinstance(fields, list) or not len(_FIELDS) <= len(fields) <= MAX_FIELDS:
        raise InvalidProof("is not a block header")
    root, number, timestamp = (fields[at] for at in (_STATE_ROOT, _NUMBER, _TIMESTAMP))
    if not isinstance(root, bytes) or len(root) != WORD:
        raise InvalidProof("the header's state root is not 32 bytes")
    return Header(hash=keccak(data), number=integer(number), timestamp=integer(timestamp), state_root=root)


def integer(data: trie.Node, width: int = 8) -> int:
    """An RLP integer of at most ``width`` bytes: big-endian without leading zeros."""
    if not isinstance(data, bytes) or len(data) > width or data[:1] == b"\x00":
        raise InvalidProof("is not an RLP integer")
    return int.from_bytes(data, "big")


def _value(name: str, text: str) -> bytes:
    if name not in _NUMBERS:
        return unhex(text)
    number = int(text, 16)
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
