"""What the auditor trusts: inputs of their own, never taken from the bundle."""

import msgspec

from tallystick.core.errors import Invalid, UnknownVersion

VERSION = 1
MAX_BYTES = 1_000_000


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every field is named; no other is tolerated."""


class Organisation(_Part, frozen=True):
    """An organisation whose root key (hex) the auditor has from itself; ``chain_org`` is its ``0x…`` id."""

    org_id: str
    name: str
    root_key: str
    chain_org: str


class Contracts(_Part, frozen=True):
    """Addresses (``0x…``) and the code hash of each contract by its field name."""

    org_registry: str
    workflow_registry: str
    execution_ledger: str
    code_hashes: dict[str, str]


class Block(_Part, frozen=True):
    """A block that the auditor takes for final."""

    number: int
    hash: str


class Trust(_Part, frozen=True):
    """The auditor's inputs; without a chain the checks on it are indeterminate."""

    v: int
    organisations: list[Organisation]
    chain_id: int | None = None
    contracts: Contracts | None = None
    trusted_blocks: list[Block] = []


def read(data: bytes) -> Trust:
    """Read ``trust.json``."""
    if len(data) > MAX_BYTES:
        raise Invalid("trust file is too large", code="bad_trust")
    try:
        trust = msgspec.json.decode(data, type=Trust)
    except msgspec.DecodeError as error:
        raise Invalid(f"trust file: {error}", code="bad_trust") from error
    if trust.v != VERSION:
        raise UnknownVersion("trust file has a version that this verifier does not know")
    return trust
