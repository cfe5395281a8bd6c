"""Regular expressions in schemas: a subset that every engine reads alike and a backtracking one ends soon with.

Literals, ``.``, ``^``, ``$``, classes, the escapes ``\\d \\D \\w \\W \\s \\S \\t \\n \\r`` and those of punctuation,
groups, ``|``, and the quantifiers ``* + ? {n} {n,} {n,m}`` of single characters. At most two have no fixed count, for
each more multiplies the time by the length of the text. No quantified groups, look-around or references back. The form
is judged here rather than by an engine, whose opinion differs between versions.
"""

import re

MAX_PATTERN = 200
MAX_COUNT = 1000  # of one quantifier
MAX_GROUPS = 20  # in one another
MAX_OPEN = 2
_ESCAPE = r"\\(?:[dDwWsStnr]|[^A-Za-z0-9\s])"
_PLAIN = rf"(?:{_ESCAPE}|[^\\\[\]^&~|-])"
_TOKEN = re.compile(
    rf"""
      (?P<set>\[\^?-?(?:(?P<low>{_PLAIN})(?:-{_PLAIN})?)+-?\])
    | (?P<one>{_ESCAPE}|[^\\\[\](){{}}|*+?^$])
    | (?P<mark>[\^$|])
    | (?P<open>\()
    | (?P<close>\))
    | (?P<many>[*+?]|\{{(?P<least>[0-9]{{1,4}})(?P<comma>,(?P<most>[0-9]{{1,4}})?)?\}})
    """,
    re.VERBOSE | re.DOTALL,
)
_RANGE = re.compile(rf"({_PLAIN})-({_PLAIN})", re.DOTALL)


def is_pattern(text: object) -> bool:
    """Whether ``text`` is a pattern of the subset."""
    if not isinstance(text, str) or len(text) > MAX_PATTERN:
        return False
    position = depth = open_ended = 0
    before = ""
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or not _fits(match, before):
            return False
        depth += {"open": 1, "close": -1}.get(kind := _kind(match), 0)
        open_ended += kind == "many" and not _is_fixed(match)
        if not 0 <= depth <= MAX_GROUPS or open_ended > MAX_OPEN:
            return False
        before, position = kind, match.end()
    return depth == 0


def _kind(match: re.Match[str]) -> str:
    return next(name for name in ("set", "one", "mark", "open", "close", "many") if match.group(name) is not None)


def _fits(match: re.Match[str], before: str) -> bool:
    """Whether a token may follow one of the kind ``before``, and means something."""
    kind = _kind(match)
    if kind == "many":
        least, most = int(match["least"] or 0), int(match["most"] or match["least"] or 0)
        return before in {"one", "set"} and least <= most <= MAX_COUNT
    return kind != "set" or all(map(_is_range, _RANGE.findall(match["set"][1:-1].removeprefix("^").strip("-"))))


def _is_range(ends: tuple[str, str]) -> bool:
    """From one character to one that comes later; a class such as ``\\d`` is no end."""
    low, high = (end[1:] if len(end) > 1 and not end[1].isalpha() else end for end in ends)
    return len(low) == len(high) == 1 and low <= high


def _is_fixed(match: re.Match[str]) -> bool:
    return match["least"] is not None and match["comma"] is None
