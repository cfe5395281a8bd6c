"""Entries: the sequenced record of an execution, one leaf each."""

from typing import Any

import msgspec

from tallystick.core import canonical
from tallystick.core.errors import Invalid, UnknownVersion

VERSION = 1
APPLIED = "applied"


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """What became of one statement; ``at`` in milliseconds by the coordinator's clock."""

    v: int
    execution: str
    term: int
    seq: int
    at: int
    statement_id: str
    outcome: str
    events: list[dict[str, Any]]

    def leaf(self) -> bytes:
        """The canonical bytes, which are the tree's leaf data."""
        return canonical.encode_plain(self)

    @property
    def applied(self) -> bool:
        """Whether the statement took effect."""
        return self.outcome == APPLIED


def read(document: Any) -> Entry:
    """Check an entry's form and version."""
    if not isinstance(document, dict) or document.get("v") != VERSION:
        raise UnknownVersion("entry has a version that is not known here")
    try:
        return msgspec.convert(document, Entry)
    except msgspec.ValidationError as error:
        raise Invalid(f"entry: {error}", code="bad_entry") from error
