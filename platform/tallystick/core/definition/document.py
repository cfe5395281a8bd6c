"""The one compiled form: a struct as a plain document in which whatever says nothing is absent."""

from functools import cache
from typing import Any

import msgspec
from msgspec import NODEFAULT
from msgspec.structs import FieldInfo

# msgspec's own ``omit_defaults`` goes by identity, so that an equal text or number would stand in one document and
# not in another.


def document(struct: msgspec.Struct) -> dict[str, Any]:
    """``struct`` with its tag, without members that have their default."""
    config = type(struct).__struct_config__
    found: dict[str, Any] = {config.tag_field: config.tag} if config.tag_field else {}
    for field in _fields(type(struct)):
        value = getattr(struct, field.name)
        if not _is_default(field, value):
            found[field.encode_name] = _plain(value)
    return found


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[FieldInfo, ...]:
    return msgspec.structs.fields(kind)


def _is_default(field: FieldInfo, value: Any) -> bool:
    if field.default_factory is not NODEFAULT:
        return bool(value == field.default_factory())
    # True is no 1, wherever a member may be either.
    return field.default is not NODEFAULT and type(value) is type(field.default) and bool(value == field.default)


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return document(value)
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    return [_plain(member) for member in value] if isinstance(value, list) else value
