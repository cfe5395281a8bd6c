"""Observers: participants that get the whole record and no value, and do nothing in it."""

from collections.abc import Iterator

from tallystick.core.definition.model import SHARED, CompiledDefinition, DataExchange, Notification, Task, Wait

OBSERVER = "observer"  # the role


def actors(definition: CompiledDefinition) -> set[str]:
    """Everybody to whom the definition, or one within it, gives a step, data, a message or a signal to send."""
    return set(_named(definition))


def _named(definition: CompiledDefinition) -> Iterator[str]:
    for step in definition.steps.values():
        if isinstance(step, Wait):
            yield from step.senders
        if isinstance(step, DataExchange | Notification):
            yield from step.targets
        if isinstance(step, Task):
            yield step.assigned_org
            for audience in (step.visible_to, *step.field_audiences.values()):
                if audience != SHARED:
                    yield from audience
    for inner in definition.definitions.values():
        yield from _named(inner)
