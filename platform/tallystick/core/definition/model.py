"""The compiled form: what an agreement carries and the engine runs, one struct for each kind of step.

A member that says nothing is absent (``omit_defaults``), so that a definition has exactly one compiled form. Steps
stand flat by their id; ``block`` says which branch or loop body a step belongs to, and routes never leave it.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

MAX_ID, MAX_NAME, MAX_TEXT = 64, 200, 4000
MAX_PARTICIPANTS, MAX_STEPS, MAX_ROUTES, MAX_FIELDS = 50, 200, 50, 100
MAX_REMINDERS, MAX_ATTEMPTS, MAX_CODES = 10, 100, 50
MAX_BRANCHES, MAX_ITEMS, MAX_NESTING = 50, 10_000, 5
MAX_ROWS, MAX_COLUMNS = 200, 20
TEN_YEARS = 315_360_000  # seconds
SHARED = "shared"

Id = Annotated[str, Meta(pattern=rf"^[A-Za-z][A-Za-z0-9_-]{{0,{MAX_ID - 1}}}\Z")]
Org = Annotated[str, Meta(min_length=1, max_length=MAX_ID)]
Name = Annotated[str, Meta(max_length=MAX_NAME)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Expression = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
Seconds = Annotated[int, Meta(ge=1, le=TEN_YEARS)]
Orgs = Annotated[list[Org], Meta(max_length=MAX_PARTICIPANTS)]
Audience = Literal["shared"] | Orgs
Mapping = Annotated[dict[Id, Expression], Meta(max_length=MAX_FIELDS)]
Schema = dict[str, Any]


class _Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """No member but these."""


class Route(_Form, frozen=True, kw_only=True):
    """Where a step leads; without an outcome it is taken when no other route fits."""

    step: Id
    outcome: str | None = None


class Catch(_Form, frozen=True, kw_only=True):
    """Where a failure leads that no retry mended; without a code any failure (``timed_out`` among them)."""

    step: Id
    code: Name | None = None


class RetryPolicy(_Form, frozen=True, kw_only=True):
    """When a failed attempt is made again; ``backoff_percent`` 200 doubles each wait."""

    max_attempts: Annotated[int, Meta(ge=1, le=MAX_ATTEMPTS)] = 1
    initial_interval_seconds: Seconds = 1
    max_interval_seconds: Seconds = 3600
    backoff_percent: Annotated[int, Meta(ge=100, le=10_000)] = 200
    non_retryable_errors: Annotated[list[Name], Meta(max_length=MAX_CODES)] = []


class Validation(_Form, frozen=True, kw_only=True):
    """Bounds of a field's value; ``least`` and ``most`` are integers or decimal strings, as the field's type has it."""

    least: int | str | None = None
    most: int | str | None = None
    min_length: int | None = None
    max_length: int | None = None
    options: list[str | int] = []


class Field(_Form, frozen=True, kw_only=True):
    """A field of a form."""

    id: Id
    name: Name
    property_type: Literal["string", "integer", "boolean", "decimal", "date", "file", "object"] = "string"
    required: bool = False
    default_value: Any = None
    validation: Validation | None = None


class Row(_Form, frozen=True, kw_only=True):
    """One rule of a decision table: a value for each column (null: any), and a value for each output."""

    input_value: list[Any]
    output_values: list[Any]


class Table(_Form, frozen=True, kw_only=True):
    """A decision table.

    ``columns`` are expressions; a cell matches when it equals the column's value. ``hit_policy`` ``unique`` fails when
    several rows match, ``first`` takes the first, ``collect`` answers with a list for each output. ``default`` holds
    the outputs when no row matches. The outputs are the decision's data; the first one is its outcome (for
    ``collect``, the number of rows that matched).
    """

    columns: Annotated[list[Expression], Meta(min_length=1, max_length=MAX_COLUMNS)]
    outputs: Annotated[list[Id], Meta(min_length=1, max_length=MAX_COLUMNS)]
    rows: Annotated[list[Row], Meta(max_length=MAX_ROWS)]
    default: list[Any]
    hit_policy: Literal["unique", "first", "collect"] = "unique"


class Branch(_Form, frozen=True, kw_only=True):
    """A branch of a parallel step: it begins with ``start`` and ends where a step has no route."""

    id: Id
    start: Id
    name: Name = ""


class Step(_Form, frozen=True, kw_only=True):
    """What every step has. ``block`` is "" at the top, ``<parallel>/<branch>`` or the id of a for-each inside one.

    ``catches`` are tried in order. ``hold_on_failure``: a failure that nothing catches suspends the execution until
    somebody retries the step, cancels or terminates.
    """

    id: Id
    name: Name
    description: Text = ""
    block: str = ""
    next_steps: Annotated[list[Route], Meta(max_length=MAX_ROUTES)] = []
    catches: Annotated[list[Catch], Meta(max_length=MAX_CODES)] = []
    priority: Literal["low", "normal", "high", "critical"] = "normal"


class Begin(Step, frozen=True, kw_only=True, tag_field="step_type", tag="begin"):
    """``initialize_collaboration``."""


class End(Step, frozen=True, kw_only=True, tag_field="step_type", tag="end"):
    """Closes the execution as completed, with ``result`` as its outcome."""

    result: Literal["completed", "rejected"] = "completed"


class Task(Step, frozen=True, kw_only=True):
    """A step that an organisation does. Times in seconds from the assignment.

    ``visible_to`` is the audience of its data, ``field_audiences`` that of single properties. ``compensate_with``
    names the handler that undoes the step; a handler has ``compensates`` set, no routes, and no route leads to it.
    """

    assigned_org: Org
    timeout_seconds: Seconds | None = None
    reminder_seconds: Annotated[list[Seconds], Meta(max_length=MAX_REMINDERS)] = []
    retry_policy: RetryPolicy = RetryPolicy()
    visible_to: Audience = "shared"
    field_audiences: dict[Id, Audience] = {}
    input: dict[str, Any] = {}
    input_mapping: Mapping = {}
    output_mapping: Mapping = {}
    result_schema: Schema | None = None
    form: Annotated[list[Field], Meta(max_length=MAX_FIELDS)] = []
    hold_on_failure: bool = False
    compensate_with: Id | None = None
    compensates: bool = False


class Activity(Task, frozen=True, kw_only=True, tag_field="step_type", tag="activity"):
    """Work by a registered function, by an external worker of ``task_queue``, or by people where neither is known."""

    activity_type: Name
    task_queue: Name | None = None
    heartbeat_seconds: Seconds | None = None


class UserTask(Task, frozen=True, kw_only=True, tag_field="step_type", tag="user_task"):
    """Work by people. ``due_date``: an expression for seconds, or an RFC 3339 instant, that its organisation states."""

    candidate_groups: Annotated[list[Name], Meta(max_length=MAX_CODES)] = []
    due_date: Expression | None = None


class DataExchange(Task, frozen=True, kw_only=True, tag_field="step_type", tag="data_exchange"):
    """Data to the targets, done when each has confirmed it."""

    targets: Orgs
    data_schema: Schema | None = None
    encryption_required: bool = True


class Notification(Task, frozen=True, kw_only=True, tag_field="step_type", tag="notification"):
    """A message to the targets; its text stands here."""

    targets: Orgs
    notification_type: Name = "direct_message"
    message: Text
    requires_acknowledgment: bool = False


class Decision(Task, frozen=True, kw_only=True, tag_field="step_type", tag="decision"):
    """An outcome by an expression or a table, stated by the organisation and recomputed by whoever sees the values."""

    expression: Expression | None = None
    table: Table | None = None


class ForEach(Task, frozen=True, kw_only=True, tag_field="step_type", tag="for_each"):
    """The body once for each element of a list, which ``assigned_org`` reads and whose length it states.

    The body begins with ``body``; its expressions read ``item`` and ``index`` (from 0). ``max_concurrency`` bodies run
    at once.
    """

    items: Expression
    body: Id
    max_concurrency: Annotated[int, Meta(ge=1, le=1000)] = 10


class SubWorkflow(Task, frozen=True, kw_only=True, tag_field="step_type", tag="sub_workflow"):
    """A child execution of ``definition`` (of :attr:`CompiledDefinition.definitions`); its organisation coordinates."""

    definition: Id


class Timer(Step, frozen=True, kw_only=True, tag_field="step_type", tag="timer"):
    """Exactly one of: a duration; an instant (milliseconds since 1970, UTC); a cron line and its IANA time zone.

    What is due by cron the coordinator computes and states (``schedule``).
    """

    duration_seconds: Seconds | None = None
    until: int | None = None
    cron: Name | None = None
    time_zone: Name | None = None


class Wait(Step, frozen=True, kw_only=True, tag_field="step_type", tag="wait"):
    """Until a signal of that name has come from one of ``senders`` (all, when empty); at most ``timeout_seconds``."""

    event_name: Id
    senders: Orgs = []
    timeout_seconds: Seconds | None = None


class Parallel(Step, frozen=True, kw_only=True, tag_field="step_type", tag="parallel"):
    """Branches at once; complete when ``threshold`` of them are, and then the others are withdrawn.

    ``all_branches`` is a threshold of all, ``any_branch`` of one. It fails when the threshold can no longer be reached.
    """

    branches: Annotated[list[Branch], Meta(min_length=1, max_length=MAX_BRANCHES)]
    threshold: Annotated[int, Meta(ge=1, le=MAX_BRANCHES)]


AnyStep = (
    Begin
    | End
    | Activity
    | UserTask
    | DataExchange
    | Notification
    | Decision
    | ForEach
    | SubWorkflow
    | Timer
    | Wait
    | Parallel
)


class Trigger(_Form, frozen=True, kw_only=True):
    """What starts an execution at the initiator's node: nothing here affects legality."""

    trigger_type: Literal["event", "schedule", "api"]
    topic: Name | None = None  # event: an MQTT topic filter
    condition: Expression | None = None  # event: over ``event.topic`` and ``event.payload``
    cron: Name | None = None  # schedule
    time_zone: Name | None = None
    input_mapping: Mapping = {}


class CompiledDefinition(_Form, frozen=True, kw_only=True):
    """The whole definition; ``steps`` by their id, ``definitions`` those of its sub-workflows by theirs."""

    v: Literal[1]
    id: Id
    name: Name
    participants: Annotated[list[Org], Meta(min_length=1, max_length=MAX_PARTICIPANTS)]
    # The compilers add the system's steps, and a decision to every approval and every step with conditions.
    steps: Annotated[dict[Id, AnyStep], Meta(max_length=2 * MAX_STEPS + 3)]
    start: Id = "initialize_collaboration"
    description: Text = ""
    version: Name = "1"
    source_form: Literal["short", "full"] = "full"
    metadata: dict[str, Any] = {}
    input_schema: Schema | None = None
    triggers: Annotated[list[Trigger], Meta(max_length=MAX_CODES)] = []
    definitions: Annotated[dict[Id, "CompiledDefinition"], Meta(max_length=MAX_STEPS)] = {}
