"""Base64url without padding (RFC 4648 §5), in its one canonical spelling."""

import base64
import binascii
import re

from tallystick.core.errors import Invalid

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_ALPHABET = re.compile(r"[A-Za-z0-9_-]*\Z")


def encode(data: bytes) -> str:
    """Unpadded base64url."""
    return str(binascii.b2a_base64(data, newline=False).translate(_URL_SAFE, b"="), "ascii")


def decode(text: str) -> bytes:
    """The bytes of ``text``; padding, other alphabets and stray trailing bits raise :class:`Invalid`."""
    if not _ALPHABET.match(text):
        raise Invalid("is not base64url", code="bad_base64")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise Invalid("is not base64url", code="bad_base64") from error
    if encode(data) != text:
        raise Invalid("is not canonical base64url", code="bad_base64")
    return data
