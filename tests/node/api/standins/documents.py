"""Documents, notifications, and what a page is told as it happens."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from node.api.standins.refusals import NOW, Recorder


class Documents(Recorder):
    """Documents, notifications, and what a page is told as it happens."""

    def _document(self, key: str) -> dict[str, Any]:
        return {"document_id": key, "name": "订单 \"1\".xml", "media_type": "application/xml", "size": 7,
                "sha256": "ab" * 32}  # fmt: skip

    async def put_document(self, who: Any, name: str, media_type: str, chunks: AsyncIterator[bytes]) -> dict[str, Any]:
        """Counted, not kept."""
        self.stored = b"".join([chunk async for chunk in chunks])[:100]
        self._called("put_document", name, media_type)
        return self._document("d1")

    async def documents(self, who: Any, **query: Any) -> dict[str, Any]:
        """One."""
        return {"items": [self._document("d1")], "next_cursor": None}

    async def document(self, who: Any, key: str) -> dict[str, Any]:
        """By id."""
        self._called("document", key)
        return self._document(key)

    async def document_content(self, who: Any, key: str) -> tuple[dict[str, Any], AsyncIterator[bytes]]:
        """Seven bytes."""
        self._called("document_content", key)

        async def chunks() -> AsyncIterator[bytes]:
            yield b"<a>"
            yield b"</a>"

        return self._document(key), chunks()

    async def notifications(self, who: Any, **query: Any) -> dict[str, Any]:
        """One that wants an acknowledgement."""
        return {"items": [{"id": "n1", "notification_type": "activity_completed", "message": "已完成 <b>",
                           "collaboration_id": "c1", "from_org": "supplier", "at": NOW,
                           "requires_acknowledgment": True, "acknowledged": False, "read": False}],
                "next_cursor": None}  # fmt: skip

    async def acknowledge(self, who: Any, key: str) -> dict[str, Any]:
        """Recorded."""
        self._called("acknowledge", key)
        return {"id": key, "acknowledged": True}

    async def subscribe(self) -> AsyncIterator[dict[str, Any]]:
        """Three changes and the end."""
        for topic, key in (("task", "t1"), ("execution", "e1"), ("anchor", "x")):
            yield {"topic": topic, "id": key}
            await asyncio.sleep(0)
