"""User names: any script, one spelling, and no two that people would take for each other."""

import unicodedata

from tallystick.core.errors import Invalid

LONGEST = 64  # characters


def check_username(username: str) -> str:
    """The name in composed form (NFC): 1 to 64 visible characters without spaces at its ends."""
    name = unicodedata.normalize("NFC", username)
    if not 0 < len(name) <= LONGEST or name != name.strip() or not name.isprintable():
        raise Invalid(f"a user name has 1 to {LONGEST} visible characters, no spaces at its ends", code="bad_username")
    return name


def could_be_username(username: str) -> bool:
    """Whether it is worth looking for such a name; composing may shorten one."""
    return len(username) <= LONGEST * 4 and username.isprintable()


def lookup_key(username: str) -> str:
    """What equal names have in common: compatibility form, no case."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", username).casefold())
