"""Tokens of expression profile v1 (EXPRESSIONS.md, Text)."""

import re

import msgspec

from tallystick.core.errors import Invalid

MAX_TEXT = 4096  # characters: a page of conditions; what needs more is a decision table
_SPACE = re.compile(r"[ \t\n\f\r]*")
_TOKEN = re.compile(
    r"""
      (?P<int>[0-9]+)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<string>"(?:[^"\\\n\r]|\\[^\n\r])*"|'(?:[^'\\\n\r]|\\[^\n\r])*')
    | (?P<op>&&|\|\||==|!=|<=|>=|[-+*/%!<>?:.,()\[\]{}])
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}


class ExpressionError(Invalid):
    """An expression that cannot be read or evaluated; ``position`` counts characters, -1 when evaluating."""

    default_code = "bad_expression"

    def __init__(self, detail: str, *, position: int = -1, code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.position = position


class Lexeme(msgspec.Struct, frozen=True):
    """A token: its kind (int, name, string, op, end), its text (a string's value), and where it stands."""

    kind: str
    text: str
    position: int

    def is_op(self, *texts: str) -> bool:
        """Whether it is one of these operators or brackets; a string that looks like one is not."""
        return self.kind == "op" and self.text in texts


def lex(text: str) -> list[Lexeme]:
    """All tokens, closed by one of kind ``end``."""
    _check_text(text)
    lexemes: list[Lexeme] = []
    position = _skip(text, 0)
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise ExpressionError(f"unexpected character at position {position}", position=position)
        kind, found = match.lastgroup, match.group()
        lexemes.append(Lexeme(kind, _unquoted(found, position) if kind == "string" else found, position))
        position = _skip(text, match.end())
    return [*lexemes, Lexeme("end", "", len(text))]


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _check_text(text: str) -> None:
    if len(text) > MAX_TEXT:
        raise ExpressionError(f"expression has more than {MAX_TEXT} characters", position=MAX_TEXT)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ExpressionError("expression holds a lone surrogate", position=error.start) from error


def _unquoted(text: str, position: int) -> str:
    """The value of a string literal."""

    def replace(match: re.Match[str]) -> str:
        escape = match.group(1)
        character = chr(int(escape[1:], 16)) if len(escape) > 1 else _ESCAPES.get(escape)
        if character is None or "\ud800" <= character <= "\udfff":
            raise ExpressionError(f"unknown escape \\{escape}", position=position + match.start() + 1)
        return character

    return _ESCAPE.sub(replace, text[1:-1])
