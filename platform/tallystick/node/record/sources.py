"""Definitions as they were written, which travel beside agreements for those who would change them.

What everyone signs is the compiled form. A source is worth something only when it compiles to exactly that.
"""

from typing import Any

from tallystick.core import canonical
from tallystick.core.definition.compile import compile_definition
from tallystick.core.errors import Invalid
from tallystick.node.record.messages import AgreementMessage

MAX_SOURCE = 300_000  # bytes: beside an agreement of at most some 500,000 in one message of 900,000


def small(source: dict[str, Any] | None) -> dict[str, Any] | None:
    """The source, where it fits into the agreement's message."""
    return source if source is not None and len(canonical.encode(source)) <= MAX_SOURCE else None


def checked(message: AgreementMessage) -> dict[str, Any] | None:
    """The source that a partner sent, if it is that of the agreement's definition."""
    source = small(message.source)
    if source is None:
        return None
    try:
        compiled = compile_definition(source)
    except Invalid:
        return None
    definition = message.agreement.get("definition")
    return source if canonical.encode(compiled) == canonical.encode(definition) else None
