"""Task data on its way in: documents named by id become the manifests that are committed to."""

from typing import Any

from tallystick.core import canonical
from tallystick.core.errors import Invalid
from tallystick.node.record.unit import Unit
from tallystick.tenants.models.record import DocumentRow

MAX_PROPERTIES = 200


def resolve(unit: Unit, data: dict[str, Any]) -> dict[str, Any]:
    """Replace ``{"$file": {"document_id": …}}`` by the document's manifest; refuse reserved names."""
    if len(data) > MAX_PROPERTIES:
        raise Invalid(f"data has more than {MAX_PROPERTIES} properties", code="too_many_properties")
    for name in data:
        if name.startswith("$"):
            raise Invalid("names that begin with $ are reserved", code="reserved_name", pointer=f"/data/{name}")
    return {name: _value(unit, name, value) for name, value in data.items()}


def _value(unit: Unit, name: str, value: Any) -> Any:
    if not isinstance(value, dict) or "$file" not in value:
        return value
    reference = value["$file"]
    document_id = reference.get("document_id") if isinstance(reference, dict) else None
    row = unit.get(DocumentRow, document_id) if isinstance(document_id, str) else None
    if row is None:
        raise Invalid("names no document of this organisation", code="unknown_document", pointer=f"/data/{name}")
    return canonical.parse(row.manifest)
