"""What starts executions at the initiator's node: events, schedules, calls of the API."""

from tallystick.core.definition.context import Context
from tallystick.core.definition.cron import cron_line, time_zone
from tallystick.core.definition.faults import at
from tallystick.core.definition.model import MAX_CODES, MAX_NAME, Trigger
from tallystick.core.definition.reading import Members
from tallystick.core.definition.steps import mapping

KINDS = ("event", "schedule", "api")
EVENT = ("event",)  # what triggers' expressions read


def triggers(source: Members, context: Context) -> list[Trigger]:
    """The triggers of a definition, in order."""
    items = source.items("triggers", most=MAX_CODES)
    return [_trigger(Members(item, at("/triggers", index), source.faults), context) for index, item in enumerate(items)]


def is_topic_filter(text: str) -> bool:
    """Whether ``text`` is an MQTT topic filter: ``+`` stands for one level, a last ``#`` for all that follow."""
    levels = text.split("/")
    if not text or "\0" in text or "#" in levels[:-1]:
        return False
    return all(level in {"+", "#"} or not set(level) & {"+", "#"} for level in levels)


def _trigger(members: Members, context: Context) -> Trigger:
    kind = members.choice("trigger_type", KINDS)
    facts: dict[str, object] = {}
    if kind == "event":
        facts["topic"] = members.text("topic", most=MAX_NAME)
        if facts["topic"] and not is_topic_filter(str(facts["topic"])):
            members.fault(
                "topic", "bad_topic", "topic must be an MQTT topic filter", "such as areas/+/alarm or areas/#"
            )
        if members.raw("condition") is not None:
            facts["condition"] = context.expression(members, "condition", "", names=EVENT)
    elif kind == "schedule":
        facts["cron"] = cron_line(members)
        if facts["cron"] is None:
            members.missing("cron")
        facts["time_zone"] = time_zone(members, context.time_zones)
    mapped = mapping(members, "input_mapping", context, "", EVENT)
    members.close()
    return Trigger(trigger_type=kind, input_mapping=mapped, **facts)  # type: ignore[arg-type]  # read by their kind
