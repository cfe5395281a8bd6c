"""The OpenAPI 3.1 description, generated from the table that the API is routed by, so that the two cannot differ."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from tallystick.node.api.operation import Operation
from tallystick.node.api.problems import CATALOGUE, MEDIA_TYPE

BASE = "/api/v1"
_PARAMETER = re.compile(r"\{(\w+)\}")

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem details",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri", "examples": ["urn:tallystick:problem:invalid"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "stable; safe to branch on"},
        "pointer": {"type": "string", "format": "json-pointer", "description": "the field that is not acceptable"},
        "state": {"type": "string", "description": "the present state, where that is the obstacle"},
        "limit": {"type": "integer", "description": "the largest body allowed, in bytes"},
    },
}


def describe(operations: Sequence[Operation], *, version: str) -> dict[str, Any]:
    """The whole description as a JSON object."""
    kinds = [operation.body for operation in operations if operation.body]
    _, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tallystick",
            "version": version,
            "summary": "One organisation's node: collaborations, tasks, documents, evidence",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": BASE}],
        "security": [{"bearer": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": {**components, "Problem": PROBLEM_SCHEMA},
            "responses": {code: _problem(code) for code in CATALOGUE},
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": _parameters(operation),
        "responses": {str(operation.status): _success(operation), **_problems(operation)},
    }
    if operation.public:
        described["security"] = []
    if operation.permissions and not operation.public:
        described["description"] = f"Needs the permission {' or '.join(f'`{one}`' for one in operation.permissions)}."
    if content := _content(operation):
        described["requestBody"] = {"required": True, "content": content}
    return described


def _content(operation: Operation) -> dict[str, Any] | None:
    if operation.raw:
        return {operation.raw: {}}
    if not operation.body:
        return None
    (schema,), _ = msgspec.json.schema_components([operation.body], ref_template="#/components/schemas/{name}")
    return {"application/json": {"schema": schema}}


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(operation.path)
    ]
    if operation.query:
        (_,), components = msgspec.json.schema_components([operation.query])
        schema = components[operation.query.__name__]
        required = schema.get("required", [])
        found += [
            {"name": name, "in": "query", "required": name in required, "schema": value}
            for name, value in schema["properties"].items()
        ]
    if operation.idempotent_by_key:
        text = "For a day the same key with the same body gets the first answer again, over restarts too."
        found.append({"name": "Idempotency-Key", "in": "header", "description": text, "schema": {"type": "string"}})
    return found


def _success(operation: Operation) -> dict[str, Any]:
    if operation.status == 204:
        return {"description": operation.summary}
    schema = {"type": "object"} if operation.returns == "application/json" else {}
    return {"description": operation.summary, "content": {operation.returns: {"schema": schema}}}


def _problems(operation: Operation) -> dict[str, Any]:
    codes = list(operation.problems)
    if not operation.public:
        codes.append("unauthenticated")
        codes += ["forbidden"] if operation.permissions else []
    if operation.body:
        codes += ["malformed_json", "too_large", "unsupported_media_type", "invalid"]
    elif operation.raw:
        codes += ["too_large"]
    if operation.query:
        codes.append("invalid")
    by_status = {str(CATALOGUE[code].status): code for code in reversed(codes)}
    return {status: {"$ref": f"#/components/responses/{code}"} for status, code in sorted(by_status.items())}


def _problem(code: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": CATALOGUE[code].en, "content": {MEDIA_TYPE: {"schema": schema}}}
