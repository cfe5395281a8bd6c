"""What a partner's stream answers to a message. It comes from outside: nothing in it is believed or may do harm."""

import msgspec

from tallystick.core.errors import Invalid, Unavailable

_TOO_LARGE = 10054  # JetStream error code: the message exceeds what the stream takes


class _Error(msgspec.Struct):
    description: str = ""
    err_code: int = 0


class _PubAck(msgspec.Struct):
    """Only these fields are read."""

    stream: str = ""
    seq: int = 0
    error: _Error | None = None


def check(data: bytes, *, partner: str, stream: str) -> None:
    """Return when ``stream`` has the message; Invalid when it never will, Unavailable when it has it not now."""
    try:
        answer = msgspec.json.decode(data, type=_PubAck)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Unavailable(f"{partner} answered with something else", code="no_ack") from error
    if answer.error is not None and answer.error.err_code == _TOO_LARGE:
        raise Invalid(f"{partner} takes no message of this size", code="too_large")
    if answer.error is not None:
        raise Unavailable(f"{partner} refused: {answer.error.description[:200]}", code="inbox_full")
    if answer.stream != stream or answer.seq < 1:
        raise Unavailable(f"{partner} acknowledged for another stream", code="no_ack")
