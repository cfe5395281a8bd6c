"""The card that our root key signed last: what partners may know of us, and which of our keys they know us by."""

from pathlib import Path

from tallystick.core.errors import Invalid
from tallystick.tenants import card as cards
from tallystick.tenants.card import Card
from tallystick.tenants.files import read_private, write_private

CARD_FILE = "card.jwt"


class OwnCard:
    """It stands in a file of the data folder; without a ``path`` it is only held in memory."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._token: str | None = None

    @property
    def token(self) -> str | None:
        """The card as it was signed; one that cannot be read any more is none, and is made anew with a later date."""
        if self._token is None and self._path is not None:
            self._token = _read(self._path)
        return self._token

    @property
    def card(self) -> Card | None:
        """What it says."""
        return cards.verified(self.token) if self.token else None

    def keep(self, token: str) -> None:
        """Hold a newer one, on disk before anybody sees it."""
        if self._path is not None:
            write_private(self._path, token.encode())
        self._token = token

    def names(self, kid: str) -> bool:
        """Whether partners who have it take what the key signs for ours."""
        return self.card is not None and any(one.kid == kid for one in self.card.signing_keys)


def _read(path: Path) -> str | None:
    try:
        token = read_private(path, max_bytes=cards.MAX_CARD).decode()
        cards.verify(token)
    except (FileNotFoundError, UnicodeDecodeError, Invalid):
        return None
    return token
