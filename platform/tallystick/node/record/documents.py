"""Documents of this organisation: encrypted chunks in a folder, and the row that names them."""

import asyncio
import hashlib
from typing import Any

from tallystick.core import canonical
from tallystick.node.record.context import Context
from tallystick.node.record.unit import Unit
from tallystick.tenants.chunks import FileSealer, read_manifest
from tallystick.tenants.models.record import DocumentRow


def document_of(token: str) -> str:
    """The id of the document that a piece of work makes, however often it is done."""
    return "d_" + hashlib.sha256(f"document/{token}".encode()).hexdigest()[:24]


def has(unit: Unit, document_id: str) -> bool:
    """Whether the document is there."""
    return unit.get(DocumentRow, document_id) is not None


async def seal(context: Context, name: str, media_type: str, data: bytes) -> Any:
    """Keep the encrypted chunks of ``data``; the manifest that opens them, as a value of the record."""
    sealer = FileSealer(name, media_type)
    chunks = list(sealer.add(data))
    rest, value = sealer.finish()
    for chunk in [*chunks, *rest]:
        await asyncio.to_thread(context.chunks.put, chunk.ciphertext)
    return value


def add(unit: Unit, context: Context, document_id: str, name: str, value: Any, by: str) -> DocumentRow:
    """Name a sealed file; the row of that id that is there already stays as it is."""
    held = unit.get(DocumentRow, document_id)
    if held is not None:
        return held
    manifest = read_manifest(value)
    return unit.put(
        DocumentRow,
        id=document_id,
        name=name,
        media_type=manifest.media_type,
        size=manifest.size,
        sha256=manifest.sha256,
        manifest=canonical.encode(value),
        uploaded_by=by,
        at=context.now(),
    )
