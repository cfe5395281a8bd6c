"""The types that msgspec reads, made ready before threads share them.

msgspec works out how a type is read when that is first asked for, and marks the type as done before it is, so that
types may contain themselves. A second thread that reads the same type in that moment ends the whole process with a
segmentation fault (msgspec 0.22, and earlier ones).
"""

import contextlib
import threading
from collections.abc import Iterator

import msgspec

_preparing = threading.Lock()
_ready: set[type[msgspec.Struct]] = set()


def prepare() -> None:
    """Have it worked out for every type that has been imported by now; again after further ones have been."""
    with _preparing:
        for one in below(msgspec.Struct):
            if one not in _ready:
                with contextlib.suppress(TypeError, NameError):  # a type that is never read holds what cannot be
                    msgspec.json.Decoder(one)
                _ready.add(one)


def below(base: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """All types that are made of ``base``."""
    for one in base.__subclasses__():
        yield one
        yield from below(one)
