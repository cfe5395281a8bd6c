"""JSON Schema 2020-12 of inputs and results, as definitions carry it.

Checked by whoever signs a value and again by whoever receives it; it never decides what is legal in the record, for
not everyone sees the values. Patterns run in linear time, and no reference is followed out of the schema.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Any, NoReturn

import jsonschema_rs

from tallystick.core import canonical
from tallystick.core.definition.faults import Fault, at
from tallystick.core.engine.names import MISMATCH
from tallystick.core.errors import Invalid

MAX_ERRORS = 20  # told at once; more help nobody
_SCHEMAS = ("input_schema", "result_schema", "data_schema")
_MAX_MESSAGE = 200  # characters: messages repeat the value that they refuse


class SchemaMismatch(Invalid):
    """A value that its form or schema refuses; ``errors`` says all that is wrong, up to :data:`MAX_ERRORS`.

    The code is that of the first of them, unless it is given.
    """

    default_code = MISMATCH

    def __init__(self, errors: list[Fault], code: str | None = None) -> None:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"{errors[0].detail}{more}", code=code or errors[0].code, pointer=errors[0].pointer)
        self.errors = errors


def check_value(schema: dict[str, Any] | None, value: Any, pointer: str) -> None:
    """Raise :class:`SchemaMismatch` unless ``value``, which stands at ``pointer`` of the request, meets ``schema``."""
    found = value_faults(schema, value, pointer)
    if found:
        raise SchemaMismatch(found)


def value_faults(schema: dict[str, Any] | None, value: Any, pointer: str) -> list[Fault]:
    """What ``schema`` has against ``value``, which stands at ``pointer``."""
    if schema is None:
        return []
    errors = _validator(canonical.encode(schema)).iter_errors(value)
    return [
        Fault(at(pointer, *one.instance_path), MISMATCH, one.message[:_MAX_MESSAGE])
        for one in islice(errors, MAX_ERRORS)
    ]


def definition_faults(compiled: dict[str, Any], source: dict[str, Any], pointer: str) -> list[Fault]:
    """The schemas of a compiled definition that nodes cannot apply, where they stand in ``source``."""
    found = []
    for schema in _schemas_of(compiled):
        try:
            check_schema(schema, pointer)
        except Invalid as error:
            where = next(_places(source, schema, pointer), pointer)
            found.append(Fault(where, error.code, error.detail))
    return found


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


def _schemas_of(compiled: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for holder in (compiled, *compiled["steps"].values()):
        yield from (holder[name] for name in _SCHEMAS if holder.get(name) is not None)
    for inner in compiled.get("definitions", {}).values():
        yield from _schemas_of(inner)


def _places(value: Any, schema: dict[str, Any], pointer: str) -> Iterator[str]:
    """Where ``schema`` stands in a source."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inside:
        if name in _SCHEMAS and one == schema:
            yield at(pointer, name)
        yield from _places(one, schema, at(pointer, name))


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        canonical.parse(schema), pattern_options=jsonschema_rs.RegexOptions(), retriever=_refuse
    )


def _refuse(uri: str) -> NoReturn:
    raise ValueError("references to other documents are not followed")
