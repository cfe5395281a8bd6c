"""Where a reader of tokens stands."""

from tallystick.core.expression.lexer import ExpressionError, Lexeme


class Cursor:
    """Walks over tokens, the last of which is of kind ``end`` and never passed."""

    def __init__(self, lexemes: list[Lexeme]) -> None:
        self._lexemes = lexemes
        self._at = 0

    @property
    def now(self) -> Lexeme:
        """The token that comes next."""
        return self._lexemes[self._at]

    def next(self) -> Lexeme:
        """Take the next token."""
        lexeme = self._lexemes[self._at]
        self._at = min(self._at + 1, len(self._lexemes) - 1)
        return lexeme

    def take(self, text: str) -> bool:
        """Take the operator or bracket ``text`` if it comes next."""
        if not self.now.is_op(text):
            return False
        self.next()
        return True

    def expect(self, text: str) -> None:
        """Take the operator or bracket ``text``, which must come next."""
        if not self.take(text):
            raise self.error(f"{text!r} is expected", self.now)

    def unexpected(self, lexeme: Lexeme) -> ExpressionError:
        """The error of a token that has no place here."""
        return self.error("unexpected end" if lexeme.kind == "end" else f"unexpected {lexeme.text!r}", lexeme)

    @staticmethod
    def error(detail: str, lexeme: Lexeme, code: str | None = None) -> ExpressionError:
        """The error of ``lexeme``, with its position."""
        return ExpressionError(f"{detail} at position {lexeme.position}", position=lexeme.position, code=code)
