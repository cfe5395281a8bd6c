"""The fingerprint of two organisations: thirty digits that their administrators read to each other.

::

    scrypt(canonical [[id, root key], [id, root key]] in order of id, N = 2^15, r = 8, p = 1) mod 10^30

It depends on the two ids and root keys alone, so both sides compute the same, and may do so again at any time. The
cards' other keys need no comparing: the root keys sign them.

Strength. Thirty digits are 99.6 bits: somebody who wants a key of theirs to show one given fingerprint needs 2^99
tries. Somebody between the two, who answers each side in the other's name, may choose a key towards each and needs
only two fingerprints that agree: about 2^50 tries (a birthday collision). Each try is one scrypt of 32 MiB, about a
twelfth of a second of one core, which makes 2^50 of them three million core years.
"""

import hashlib
import re

from tallystick.core import canonical
from tallystick.core.errors import Invalid

DIGITS = 30
_GROUP = 5
_SALT = b"tallystick/fingerprint/v1"
_MEMORY = 64 * 1024 * 1024
_GIVEN = re.compile(r"[0-9]{30}\Z")


class WrongFingerprint(Invalid):
    """The other side sees another fingerprint: somebody may stand between the two."""

    default_code = "wrong_fingerprint"

    def __init__(self) -> None:
        super().__init__(
            "this is not the fingerprint of the two organisations; do not go on before you know why",
            pointer="/fingerprint",
        )


def of(one: tuple[str, str], other: tuple[str, str]) -> str:
    """The fingerprint of two (id, root key in hex), in groups of five digits; takes a twelfth of a second."""
    named = canonical.encode([list(each) for each in sorted((one, other))])
    derived = hashlib.scrypt(named, salt=_SALT, n=2**15, r=8, p=1, maxmem=_MEMORY, dklen=32)
    digits = f"{int.from_bytes(derived) % 10**DIGITS:0{DIGITS}d}"
    return " ".join(digits[start : start + _GROUP] for start in range(0, DIGITS, _GROUP))


def check(given: str, wanted: str) -> None:
    """Raise :class:`WrongFingerprint` unless somebody gave ``wanted``, however they spaced it."""
    digits = re.sub(r"[\s-]+", "", given[:200])
    if not _GIVEN.match(digits) or digits != wanted.replace(" ", ""):
        raise WrongFingerprint
