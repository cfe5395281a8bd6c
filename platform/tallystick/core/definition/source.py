"""What may stand in a definition before anyone asks what it means: bounded JSON that can be signed."""

import re
from collections.abc import Iterator
from typing import Any

from tallystick.core.canonical import MAX_INTEGER
from tallystick.core.definition.faults import Faults, at

MAX_VALUES = 50_000  # members and elements of one definition; 200 full steps with 100 fields each need fewer
MAX_DEPTH = 24  # compiled: agreement, message and evidence bundle wrap it, and readers of those stop at 32 levels
MAX_SOURCE_DEPTH = 48  # written: five blocks in one another take thirty levels, and compile to flat steps
# What is signed must be what people read: no control characters but line breaks and tabs, no overrides of direction.
_HIDING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# The one fraction of the language: compiled to whole percent, so that no float is ever signed.
_FRACTION = re.compile(
    r"(/(tasks|steps|branches|compensations|definitions)/[0-9]+|/(activity|user_task|parallel|for_each|sub_workflow))+"
    r"/retry_policy/backoff_coefficient"
)


def check_source(source: Any, faults: Faults, most: int = MAX_SOURCE_DEPTH) -> None:
    """Note floats and integers that cannot be signed; refuse at once what is not JSON in ``most`` levels."""
    todo: list[tuple[Any, str, int]] = [(source, "", 0)]
    count = 0
    while todo:
        value, pointer, depth = todo.pop()
        count += 1
        if count > MAX_VALUES or depth > most:
            faults.add("", "too_large", f"a definition holds at most {MAX_VALUES} values in {most} levels")
            faults.refuse()
        _check_scalar(value, pointer, faults)
        todo += reversed([(member, at(pointer, key), depth + 1) for key, member in _members(value, pointer, faults)])


def _members(value: Any, pointer: str, faults: Faults) -> Iterator[tuple[object, Any]]:
    if isinstance(value, list):
        yield from enumerate(value)
    elif isinstance(value, dict):
        for key, member in value.items():
            if not isinstance(key, str) or _is_unwritable(key):
                faults.add(pointer, "not_json", "a member's name must be Unicode text")
                faults.refuse()
            yield key, member


def _check_scalar(value: Any, pointer: str, faults: Faults) -> None:
    if value is None or isinstance(value, bool | list | dict):
        return
    if isinstance(value, str):
        if _is_unwritable(value):
            faults.add(pointer, "not_json", "text holds a lone surrogate or the character U+0000")
            faults.refuse()
        if _HIDING.search(value):
            detail = "text holds a control character, or one that shows others in another order than they stand in"
            faults.add(pointer, "unreadable_text", detail)
    elif isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            faults.add(pointer, "integer_out_of_range", "integer lies outside ±(2^53−1)")
    elif isinstance(value, float):
        if not _FRACTION.fullmatch(pointer):
            faults.add(pointer, "float_refused", "floating-point numbers are refused", "write decimals as strings")
    else:
        faults.add(pointer, "not_json", f"a value of type {type(value).__name__} is not JSON")
        faults.refuse()


def _is_unwritable(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" or character == "\0" for character in text)
