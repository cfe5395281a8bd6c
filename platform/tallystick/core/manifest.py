"""A file as a value (RECORD.md): the document's hash and size, and how its ciphertext is found and opened."""

from typing import Any, TypeGuard

import msgspec

FILE = "$file"
VERSION = 1


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The value of a file; whoever holds it can read the chunks. Sizes in bytes, hashes hex, the key base64url."""

    v: int
    name: str
    media_type: str
    size: int
    sha256: str
    chunk_size: int
    key: str
    chunks: list[str]

    def __repr__(self) -> str:
        return f"Manifest({self.name!r}, {self.size} bytes)"


def is_file(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether a value claims to be a file: ``{"$file": …}`` and nothing else."""
    return isinstance(value, dict) and set(value) == {FILE}
