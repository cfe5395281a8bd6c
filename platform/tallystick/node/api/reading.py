"""Bodies and queries read once, bounded, strictly typed; what is wrong is named by JSON Pointer (RFC 6901)."""

import re
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request

from tallystick.core import canonical
from tallystick.core.errors import Invalid
from tallystick.node.api.problems import TooLarge, UnsupportedMediaType

MAX_JSON = 1024 * 1024  # as large as one statement between nodes; larger things are documents
T = TypeVar("T")

_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_MISSING = re.compile(r"missing required field `([^`]*)`")
_AT = " - at `$"
_MAX_WORDS = 500  # characters of a sentence or a path: both may repeat what was sent
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


async def json_body(request: Request, kind: type[T]) -> T:
    """The body as ``kind``; not JSON → 400, too large → 413, an unknown or ill-typed field → 422."""
    declared = request.headers.get("content-type", "")
    data = await bounded(request, MAX_JSON)
    if not data and not declared:  # `curl -X POST` without a body means: no fields
        return typed({}, kind)
    if declared.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType("this operation reads application/json")
    try:
        value = canonical.parse(data, max_bytes=MAX_JSON)
    except Invalid as error:
        raise Invalid(f"the body {error.detail}", code=error.code) from error
    return typed(value, kind)


async def bounded(request: Request, limit: int) -> bytes:
    """The whole body, read no further than ``limit`` bytes."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise TooLarge(limit)
        chunks.append(chunk)
    return b"".join(chunks)


def query(request: Request, kind: type[T]) -> T:
    """The query parameters as ``kind``; each may be given once."""
    pairs = request.query_params.multi_items()
    values = dict(pairs)
    if len(values) != len(pairs):
        raise Invalid("a query parameter is given twice", code="duplicate_member")
    return typed(values, kind, strict=False)


def typed(value: Any, kind: type[T], *, strict: bool = True) -> T:
    """``value`` converted to ``kind``, or :class:`Invalid` naming the offending place."""
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise Invalid(_sentence(str(error)), code="invalid", pointer=pointer(str(error))) from error


def pointer(message: str) -> str:
    """The JSON Pointer that a msgspec message speaks of: a named field below the path it ends with."""
    path = message.rpartition(_AT)[2][:_MAX_WORDS] if _AT in message else ""
    steps = [name or index for name, index in _STEP.findall(path.removesuffix("`"))]
    named = _UNKNOWN.search(message) or _MISSING.search(message)
    if named:
        steps.append(named.group(1)[:_MAX_WORDS])
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def _sentence(message: str) -> str:
    return message.partition(" - at ")[0].replace("`", "'")[:_MAX_WORDS]
