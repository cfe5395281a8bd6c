"""The document of openings that one audience gets: what is sealed, canonical and bounded."""

from collections.abc import Sequence

import msgspec

from tallystick.core import canonical
from tallystick.core.commitment import Opening
from tallystick.core.errors import Invalid, UnknownVersion

VERSION = 1
MAX_OPENINGS = 576 * 1024  # bytes; sealed, with base64 and all wraps, they fit into one message of 900,000 bytes
MAX_PROPERTIES = 10_000


def write_openings(openings: Sequence[Opening]) -> bytes:
    """The canonical document of openings for one audience."""
    return canonical.encode({"v": VERSION, "openings": [msgspec.to_builtins(one) for one in openings]})


def read_openings(data: bytes) -> list[Opening]:
    """The openings of such a document."""
    document = canonical.parse_canonical(data, max_bytes=MAX_OPENINGS)
    if not isinstance(document, dict) or document.get("v") != VERSION:
        raise UnknownVersion("the openings have a version that is not known here")
    try:
        openings = msgspec.convert(document.get("openings"), list[Opening])
    except msgspec.ValidationError as error:
        raise Invalid(f"openings: {error}", code="bad_openings") from error
    if set(document) != {"v", "openings"} or len(openings) > MAX_PROPERTIES:
        raise Invalid("openings: unknown member or too many", code="bad_openings")
    return openings
