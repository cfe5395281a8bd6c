"""The evidence bundle: one canonical JSON file, read strictly and within bounds."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tallystick.core import canonical
from tallystick.core.errors import Invalid, UnknownVersion
from tallystick.ledger.proofs import LeafProof

VERSION = 1
MAX_BYTES = 128 * 1024 * 1024  # 64 MiB of documents in base64url, and the record
MAX_DEPTH = canonical.MAX_DEPTH + 4  # an agreement or a value stands some levels down
MAX_ENTRIES = 100_000  # the most that an agreement's limits allow by default
MAX_TOKENS = 10_000  # heads and attestations: a bundle needs a few an organisation
MAX_ANCHORS = 1_000  # two an organisation

# Nothing rests on these, nor on the order of attestations, openings and anchors; every other change shows.
INFORMATIONAL = frozenset({"transaction_hash", "exported_by", "exported_at"})

Hex64 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Tokens = Annotated[list[str], Meta(max_length=MAX_TOKENS)]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every field is named; no other is tolerated."""


class DisclosedOpening(_Part, frozen=True):
    """A value with its salt, and the statement whose commitment it opens."""

    statement_id: str
    task: str
    attempt: int
    property: str
    salt: str
    value: Any


class Exported(_Part, frozen=True):
    """The exporter's own account: who, when, and what it left out."""

    withheld_statements: Annotated[list[Hex64], Meta(max_length=MAX_ENTRIES)]
    withheld_openings: Annotated[int, Meta(ge=0)]
    exported_by: str
    exported_at: int


class Bundle(_Part, frozen=True):
    """All that an auditor is given. Tokens are JWS compact; ``documents`` map SHA-256 (hex) to base64url bytes."""

    v: int
    kind: str
    execution: Hex64
    agreement: dict[str, Any]
    statements: Annotated[dict[Hex64, str], Meta(max_length=MAX_ENTRIES)]
    entries: Annotated[list[dict[str, Any]], Meta(max_length=MAX_ENTRIES)]
    heads: Tokens
    attestations: Tokens
    openings: list[DisclosedOpening]
    documents: dict[Hex64, str]
    submissions: Tokens
    receipts: Tokens
    anchors: Annotated[list[LeafProof], Meta(max_length=MAX_ANCHORS)]
    scope: Exported


def read(data: bytes) -> Bundle:
    """Read a bundle's bytes; a file in another form or version is refused."""
    document = canonical.parse(data, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH)
    if not isinstance(document, dict) or document.get("kind") != "evidence":
        raise Invalid("is not an evidence bundle", code="bad_bundle")
    if document.get("v") != VERSION:
        raise UnknownVersion("bundle has a version that this verifier does not know")
    if canonical.encode(document) != data:
        raise Invalid("is not in canonical form", code="not_canonical")
    try:
        bundle = msgspec.convert(document, Bundle)
    except msgspec.ValidationError as error:
        raise Invalid(f"bundle: {error}", code="bad_bundle") from error
    if msgspec.to_builtins(bundle) != document:
        raise Invalid("bundle leaves out fields that must stand in it", code="bad_bundle")
    return bundle
