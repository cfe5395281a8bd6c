"""How an activity fails: a stable code that a definition's retry policy can name, and a sentence for a person.

A code that waiting may mend is left to the step's ``retry_policy``; the others belong in its ``non_retryable_errors``
(:data:`NOT_RETRYABLE`), because the same call would fail the same way again.
"""

from tallystick.node.work import activities

CODES: dict[str, bool] = {  # code: whether another attempt may succeed
    "invalid_input": False,  # the step's input is not what the activity takes
    "not_allowed": False,  # the organisation's settings do not allow it
    "not_configured": False,  # the organisation has not set up what it needs
    "expression_failed": False,
    "unexpected_status": False,  # the server answered, but not what the step expects
    "bad_answer": False,  # the server's answer cannot be kept
    "too_large": False,
    "server_error": True,  # 5xx, 408, 425 and 429
    "unreachable": True,
    "too_slow": True,
    "broker_refused": False,  # the broker does not accept us
    "broker_unavailable": True,
    "storage_unavailable": True,
}
NOT_RETRYABLE = tuple(code for code, retryable in CODES.items() if not retryable)


class ActivityFailed(activities.ActivityFailed):
    """A built-in activity ended without a result; ``retryable`` tells whether another attempt may succeed."""

    def __init__(self, detail: str, *, code: str, pointer: str | None = None) -> None:
        super().__init__(detail, code=code, pointer=pointer)
        self.retryable = CODES[code]
