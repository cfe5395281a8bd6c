"""JSON Schema 2020-12 of inputs and results, as definitions carry it.

Checked by whoever signs a value and again by whoever receives it; it never decides what is legal in the record, for
not everyone sees the values. Patterns run in linear time, and no reference is followed out of the schema.
"""

from functools import lru_cache
from typing import Any, NoReturn

import jsonschema_rs
import msgspec

from tallystick.core import canonical
from tallystick.core.definition.faults import at
from tallystick.core.errors import Invalid

MAX_ERRORS = 20  # told at once; more help nobody
_MAX_MESSAGE = 200  # characters: messages repeat the value that they refuse


class SchemaFault(msgspec.Struct, frozen=True):
    """One thing that a value does not meet: where in the request (RFC 6901), and what."""

    pointer: str
    detail: str


class SchemaMismatch(Invalid):
    """A value that its schema refuses; ``errors`` says everything that is wrong, up to :data:`MAX_ERRORS`."""

    default_code = "schema_mismatch"

    def __init__(self, errors: list[SchemaFault]) -> None:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"{errors[0].detail}{more}", pointer=errors[0].pointer)
        self.errors = errors


def check_value(schema: dict[str, Any] | None, value: Any, pointer: str) -> None:
    """Raise :class:`SchemaMismatch` unless ``value``, which stands at ``pointer`` of the request, meets ``schema``."""
    if schema is None:
        return
    found: list[SchemaFault] = []
    for error in _validator(canonical.encode(schema)).iter_errors(value):
        found.append(SchemaFault(at(pointer, *error.instance_path), error.message[:_MAX_MESSAGE]))
        if len(found) == MAX_ERRORS:
            break
    if found:
        raise SchemaMismatch(found)


def check_schema(schema: dict[str, Any], pointer: str) -> None:
    """Raise :class:`Invalid` when ``schema`` is none, or refers to something outside itself."""
    try:
        jsonschema_rs.meta.validate(schema)
        _validator(canonical.encode(schema))
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        detail = str(getattr(error, "message", error))[:_MAX_MESSAGE]
        raise Invalid(
            f"is no JSON Schema that can be used here: {detail}", code="bad_schema", pointer=pointer
        ) from error


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        canonical.parse(schema), pattern_options=jsonschema_rs.RegexOptions(), retriever=_refuse
    )


def _refuse(uri: str) -> NoReturn:
    raise ValueError("references to other documents are not followed")
