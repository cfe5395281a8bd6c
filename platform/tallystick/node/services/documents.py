"""Documents: bytes in and out, kept as encrypted chunks."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

from sqlmodel import Session, col, select, tuple_

from tallystick.core import canonical
from tallystick.core.errors import Invalid, NotFound
from tallystick.core.manifest import Manifest
from tallystick.node.record import documents
from tallystick.node.record.unit import Unit
from tallystick.node.services.base import Service, bounded, cursor_values, page
from tallystick.tenants.chunks import FileOpener, FileSealer, read_manifest
from tallystick.tenants.models.record import DocumentRow, OpeningRow
from tallystick.tenants.permissions import Permission, require
from tallystick.tenants.users import User

MAX_NAME = 200


class Documents(Service):
    """Files of any media type up to 64 MiB: ours, and those in values that were opened to us."""

    async def put_document(self, who: User, name: str, media_type: str, chunks: AsyncIterator[bytes]) -> dict[str, Any]:
        """Keep a file; what arrives is encrypted before it reaches the disk."""
        require(who, Permission.WORK_ON_TASKS)
        if not 0 < len(name) <= MAX_NAME or "/" in name or "\x00" in name:
            raise Invalid(f"name must have 1 to {MAX_NAME} characters and no slash", code="bad_name", pointer="/name")
        sealer = FileSealer(name, media_type)
        async for data in chunks:
            for chunk in sealer.add(data):
                await asyncio.to_thread(self.parts.context.chunks.put, chunk.ciphertext)
        rest, value = sealer.finish()
        for chunk in rest:
            await asyncio.to_thread(self.parts.context.chunks.put, chunk.ciphertext)

        def work(unit: Unit) -> dict[str, Any]:
            document_id = "d_" + secrets.token_hex(12)
            return _view(documents.add(unit, self.parts.context, document_id, name, value, who.username))

        return await self.write(who, Permission.WORK_ON_TASKS, work)

    async def documents(self, who: User, *, limit: int = 50, cursor: str | None = None) -> dict[str, Any]:
        """Newest first, in keyset pages."""
        limit, after = bounded(limit), cursor_values(cursor, (int, str))

        def work(session: Session) -> dict[str, Any]:
            query = select(DocumentRow).order_by(col(DocumentRow.at).desc(), col(DocumentRow.id).desc())
            if after:
                query = query.where(tuple_(col(DocumentRow.at), col(DocumentRow.id)) < tuple(after))
            return page(list(session.exec(query.limit(limit + 1))), limit, lambda row: [row.at, row.id], _view)

        return await self.read(who, work)

    async def document(self, who: User, document_id: str) -> dict[str, Any]:
        """A document's facts; its id is ours, or the SHA-256 of a file that was opened to us."""
        return await self.read(who, lambda session: self._find(session, document_id)[0])

    async def document_content(self, who: User, document_id: str) -> tuple[dict[str, Any], AsyncIterator[bytes]]:
        """Its facts and its bytes, checked chunk by chunk."""
        facts, manifest = await self.read(who, lambda session: self._find(session, document_id))
        return facts, self._bytes(manifest)

    async def _bytes(self, manifest: Manifest) -> AsyncIterator[bytes]:
        opener = FileOpener(manifest)
        for name in manifest.chunks:
            ciphertext = await asyncio.to_thread(self.parts.context.chunks.get, name)
            yield opener.open(ciphertext)
        opener.finish()

    def _find(self, session: Session, document_id: str) -> tuple[dict[str, Any], Manifest]:
        row = session.get(DocumentRow, document_id)
        if row is not None:
            return _view(row), read_manifest(canonical.parse(row.manifest))
        opening = session.exec(select(OpeningRow).where(OpeningRow.file_sha256 == document_id).limit(1)).first()
        if opening is None:
            raise NotFound("there is no such document here")
        manifest = read_manifest(canonical.parse(opening.value))
        return {"document_id": document_id, **_facts(manifest)}, manifest


def _facts(manifest: Manifest) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "media_type": manifest.media_type,
        "size": manifest.size,
        "sha256": manifest.sha256,
    }


def _view(row: DocumentRow) -> dict[str, Any]:
    return {
        "document_id": row.id,
        "name": row.name,
        "media_type": row.media_type,
        "size": row.size,
        "sha256": row.sha256,
        "uploaded_by": row.uploaded_by,
        "at": row.at,
    }
