"""The source language as a JSON Schema (2020-12), for editors and for other people's tools.

It says what each member is; names that must exist, expressions, routes and audiences are the compiler's to judge. The
file ``core/definition/schema.json`` is what this module gives, which a test compares.
"""

from typing import Any

from tallystick.core.definition import model
from tallystick.core.definition.blocks import COMPLETION, UNDOING
from tallystick.core.definition.forms import MAX_OPTIONS, PROPERTY_TYPES
from tallystick.core.definition.rules import POLICIES
from tallystick.core.definition.schemas import DIALECT
from tallystick.core.definition.short import KINDS as TASKS
from tallystick.core.definition.words import PRIORITIES

Schema = dict[str, Any]
ANYTHING: Schema = {}
ID = "urn:tallystick:definition:1"


def grammar() -> Schema:
    """The schema of a definition in either form."""
    return {
        "$schema": DIALECT,
        "$id": ID,
        "title": "Tallystick definition",
        "description": "A workflow between organisations, in the short form (tasks) or the full form (steps).",
        "if": {"type": "object", "required": ["tasks"]},
        "then": {"$ref": "#/$defs/short"},
        "else": {"$ref": "#/$defs/full"},
        "$defs": {
            "short": _object(
                ["id", "name", "participants", "tasks"], tasks=_list("task", model.MAX_STEPS, least=1), **_HEAD
            ),
            "full": _object(["id", "name", "participants", "steps"], **_FULL, **_HEAD),
            "within": _object(
                ["id", "name"],
                tasks=_list("task", model.MAX_STEPS, least=1),
                **_FULL,
                **{**_HEAD, "participants": _maybe(_HEAD["participants"])},
            ),
            **_PARTS,
            **_KINDS,
            "step": _step(),
        },
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _text(most: int = model.MAX_TEXT) -> Schema:
    """A text that must say something."""
    return {"type": "string", "maxLength": most, "pattern": "\\S"}


def _whole(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


def _list(item: str | Schema, most: int, least: int = 0) -> Schema:
    found: Schema = {"type": "array", "items": _ref(item) if isinstance(item, str) else item, "maxItems": most}
    return found | ({"minItems": least} if least else {})


def _one_of(*words: str) -> Schema:
    return {"enum": list(words)}


def _maybe(schema: Schema) -> Schema:
    """Absence and null mean the same."""
    if not schema:
        return schema
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    return {"anyOf": [schema, {"type": "null"}]}


def _object(needed: list[str], /, **members: Schema) -> Schema:
    """An object of these members and no others; those that are not required may be null."""
    properties = {name: one if name in needed else _maybe(one) for name, one in members.items()}
    return {"type": "object", "additionalProperties": False, "required": needed, "properties": properties}


def _step() -> Schema:
    """A step has the object of its kind and of no other."""
    return {
        "type": "object",
        "required": ["id", "name", "step_type"],
        "properties": {"step_type": _one_of(*(name.removeprefix("kind_") for name in _KINDS))},
        "allOf": [
            {
                "if": {"properties": {"step_type": {"const": name.removeprefix("kind_")}}, "required": ["step_type"]},
                "then": _ref(name),
            }
            for name in _KINDS
        ],
    }


_ANY: Schema = {"type": "object"}
_EXPRESSION = _text()
_SECONDS = _whole(1, model.TEN_YEARS)
_NAME = _text(model.MAX_NAME)
_FREE: Schema = {"type": "string", "maxLength": model.MAX_NAME}
_LONG: Schema = {"type": "string", "maxLength": model.MAX_TEXT}
_WORDS = {
    **_list({"type": "string", "minLength": 1, "maxLength": model.MAX_NAME}, model.MAX_CODES),
    "uniqueItems": True,
}
_ORGS: Schema = {"type": "array", "items": {"type": "string"}, "maxItems": 200, "uniqueItems": True}
_MAPPING: Schema = {"type": "object", "propertyNames": _ref("id"), "additionalProperties": _EXPRESSION}
_AUDIENCE: Schema = {"anyOf": [{"const": model.SHARED}, _ORGS, {"type": "null"}]}
_PRIORITY: Schema = {"anyOf": [_one_of(*PRIORITIES), _whole(0, 10)]}

_HEAD: dict[str, Schema] = {
    "id": _ref("id"),
    "name": _NAME,
    "description": _LONG,
    "version": {"anyOf": [_FREE, {"type": "integer"}]},
    "created_by": _FREE,
    "metadata": _ANY,
    "participants": _list("participant", model.MAX_PARTICIPANTS, least=1),
    "input_schema": _ANY,
    "triggers": _list("trigger", model.MAX_CODES),
    "definitions": _list("within", model.MAX_STEPS),
}
_FULL: dict[str, Schema] = {
    "steps": _list("step", model.MAX_STEPS, least=1),
    "compensations": _list("handler", model.MAX_STEPS),
}
_TIMES: dict[str, Schema] = {
    "timeout_seconds": _SECONDS,
    "reminder_seconds": _list(_SECONDS, model.MAX_REMINDERS),
    "retry_policy": _ref("retry_policy"),
}
_TALK: dict[str, Schema] = {"target_orgs": {**_ORGS, "minItems": 1}}
_FORM: dict[str, Schema] = {"form_properties": _list("field", model.MAX_FIELDS)}
_INPUTS: dict[str, Schema] = {"input": _ANY, "input_mapping": _MAPPING}

_STEP: dict[str, Schema] = {
    "id": _ref("id"),
    "name": _NAME,
    "description": _LONG,
    "step_type": {"type": "string"},
    "priority": _PRIORITY,
}
_LEADS: dict[str, Schema] = {"next_steps": _list("route", model.MAX_ROUTES)}
_FAILS: dict[str, Schema] = {"on_error": _list("catch", model.MAX_CODES - 2), "on_timeout": _NAME}
_OWNED: dict[str, Schema] = {"assigned_org": {"type": "string"}, "assigned_role": {"type": "string"}}
_SHOWN: dict[str, Schema] = {
    "visible_to": {"anyOf": [*_AUDIENCE["anyOf"], {"type": "object", "additionalProperties": _AUDIENCE}]}
}
_HELD: dict[str, Schema] = {"hold_on_failure": {"type": "boolean"}}
_DONE: dict[str, Schema] = {**_OWNED, **_SHOWN, **_HELD, "compensate_with": _FREE}

_BODIES: dict[str, Schema] = {
    "activity": _object(
        ["activity_type"],
        activity_type=_NAME,
        task_queue=_FREE,
        heartbeat_seconds=_SECONDS,
        output_mapping=_MAPPING,
        result_schema=_ANY,
        **_TIMES,
        **_FORM,
        **_INPUTS,
    ),
    "user_task": _object(
        [],
        task_type=_FREE,
        title=_FREE,
        description=_LONG,
        assignee={"type": "string", "pattern": "^org:"},
        candidate_groups=_WORDS,
        due_date_expression=_EXPRESSION,
        result_schema=_ANY,
        **_TIMES,
        **_FORM,
        **_INPUTS,
    ),
    "decision": _object([], expression=_EXPRESSION, decision_table=_ref("table")),
    "timer": _object([], duration_seconds=_SECONDS, until=_NAME, cron=_NAME, time_zone=_FREE),
    "wait": _object(
        ["event_name"],
        event_name=_ref("id"),
        **{"from": _AUDIENCE},
        timeout_seconds=_SECONDS,
        on_timeout=_NAME,
    ),
    "parallel": _object(
        ["branches"],
        branches=_list("branch", model.MAX_BRANCHES, least=1),
        completion_type=_one_of(*COMPLETION),
        threshold_count=_whole(1, model.MAX_BRANCHES),
        on_timeout=_NAME,
    ),
    "for_each": _object(
        ["items", "steps"],
        items=_EXPRESSION,
        steps=_FULL["steps"],
        max_concurrency=_whole(1, 1000),
        **_TIMES,
        **_INPUTS,
    ),
    "sub_workflow": _object(
        ["workflow_id"], workflow_id={"type": "string"}, output_mapping=_MAPPING, **_TIMES, **_INPUTS
    ),
}
# Where a failure by time-out leads may stand beside the time-out as well as beside the kind.
for _kind in ("activity", "user_task", "decision", "for_each", "sub_workflow"):
    _BODIES[_kind]["properties"]["on_timeout"] = _maybe(_NAME)

_MORE: dict[str, dict[str, Schema]] = {
    "decision": {**_OWNED, **_SHOWN, **_HELD, **_FAILS},
    "timer": {**_OWNED},
    "wait": {**_OWNED, **_FAILS},
    "parallel": {**_OWNED, **_FAILS},
}
_KINDS: dict[str, Schema] = {
    f"kind_{name}": _object(
        ["id", "name", "step_type", name], **_STEP, **_LEADS, **_MORE.get(name, {**_DONE, **_FAILS}), **{name: body}
    )
    for name, body in _BODIES.items()
}
# A user task may be nothing but a task for somebody.
_KINDS["kind_user_task"]["required"].remove("user_task")
_KINDS["kind_user_task"]["properties"]["user_task"] = _maybe(_BODIES["user_task"])

_PARTS: dict[str, Schema] = {
    "id": {"type": "string", "pattern": f"^[A-Za-z][A-Za-z0-9_-]{{0,{model.MAX_ID - 1}}}$"},
    "participant": _object(
        ["org_id"],
        org_id=_text(model.MAX_ID),
        role=_FREE,
        can_terminate={"type": "boolean"},
        need_activity_notifications={"type": "boolean"},
    ),
    "task": _object(
        ["id", "name", "task_type"],
        id=_ref("id"),
        name=_NAME,
        description=_LONG,
        task_type=_one_of(*TASKS),
        parameters=_object(
            [],
            on_rejected=_ORGS,
            activity_type=_FREE,
            input=_ANY,
            data_schema=_ANY,
            encryption_required={"type": "boolean"},
            notification_type=_FREE,
            message=_LONG,
            requires_acknowledgment={"type": "boolean"},
            **_TALK,
            **_FORM,
            **_SHOWN,
        ),
        priority=_PRIORITY,
        **_OWNED,
        **_TIMES,
    ),
    "handler": {
        "type": "object",
        "required": ["step_type"],
        "properties": {"step_type": _one_of(*UNDOING), "next_steps": False, "on_error": False, "on_timeout": False},
        "allOf": [_ref("step")],
    },
    "route": {
        "anyOf": [
            {"type": "string"},
            _object(
                ["step"],
                step=_NAME,
                outcome={"type": ["string", "boolean", "integer"], "minLength": 1, "maxLength": 64},
                condition=_EXPRESSION,
            ),
        ]
    },
    "catch": _object(["step"], step=_NAME, code=_FREE),
    "retry_policy": _object(
        [],
        max_attempts=_whole(1, model.MAX_ATTEMPTS),
        initial_interval_seconds=_SECONDS,
        max_interval_seconds=_SECONDS,
        backoff_coefficient={"type": "number", "minimum": 1, "maximum": 100},
        non_retryable_errors=_WORDS,
    ),
    "field": _object(
        ["id"],
        id=_ref("id"),
        name=_FREE,
        property_type=_one_of(*PROPERTY_TYPES),
        required={"type": "boolean"},
        default_value=ANYTHING,
        validation=_object(
            [],
            least={"type": ["integer", "string"]},
            most={"type": ["integer", "string"]},
            min_length=_whole(0, model.MAX_TEXT),
            max_length=_whole(0, model.MAX_TEXT),
            options=_list({"type": ["string", "integer"]}, MAX_OPTIONS),
        ),
    ),
    "table": _object(
        ["outputs", "default"],
        input_expression=_EXPRESSION,
        columns=_list({"type": "string", "minLength": 1}, model.MAX_COLUMNS, least=1),
        outputs={**_list("id", model.MAX_COLUMNS, least=1), "uniqueItems": True},
        hit_policy=_one_of(*POLICIES),
        rows=_list(
            _object(["input_value", "output_values"], input_value=ANYTHING, output_values=ANYTHING),
            model.MAX_ROWS,
        ),
        default=ANYTHING,
    ),
    "branch": _object(["id", "steps"], id=_ref("id"), name=_FREE, steps=_FULL["steps"]),
    "trigger": _object(
        ["trigger_type"],
        trigger_type=_one_of("event", "schedule", "api"),
        topic=_NAME,
        condition=_EXPRESSION,
        cron=_NAME,
        time_zone=_FREE,
        input_mapping=_MAPPING,
    ),
}
