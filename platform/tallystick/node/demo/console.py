"""Progress and tables on a terminal; plain text where it is none."""

import os
import sys
import time
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TextIO

RESET, BOLD, DIM, RED, GREEN, YELLOW = "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m"
COLOURS = ("\x1b[36m", "\x1b[35m", "\x1b[34m")
STATUS = {"PASS": GREEN, "FAIL": RED, "INDETERMINATE": YELLOW}


class Console:
    """Writes to `stream`, line by line, with the seconds since it was made before each line of progress."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._colour = self._stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        self._began = time.monotonic()
        self._voices: dict[str, str] = {}
        reconfigure = getattr(self._stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="replace")  # a terminal without UTF-8 shows question marks, and the demo goes on

    @property
    def elapsed(self) -> float:
        """Seconds since the console was made."""
        return time.monotonic() - self._began

    def line(self, text: str = "") -> None:
        self._stream.write(text + "\n")
        self._stream.flush()

    def title(self, text: str) -> None:
        """A section's heading."""
        self.line()
        self.line(self.paint(BOLD, text))

    def say(self, who: str, text: str) -> None:
        """One line of progress, each speaker in a colour of its own."""
        voice = self._voices.setdefault(who, COLOURS[len(self._voices) % len(COLOURS)])
        self.line(f"{self.paint(DIM, f'{self.elapsed:6.1f}s')}  {self.paint(voice, pad(who, 18))} {text}")

    def note(self, text: str) -> None:
        """Something the reader should know."""
        self.line(self.paint(YELLOW, f"note: {text}"))

    def table(self, rows: Iterable[Sequence[object]], *, indent: int = 2) -> None:
        """Rows in columns; a cell that is a verdict is coloured."""
        cells = [[str(cell) for cell in row] for row in rows]
        if not cells:
            return
        widths = [max(width(row[column]) for row in cells) for column in range(len(cells[0]))]
        for row in cells:
            padded = [self._cell(cell, wide) for cell, wide in zip(row, widths, strict=True)]
            self.line((" " * indent + "  ".join(padded)).rstrip())

    def _cell(self, text: str, wide: int) -> str:
        return self.paint(STATUS[text], pad(text, wide)) if text in STATUS else pad(text, wide)

    def paint(self, colour: str, text: str) -> str:
        return f"{colour}{text}{RESET}" if self._colour else text


def width(text: str) -> int:
    """Columns that `text` takes on a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def pad(text: str, wide: int) -> str:
    """`text` filled with spaces to `wide` columns."""
    return text + " " * (wide - width(text))
