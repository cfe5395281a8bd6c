"""What happens in a simulation: the input, and for each step what is answered at each visit.

A document of this form, JSON or YAML, of which every part may be absent::

    input: {total: "120.00"}
    steps:
      credit_check: {limit: 500}                  # the data of every visit
      deliver:                                    # or of one visit after the other; the last one stays
        - {$fail: no_driver}
        - {$timeout: true}
        - {signed_by: Li}
      arrival: {$data: {damaged: true}}           # a wait: what the signal brings; {$timeout: true}: no signal comes
      weigh: {$result: {reading: {value: "3"}}}   # what a worker answers, before output_mapping
    definitions:
      delivery-by-carrier: {steps: {…}}           # the same for a sub-workflow
"""

from typing import Any, NamedTuple

from tallystick.core.definition.faults import suggestion
from tallystick.core.definition.model import CompiledDefinition
from tallystick.core.errors import Invalid

FAIL, TIMEOUT, CANCEL, DATA, RESULT = "$fail", "$timeout", "$cancel", "$data", "$result"
MARKS = (FAIL, TIMEOUT, CANCEL, DATA, RESULT)


class Reply(NamedTuple):
    """One answer; without data or result the simulation thinks of some."""

    fail: str | None = None
    is_timeout: bool = False
    is_cancel: bool = False
    data: dict[str, Any] | None = None
    result: dict[str, Any] | None = None


class Script:
    """The replies to come, by step; each visit takes the next one, and the last one stays."""

    def __init__(self, document: Any, definition: CompiledDefinition) -> None:
        given = _object(document, "answers")
        _known(given, ("input", "steps", "definitions"), "member")
        steps, within = _object(given.get("steps"), "steps"), _object(given.get("definitions"), "definitions")
        _known(steps, definition.steps, "step")
        _known(within, definition.definitions, "definition")
        self.input = None if given.get("input") is None else _object(given["input"], "input")
        self._inner = within
        self._replies = {name: [_reply(one, name) for one in _list(value)] for name, value in steps.items()}

    def inner(self, definition: CompiledDefinition) -> "Script":
        """What happens in a sub-workflow."""
        return Script(self._inner.get(definition.id), definition)

    def peek(self, step: str) -> Reply:
        """The reply to the next visit."""
        replies = self._replies.get(step)
        return replies[0] if replies else Reply()

    def take(self, step: str) -> Reply:
        """The same, which is used up by it."""
        reply = self.peek(step)
        if len(self._replies.get(step, ())) > 1:
            self._replies[step].pop(0)
        return reply


def _reply(value: Any, step: str) -> Reply:
    given = _object(value, f"steps.{step}")
    if not any(name.startswith("$") for name in given):
        return Reply(data=given) if given else Reply()
    _known(given, MARKS, "answer")
    fail = given.get(FAIL)
    if fail is not None and (not isinstance(fail, str) or not fail):
        raise Invalid(f"answers: {FAIL} of {step} is the code of a failure", code="bad_answers")
    return Reply(
        fail,
        given.get(TIMEOUT) is True,
        given.get(CANCEL) is True,
        _object(given[DATA], f"steps.{step}") if DATA in given else None,
        _object(given[RESULT], f"steps.{step}") if RESULT in given else None,
    )


def _known(given: dict[str, Any], names: Any, what: str) -> None:
    for name in given:
        if name not in names:
            hint = suggestion(name, names) or f"there are {', '.join(names)}"
            raise Invalid(f"answers: there is no {what} {name[:80]}; {hint}", code="bad_answers")


def _object(value: Any, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Invalid(f"answers: {where} must be an object", code="bad_answers")
    return value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
