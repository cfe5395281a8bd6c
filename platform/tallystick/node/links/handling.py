"""What takes a partner's message in, and what becomes of the message."""

from collections.abc import Awaitable, Callable
from typing import Literal

Verdict = Literal["ack", "nak", "term"] | tuple[Literal["retry"], float]
Handler = Callable[[str, str, bytes], Awaitable[Verdict]]
