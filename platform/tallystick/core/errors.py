"""The errors of every package, one tree.

::

    TallystickError
    ├── Invalid         what was given can never be accepted; says where and why
    │   ├── BadSignature    a signature, or the key it names, does not hold
    │   └── UnknownVersion  a version that this software does not know
    ├── NotFound        there is no such thing, or not for you
    ├── Forbidden       you are known, and may not
    ├── WrongState      acceptable in another state; says which state it is in
    ├── NotYet          something this needs has not come; waits, not an error of the sender
    └── Unavailable     a part outside did not answer; worth trying again
"""

from typing import ClassVar


class TallystickError(Exception):
    """Base of all errors; ``code`` is stable and translatable, ``detail`` is for a person."""

    default_code: ClassVar[str] = "error"

    def __init__(self, detail: str, *, code: str | None = None, pointer: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.default_code
        self.pointer = pointer

    def __str__(self) -> str:
        where = f" at {self.pointer}" if self.pointer else ""
        return f"{self.detail}{where}"


class Invalid(TallystickError):
    """What was given can never be accepted; ``pointer`` (RFC 6901) names the place in a document."""

    default_code = "invalid"


class BadSignature(Invalid):
    """A signature does not hold over the bytes received."""

    default_code = "bad_signature"


class UnknownVersion(Invalid):
    """The document's version is not one that this software knows."""

    default_code = "unknown_version"


class NotFound(TallystickError):
    """There is no such thing, or it is not for the one who asks."""

    default_code = "not_found"


class Forbidden(TallystickError):
    """The asker is known and lacks the right."""

    default_code = "forbidden"


class WrongState(TallystickError):
    """The request fits another state than the present one (``state``)."""

    default_code = "wrong_state"

    def __init__(self, detail: str, *, state: str, code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.state = state


class NotYet(TallystickError):
    """Something that this needs has not come yet."""

    default_code = "not_yet"


class Unavailable(TallystickError):
    """A part outside this process did not answer; the same request may succeed later."""

    default_code = "unavailable"
