"""The evidence bundle: one canonical JSON file, read strictly and within bounds."""

from typing import Any

import msgspec

from tallystick.core import canonical
from tallystick.core.errors import Invalid, UnknownVersion

VERSION = 1
MAX_BYTES = 128 * 1024 * 1024  # 64 MiB of documents in base64url, and the record


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


class Scope(_Part, frozen=True):
    """What the bundle leaves out; informational, except that nothing unnamed may be missing."""

    withheld_statements: list[str]
    withheld_openings: int
    exported_by: str
    exported_at: int


class Bundle(_Part, frozen=True):
    """All that an auditor is given. Tokens are JWS compact; ``documents`` map SHA-256 (hex) to base64url bytes."""

    v: int
    kind: str
    execution: str
    agreement: dict[str, Any]
    statements: dict[str, str]
    entries: list[dict[str, Any]]
    heads: list[str]
    attestations: list[str]
    openings: list[DisclosedOpening]
    documents: dict[str, str]
    anchors: list[dict[str, Any]]
    scope: Scope


def read(data: bytes) -> Bundle:
    """Read a bundle's bytes; a file in another form or version is refused."""
    document = canonical.parse(data, max_bytes=MAX_BYTES)
    if not isinstance(document, dict) or document.get("kind") != "evidence":
        raise Invalid("is not an evidence bundle", code="bad_bundle")
    if document.get("v") != VERSION:
        raise UnknownVersion("bundle has a version that this verifier does not know")
    if canonical.encode(document) != data.rstrip(b"\n"):
        raise Invalid("is not in canonical form", code="not_canonical")
    try:
        return msgspec.convert(document, Bundle)
    except msgspec.ValidationError as error:
        raise Invalid(f"bundle: {error}", code="bad_bundle") from error
