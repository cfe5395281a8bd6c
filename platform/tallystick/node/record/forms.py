"""Checking an answer against a task's form and schema, with the field named."""

from typing import Any

from tallystick.core.definition.forms import accepts, objection
from tallystick.core.definition.model import DataExchange, Task
from tallystick.core.errors import Invalid
from tallystick.node.schemas import check_value

MAX_TEXT = 20_000  # characters in one answer


def check_form(step: Task, values: dict[str, Any]) -> None:
    """Refuse missing, unknown, ill-typed and ill-formed answers; a step without form or schema takes any data."""
    form = {field.id: field for field in step.form}
    if isinstance(step, DataExchange) and not values:
        raise Invalid("needs data to exchange", code="missing_property", pointer="/data")
    for name in values if form else ():
        if name not in form:
            raise Invalid(f"{name} is not in the form", code="unknown_property", pointer=f"/data/{name}")
    for name, field in form.items():
        if name not in values:
            if field.required:
                raise Invalid(f"{name} is required", code="missing_property", pointer=f"/data/{name}")
            continue
        value = values[name]
        why = objection(field, value) or (_too_long(value) and f"must have at most {MAX_TEXT} characters")
        if why:
            code = "bad_value" if accepts(field.property_type, value) else "wrong_type"
            raise Invalid(f"{name} {why}", code=code, pointer=f"/data/{name}")
    check_value(step.data_schema if isinstance(step, DataExchange) else step.result_schema, values, "/data")


def _too_long(value: Any) -> bool:
    return isinstance(value, str) and len(value) > MAX_TEXT
