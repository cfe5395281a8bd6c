"""What the auditor trusts: inputs of their own, never taken from the bundle.

::

    {"v": 1,
     "organisations": [{"org_id", "name", "root_key": hex, "chain_org": "0x…"}],
     "chain_id", "contracts": {"org_registry", "workflow_registry", "execution_ledger", "code_hashes": {name: "0x…"}},
     "trusted_blocks": [{"number", "hash": "0x…"}]}

Without the chain's part the checks on the chain are indeterminate. Organisations that take no part do no harm.
"""

import msgspec

from tallystick.core import canonical
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
    """The auditor's inputs."""

    v: int
    organisations: list[Organisation]
    chain_id: int | None = None
    contracts: Contracts | None = None
    trusted_blocks: list[Block] = []


def read(data: bytes) -> Trust:
    """Read ``trust.json``: a person may have written it, so any spacing is fine."""
    document = canonical.parse(data, max_bytes=MAX_BYTES)
    if not isinstance(document, dict) or document.get("v") != VERSION:
        raise UnknownVersion("trust file has a version that this verifier does not know")
    try:
        trust = msgspec.convert(document, Trust)
    except msgspec.ValidationError as error:
        raise Invalid(f"trust file: {error}", code="bad_trust") from error
    named = [one.org_id for one in trust.organisations]
    if len(set(named)) != len(named):
        raise Invalid("trust file names an organisation twice", code="bad_trust")
    return trust
