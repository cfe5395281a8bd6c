"""Log lines that nobody outside can forge: what came from a partner stands in one line, its control characters shown.

Messages quote what others sent. A line feed in it would begin a line of its own, which a reader takes for this node's;
an escape sequence would colour or clear an operator's terminal; a direction override would reorder the line.
"""

import logging

FORM = "%(asctime)s %(levelname)s %(name)s %(message)s"
MAX_LINE = 4_000  # characters: a partner's message may hold 900,000, and each could be logged
_INDENT = "    | "  # before every further line, as of a traceback: none begins as a line of the log does


class OneLine(logging.Formatter):
    """The lines of a record, the first one of which alone begins without an indent."""

    def __init__(self) -> None:
        super().__init__(FORM)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """One line."""
        return shown(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        """The line, and those of a traceback behind it."""
        first, *others = super().format(record).split("\n")
        return "\n".join([first, *(_INDENT + shown(line) for line in others)])


def set_up(level: str) -> None:
    """Log to standard error from ``level`` on."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine())
    logging.basicConfig(level=level.upper(), handlers=[handler])


def shown(text: str) -> str:
    """``text``, or its beginning, with characters that do not print written as escapes."""
    if len(text) > MAX_LINE:
        text = f"{text[:MAX_LINE]}… ({len(text)} characters)"
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)
