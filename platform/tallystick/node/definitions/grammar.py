"""The source language as a JSON Schema (2020-12), for editors and for other people's tools.

It says what each member is; names that must exist, expressions, routes and audiences are the compiler's to judge. The
file ``core/definition/schema.json`` is what this module gives, which a test compares.
"""

from tallystick.core.definition import model
from tallystick.core.definition.blocks import COMPLETION, UNDOING
from tallystick.core.definition.forms import MAX_OPTIONS, PROPERTY_TYPES
from tallystick.core.definition.rules import POLICIES
from tallystick.core.definition.schemas import DIALECT
from tallystick.core.definition.short import KINDS as TASKS
from tallystick.node.definitions.schema_words import (
    ANY,
    AUDIENCE,
    EXPRESSION,
    FREE,
    LONG,
    MAPPING,
    NAME,
    ORGS,
    PRIORITY,
    SECONDS,
    WORDS,
    Schema,
    list_of,
    maybe,
    object_of,
    one_of,
    ref,
    text,
    whole,
)

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
            "short": object_of(
                ["id", "name", "participants", "tasks"], tasks=list_of("task", model.MAX_STEPS, least=1), **_HEAD
            ),
            "full": object_of(["id", "name", "participants", "steps"], **_FULL, **_HEAD),
            "within": object_of(
                ["id", "name"],
                tasks=list_of("task", model.MAX_STEPS, least=1),
                **_FULL,
                **{**_HEAD, "participants": maybe(_HEAD["participants"])},
            ),
            **_PARTS,
            **_KINDS,
            "step": _step(),
        },
    }


def _step() -> Schema:
    """A step has the object of its kind and of no other."""
    return {
        "type": "object",
        "required": ["id", "name", "step_type"],
        "properties": {"step_type": one_of(*(name.removeprefix("kind_") for name in _KINDS))},
        "allOf": [
            {
                "if": {"properties": {"step_type": {"const": name.removeprefix("kind_")}}, "required": ["step_type"]},
                "then": ref(name),
            }
            for name in _KINDS
        ],
    }


_HEAD: dict[str, Schema] = {
    "id": ref("id"),
    "name": NAME,
    "description": LONG,
    "version": {"anyOf": [FREE, {"type": "integer"}]},
    "created_by": FREE,
    "metadata": ANY,
    "participants": list_of("participant", model.MAX_PARTICIPANTS, least=1),
    "input_schema": ANY,
    "triggers": list_of("trigger", model.MAX_CODES),
    "definitions": list_of("within", model.MAX_STEPS),
}
_FULL: dict[str, Schema] = {
    "steps": list_of("step", model.MAX_STEPS, least=1),
    "compensations": list_of("handler", model.MAX_STEPS),
}
_TIMES: dict[str, Schema] = {
    "timeout_seconds": SECONDS,
    "reminder_seconds": list_of(SECONDS, model.MAX_REMINDERS),
    "retry_policy": ref("retry_policy"),
}
_TALK: dict[str, Schema] = {"target_orgs": {**ORGS, "minItems": 1}}
_FORM: dict[str, Schema] = {"form_properties": list_of("field", model.MAX_FIELDS)}
_INPUTS: dict[str, Schema] = {"input": ANY, "input_mapping": MAPPING}

_STEP: dict[str, Schema] = {
    "id": ref("id"),
    "name": NAME,
    "description": LONG,
    "step_type": {"type": "string"},
    "priority": PRIORITY,
}
_LEADS: dict[str, Schema] = {"next_steps": list_of("route", model.MAX_ROUTES)}
_FAILS: dict[str, Schema] = {"on_error": list_of("catch", model.MAX_CODES - 2), "on_timeout": NAME}
_OWNED: dict[str, Schema] = {"assigned_org": {"type": "string"}, "assigned_role": {"type": "string"}}
_SHOWN: dict[str, Schema] = {
    "visible_to": {"anyOf": [*AUDIENCE["anyOf"], {"type": "object", "additionalProperties": AUDIENCE}]}
}
_HELD: dict[str, Schema] = {"hold_on_failure": {"type": "boolean"}}
_DONE: dict[str, Schema] = {**_OWNED, **_SHOWN, **_HELD, "compensate_with": FREE}

