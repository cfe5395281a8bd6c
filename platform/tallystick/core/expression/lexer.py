"""Tokens of expression profile v1 (EXPRESSIONS.md)."""

import re

import msgspec

from tallystick.core.errors import Invalid

MAX_TEXT = 4096  # characters
_PATTERN = re.compile(
    r"""\s*(?:
      (?P<int>\d+)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    | (?P<op>&&|\|\||==|!=|<=|>=|[-+*/%!<>?:.,()\[\]{}])
    )""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}


class ExpressionError(Invalid):
    """An expression that cannot be read or evaluated; ``position`` counts characters, -1 when evaluating."""

    default_code = "bad_expression"

    def __init__(self, detail: str, *, position: int = -1, code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.position = position


class Lexeme(msgspec.Struct, frozen=True):
    """A token: its kind (int, name, string, op, end), its text or value, and where it stands."""

    kind: str
    text: str
    position: int


def lex(text: str) -> list[Lexeme]:
    """All tokens, closed by one of kind ``end``."""
    if len(text) > MAX_TEXT:
        raise ExpressionError(f"expression has more than {MAX_TEXT} characters", position=MAX_TEXT)
    lexemes, position = [], 0
    end = len(text.rstrip())
    while position < end:
        match = _PATTERN.match(text, position)
        if match is None or match.lastgroup is None:
            raise ExpressionError(f"unexpected character at position {position}", position=position)
        kind, found = match.lastgroup, match.group(match.lastgroup)
        lexemes.append(
            Lexeme(kind, _unquoted(found, match.start(kind)) if kind == "string" else found, match.start(kind))
        )
        position = match.end()
    return [*lexemes, Lexeme("end", "", end)]


def _unquoted(text: str, position: int) -> str:
    def replace(match: re.Match[str]) -> str:
        character = _ESCAPES.get(match.group(1))
        if character is None:
            raise ExpressionError(f"unknown escape \\{match.group(1)}", position=position)
        return character

    return re.sub(r"\\(.)", replace, text[1:-1])
