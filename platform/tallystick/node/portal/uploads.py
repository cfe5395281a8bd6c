"""Uploaded files as streams of bounded chunks."""

from collections.abc import AsyncIterator

from starlette.datastructures import UploadFile

CHUNK = 64 * 1024


async def chunks(upload: UploadFile) -> AsyncIterator[bytes]:
    """The file's bytes; Starlette has spooled them to disk, so they are never all in memory."""
    while chunk := await upload.read(CHUNK):
        yield chunk
