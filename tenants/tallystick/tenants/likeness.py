"""Whether two organisations' names, ids or domains look alike to a person who is about to trust one of them.

Ids are ASCII and unique here, but ``nord1c`` reads like ``nordic``, and anybody may call itself what somebody else is
called. The fingerprint decides; this only says where to look twice. Unicode Technical Report 39 knows thousands of such
pairs; here are the Cyrillic and Greek letters that common fonts draw as Latin ones, and the digits that pass for
letters.
"""

import unicodedata
from collections.abc import Iterable

from tallystick.tenants.card import Card

_LETTERS = str.maketrans({
    "0": "o", "1": "l", "i": "l", "|": "l", "5": "s", "8": "b",
    "а": "a", "в": "b", "с": "c", "ԁ": "d", "е": "e", "һ": "h", "н": "h", "і": "l", "ј": "j", "к": "k", "м": "m",
    "о": "o", "р": "p", "ѕ": "s", "т": "t", "ѵ": "v", "х": "x", "у": "y", "ӏ": "l",
    "α": "a", "β": "b", "ε": "e", "η": "n", "ι": "l", "κ": "k", "ν": "v", "ο": "o", "ρ": "p", "τ": "t", "υ": "u",
    "χ": "x", "ı": "l", "ɡ": "g",
})  # fmt: skip
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))


def skeleton(text: str) -> str:
    """What is left of ``text`` when all that is easily overlooked is gone; alike texts leave the same."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    letters = "".join(one for one in plain.translate(_LETTERS) if one.isalnum())
    for pair, one in _PAIRS:
        letters = letters.replace(pair, one)
    return letters


def alike(card: Card, others: Iterable[Card]) -> list[str]:
    """The ids of ``others`` with which ``card`` could be mixed up, in order."""
    mine = _words(card)
    return sorted(one.id for one in others if one.id != card.id and mine & _words(one))


def _words(card: Card) -> set[str]:
    return {word for word in map(skeleton, (card.id, card.domain, card.name, *card.names.values())) if word}
