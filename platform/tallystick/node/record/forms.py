"""Checking an answer against a task's form and schema: everything that does not fit, with the field named."""

from collections.abc import Iterator
from typing import Any

from tallystick.core.definition.faults import Fault, at
from tallystick.core.definition.forms import accepts, objection
from tallystick.core.definition.model import DataExchange, Task
from tallystick.core.engine.names import MISMATCH
from tallystick.node.schemas import MAX_ERRORS, SchemaMismatch, value_faults

_AT = "/data"


def check_form(step: Task, values: dict[str, Any]) -> None:
    """Refuse missing, unknown, ill-typed and ill-formed answers; a step without form or schema takes any data."""
    if faults := _faults(step, values):
        raise SchemaMismatch(faults[:MAX_ERRORS])


def check_received(step: DataExchange, values: dict[str, Any]) -> None:
    """The same of what another organisation sent, as far as that is opened to us; always ``schema_mismatch``."""
    if faults := _faults(step, values):
        raise SchemaMismatch(faults[:MAX_ERRORS], MISMATCH)


def _faults(step: Task, values: dict[str, Any]) -> list[Fault]:
    return [*_form_faults(step, values), *value_faults(_schema(step), values, _AT)]


def _schema(step: Task) -> dict[str, Any] | None:
    return step.data_schema if isinstance(step, DataExchange) else step.result_schema


def _form_faults(step: Task, values: dict[str, Any]) -> Iterator[Fault]:
    if isinstance(step, DataExchange) and not values:
        yield Fault(_AT, "missing_property", "needs data to exchange")
    known = {field.id for field in step.form}
    for name in values if known else ():
        if name not in known:
            yield Fault(at(_AT, name), "unknown_property", f"{name} is not in the form")
    for field in step.form:
        if field.required and field.id not in values:
            yield Fault(at(_AT, field.id), "missing_property", f"{field.id} is required")
        elif field.id in values and (why := objection(field, values[field.id])):
            code = "bad_value" if accepts(field.property_type, values[field.id]) else "wrong_type"
            yield Fault(at(_AT, field.id), code, f"{field.id} {why}")
