"""The committed artifacts: what is needed to deploy the contracts, call them and know their code again."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from .hashing import address_word, keccak, to_hex, unhex

FOLDER = Path(__file__).with_name("artifacts")
SOURCES = FOLDER / "sources.json"
NAMES = ("OrgRegistry", "WorkflowRegistry", "ExecutionLedger")


class Place(msgspec.Struct, frozen=True):
    """Bytes of the runtime code that the constructor fills in."""

    start: int
    length: int


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """One contract; ``storage`` maps its variables to their slots."""

    contract: str
    abi: list[dict[str, Any]]
    bytecode: str
    runtime: str
    immutables: list[Place]
    storage: Mapping[str, int]

    def code(self, registry: str | None = None) -> bytes:
        """The runtime code as it stands on a chain. The only immutable of any contract is the registry's address."""
        code = bytearray(unhex(self.runtime))
        for place in self.immutables if registry else []:
            code[place.start : place.start + place.length] = address_word(registry or "")
        return bytes(code)

    def code_hash(self, registry: str | None = None) -> str:
        """Keccak-256 of :meth:`code`, as accounts in the state trie have it."""
        return to_hex(keccak(self.code(registry)))


@cache
def load(name: str) -> Artifact:
    """The artifact of a contract in :data:`NAMES`."""
    return msgspec.json.decode((FOLDER / f"{name}.json").read_bytes(), type=Artifact)


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """What the artifacts were compiled from: the compiler's long version, and its standard JSON input."""

    compiler: str
    input: dict[str, Any]


@cache
def sources() -> Sources:
    """The sources of all contracts."""
    return msgspec.json.decode(SOURCES.read_bytes(), type=Sources)
