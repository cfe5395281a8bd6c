"""Checking an answer against a task's form, with the field named."""

import datetime
import re
from collections.abc import Callable
from typing import Any

from tallystick.core.errors import Invalid

MAX_TEXT = 20_000  # characters in one answer
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,18})?\Z")


def check_form(step: dict[str, Any], values: dict[str, Any]) -> None:
    """Refuse missing, unknown and ill-typed answers; a step without a form takes any data."""
    form = {field["id"]: field for field in step["form"]}
    if not form:
        if step["activity_type"] == "data_exchange" and not values:
            raise Invalid("needs data to exchange", code="missing_property", pointer="/data")
        return
    for name in values:
        if name not in form:
            raise Invalid(f"{name} is not in the form", code="unknown_property", pointer=f"/data/{name}")
    for name, field in form.items():
        if name in values:
            _check_value(name, field["property_type"], values[name])
        elif field["required"]:
            raise Invalid(f"{name} is required", code="missing_property", pointer=f"/data/{name}")


def _check_value(name: str, property_type: str, value: Any) -> None:
    if not _CHECKS.get(property_type, _anything)(value):
        raise Invalid(f"{name} must be of type {property_type}", code="wrong_type", pointer=f"/data/{name}")


def _anything(value: Any) -> bool:
    return True


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT


def _decimal(value: Any) -> bool:
    return isinstance(value, str) and _DECIMAL.match(value) is not None


def _date(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(datetime.date.fromisoformat(value))
    except ValueError:
        return False


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "string": _text,
    "integer": _integer,
    "boolean": lambda value: isinstance(value, bool),
    "decimal": _decimal,
    "date": _date,
    "file": lambda value: isinstance(value, dict) and set(value) == {"$file"},
    "object": lambda value: isinstance(value, dict),
}
