"""Base64url without padding (RFC 4648 §5), in its one canonical spelling."""

import binascii

from tallystick.core.errors import Invalid

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_STANDARD = bytes.maketrans(b"-_", b"+/")


def encode(data: bytes) -> str:
    """Unpadded base64url."""
    return str(binascii.b2a_base64(data, newline=False).translate(_URL_SAFE, b"="), "ascii")


def decode(text: str) -> bytes:
    """The bytes of ``text``; padding, other alphabets and stray trailing bits raise :class:`Invalid`."""
    try:
        data = binascii.a2b_base64(text.encode("ascii").translate(_STANDARD) + b"=" * (-len(text) % 4))
    except (UnicodeEncodeError, binascii.Error) as error:
        raise Invalid("is not base64url", code="bad_base64") from error
    if encode(data) != text:  # the decoder skips characters of other alphabets; none of them is ever encoded
        raise Invalid("is not canonical base64url", code="bad_base64")
    return data
