"""Forms made from a task's form definition, and the values read back from them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.datastructures import FormData, UploadFile

from tallystick.core import canonical
from tallystick.core.errors import Invalid

Store = Callable[[UploadFile], Awaitable[dict[str, Any]]]
PREFIX = "field-"  # keeps a definition's names apart from the portal's own fields
MAX_FIELDS = 200


@dataclass(frozen=True)
class Field:
    """One input: ``control`` is how it is shown, ``kind`` how it is read."""

    name: str
    label: str
    kind: str
    required: bool
    value: str

    @property
    def key(self) -> str:
        """The input's name and id."""
        return PREFIX + self.name

    @property
    def control(self) -> str:
        """The template macro that draws this field."""
        return CONTROLS.get(self.kind, "json")


CONTROLS = {
    "string": "text",
    "text": "textarea",
    "boolean": "choice",
    "integer": "integer",
    "number": "decimal",
    "decimal": "decimal",
    "date": "date",
    "datetime": "text",
    "file": "file",
    "object": "json",
    "array": "json",
}

# A task without a form still needs a way to answer: any JSON object, and a file beside it.
FREE_FORM = (
    {"id": "data", "name": "data", "property_type": "object", "required": False},
    {"id": "document", "name": "document", "property_type": "file", "required": False},
)


def fields(task: Mapping[str, Any]) -> list[Field]:
    """The inputs for ``task``."""
    return [_field(one) for one in (task.get("form") or FREE_FORM)][:MAX_FIELDS]


def _field(one: Mapping[str, Any]) -> Field:
    default = one.get("default_value")
    value = "" if default is None else default if isinstance(default, str) else canonical.encode(default).decode()
    return Field(
        name=str(one["id"]),
        label=str(one.get("name") or one["id"]),
        kind=str(one.get("property_type", "string")),
        required=bool(one.get("required")),
        value=value,
    )


async def read(task: Mapping[str, Any], form: FormData, store: Store) -> dict[str, Any]:
    """The values that a person entered, ready for the facade; files go through ``store`` first."""
    values: dict[str, Any] = {}
    for field in fields(task):
        raw = form.get(field.key)
        if raw is None or raw == "" or (isinstance(raw, UploadFile) and not raw.filename):
            if field.required:
                raise Invalid(f"'{field.label}' is needed", code="missing", pointer=f"/data/{field.name}")
            continue
        values[field.name] = await _value(field, raw, store)
    return values if task.get("form") else _free(values)


async def _value(field: Field, raw: str | UploadFile, store: Store) -> Any:
    if field.control == "file":
        if isinstance(raw, str):
            raise Invalid(f"'{field.label}' is not a file", code="not_a_file", pointer=f"/data/{field.name}")
        return {"$file": {"document_id": (await store(raw))["document_id"]}}
    if not isinstance(raw, str):
        raise Invalid(f"'{field.label}' is a file", code="not_a_value", pointer=f"/data/{field.name}")
    try:
        return READERS.get(field.control, str)(raw.strip())
    except (ValueError, InvalidOperation, Invalid) as error:
        where = f"/data/{field.name}"
        raise Invalid(f"'{field.label}' is not a {field.kind}", code="ill_typed", pointer=where) from error


def _choice(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def _decimal(text: str) -> str:
    """Decimals stay strings: signed documents hold no floats."""
    if not Decimal(text).is_finite():
        raise ValueError(text)
    return text


def _json(text: str) -> Any:
    return canonical.parse(text.encode())


READERS: Mapping[str, Callable[[str], Any]] = {
    "choice": _choice,
    "integer": int,
    "decimal": _decimal,
    "json": _json,
}


def _free(values: dict[str, Any]) -> dict[str, Any]:
    data = values.pop("data", {})
    if not isinstance(data, dict):
        raise Invalid("'data' is not an object", code="ill_typed", pointer="/data")
    return {**data, **values}


def file_values(items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The manifests among data items, for listing what can be downloaded."""
    return [item["value"]["$file"] for item in items if is_file(item.get("value"))]


def is_file(value: Any) -> bool:
    """Whether a value stands for a file."""
    return isinstance(value, dict) and list(value) == ["$file"]