_BODIES: dict[str, Schema] = {
    "activity": object_of(
        ["activity_type"],
        activity_type=NAME,
        task_queue=FREE,
        heartbeat_seconds=SECONDS,
        output_mapping=MAPPING,
        result_schema=ANY,
        **_TIMES,
        **_FORM,
        **_INPUTS,
    ),
    "user_task": object_of(
        [],
        task_type=FREE,
        title=FREE,
        description=LONG,
        assignee={"type": "string", "pattern": "^org:"},
        candidate_groups=WORDS,
        due_date_expression=EXPRESSION,
        result_schema=ANY,
        **_TIMES,
        **_FORM,
        **_INPUTS,
    ),
    "decision": object_of([], expression=EXPRESSION, decision_table=ref("table")),
    "timer": object_of([], duration_seconds=SECONDS, until=NAME, cron=NAME, time_zone=FREE),
    "wait": object_of(
        ["event_name"],
        event_name=ref("id"),
        **{"from": AUDIENCE},
        timeout_seconds=SECONDS,
        on_timeout=NAME,
    ),
    "parallel": object_of(
        ["branches"],
        branches=list_of("branch", model.MAX_BRANCHES, least=1),
        completion_type=one_of(*COMPLETION),
        threshold_count=whole(1, model.MAX_BRANCHES),
        on_timeout=NAME,
    ),
    "for_each": object_of(
        ["items", "steps"],
        items=EXPRESSION,
        steps=_FULL["steps"],
        max_concurrency=whole(1, 1000),
        **_TIMES,
        **_INPUTS,
    ),
    "sub_workflow": object_of(
        ["workflow_id"], workflow_id={"type": "string"}, output_mapping=MAPPING, **_TIMES, **_INPUTS
    ),
}
# Where a failure by time-out leads may stand beside the time-out as well as beside the kind.
for _kind in ("activity", "user_task", "decision", "for_each", "sub_workflow"):
    _BODIES[_kind]["properties"]["on_timeout"] = maybe(NAME)

_MORE: dict[str, dict[str, Schema]] = {
    "decision": {**_OWNED, **_SHOWN, **_HELD, **_FAILS},
    "timer": {**_OWNED},
    "wait": {**_OWNED, **_FAILS},
    "parallel": {**_OWNED, **_FAILS},
}
_KINDS: dict[str, Schema] = {
    f"kind_{name}": object_of(
        ["id", "name", "step_type", name], **_STEP, **_LEADS, **_MORE.get(name, {**_DONE, **_FAILS}), **{name: body}
    )
    for name, body in _BODIES.items()
}
# A user task may be nothing but a task for somebody.
_KINDS["kind_user_task"]["required"].remove("user_task")
_KINDS["kind_user_task"]["properties"]["user_task"] = maybe(_BODIES["user_task"])

_PARTS: dict[str, Schema] = {
    "id": {"type": "string", "pattern": f"^[A-Za-z][A-Za-z0-9_-]{{0,{model.MAX_ID - 1}}}$"},
    "participant": object_of(
        ["org_id"],
        org_id=text(model.MAX_ID),
        role=FREE,
        can_terminate={"type": "boolean"},
        need_activity_notifications={"type": "boolean"},
    ),
    "task": object_of(
        ["id", "name", "task_type"],
        id=ref("id"),
        name=NAME,
        description=LONG,
        task_type=one_of(*TASKS),
        parameters=object_of(
            [],
            on_rejected=ORGS,
            activity_type=FREE,
            input=ANY,
            data_schema=ANY,
            encryption_required={"type": "boolean"},
            notification_type=FREE,
            message=LONG,
            requires_acknowledgment={"type": "boolean"},
            **_TALK,
            **_FORM,
            **_SHOWN,
        ),
        priority=PRIORITY,
        **_OWNED,
        **_TIMES,
    ),
    "handler": {
        "type": "object",
        "required": ["step_type"],
        "properties": {"step_type": one_of(*UNDOING), "next_steps": False, "on_error": False, "on_timeout": False},
        "allOf": [ref("step")],
    },
    "route": {
        "anyOf": [
            {"type": "string"},
            object_of(
                ["step"],
                step=NAME,
                outcome={"type": ["string", "boolean", "integer"], "minLength": 1, "maxLength": 64},
                condition=EXPRESSION,
            ),
        ]
    },
    "catch": object_of(["step"], step=NAME, code=FREE),
    "retry_policy": object_of(
        [],
        max_attempts=whole(1, model.MAX_ATTEMPTS),
        initial_interval_seconds=SECONDS,
        max_interval_seconds=SECONDS,
        backoff_coefficient={"type": "number", "minimum": 1, "maximum": 100},
        non_retryable_errors=WORDS,
    ),
    "field": object_of(
        ["id"],
        id=ref("id"),
        name=FREE,
        property_type=one_of(*PROPERTY_TYPES),
        required={"type": "boolean"},
        default_value=ANYTHING,
        validation=object_of(
            [],
            least={"type": ["integer", "string"]},
            most={"type": ["integer", "string"]},
            min_length=whole(0, model.MAX_TEXT),
            max_length=whole(0, model.MAX_TEXT),
            options=list_of({"type": ["string", "integer"]}, MAX_OPTIONS),
        ),
    ),
    "table": object_of(
        ["outputs", "default"],
        input_expression=EXPRESSION,
        columns=list_of({"type": "string", "minLength": 1}, model.MAX_COLUMNS, least=1),
        outputs={**list_of("id", model.MAX_COLUMNS, least=1), "uniqueItems": True},
        hit_policy=one_of(*POLICIES),
        rows=list_of(
            object_of(["input_value", "output_values"], input_value=ANYTHING, output_values=ANYTHING),
            model.MAX_ROWS,
        ),
        default=ANYTHING,
    ),
    "branch": object_of(["id", "steps"], id=ref("id"), name=FREE, steps=_FULL["steps"]),
    "trigger": object_of(
        ["trigger_type"],
        trigger_type=one_of("event", "schedule", "api"),
        topic=NAME,
        condition=EXPRESSION,
        cron=NAME,
        time_zone=FREE,
        input_mapping=MAPPING,
    ),
}
