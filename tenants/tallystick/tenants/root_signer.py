"""What a root key signs, read from the very bytes that it signs, on a machine that trusts nobody's description of them.

A signing input is the first two parts of a compact token. To sign one, in this order: its size and form; its header,
which must name this root key and one of the two types; its payload by the rules of that type; that it is a card of the
root key's organisation, or a rotation or revocation by it, and nothing else. Which key a rotation brings is for a
person to compare: whoever holds the node can ask for one that is not the organisation's.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from tallystick.core import b64, canonical, jws
from tallystick.core import statement as statements
from tallystick.core.engine.keyring import MAX_OVERLAP
from tallystick.core.errors import Invalid
from tallystick.core.keys import key_id
from tallystick.core.statement import STATEMENT, RevokeKey, RotateKey, Statement
from tallystick.tenants import card as cards
from tallystick.tenants.card import Card
from tallystick.tenants.root_key import RootKey

MAX_INPUTS = 10_000  # of one file: every open execution of a large organisation
_NO_SIGNATURE = b64.encode(bytes(64))
_HASH = re.compile(r"[0-9a-f]{64}\Z")
_KID = re.compile(r"[0-9a-f]{16}\Z")


class NotForRoot(Invalid):
    """This root key does not sign that; its detail says why."""

    default_code = "not_for_root"


class ToSign(msgspec.Struct, frozen=True, kw_only=True):
    """A signing input that this root key may sign; ``content`` is what stands in it."""

    signing_input: str
    content: Card | Statement

    @property
    def kind(self) -> str:
        """`card`, `rotate_key` or `revoke_key`."""
        return "card" if isinstance(self.content, Card) else self.content.kind


def read(signing_input: str, root: RootKey) -> ToSign:
    """Read what is to be signed; anything else than this root key signs raises :class:`NotForRoot`."""
    try:
        reader = _READERS.get(_typ(signing_input))
        if reader is None:
            raise NotForRoot("it is neither a card nor a statement")
        return ToSign(signing_input=signing_input, content=reader(signing_input, root))
    except NotForRoot:
        raise
    except Invalid as error:
        raise NotForRoot(str(error)) from error


def sign(one: ToSign, root: RootKey) -> str:
    """The token, once what it says has been shown."""
    return jws.sign_input(root.key, one.signing_input)


def _typ(signing_input: str) -> Any:
    if len(signing_input) > cards.MAX_CARD:
        raise NotForRoot(f"it has more than {cards.MAX_CARD} characters")
    header = canonical.parse(b64.decode(signing_input.partition(".")[0]), max_bytes=1000, max_depth=2)
    return header.get("typ") if isinstance(header, dict) else None


def _card(signing_input: str, root: RootKey) -> Card:
    raw, card = cards.read(f"{signing_input}.{_NO_SIGNATURE}")
    _check(raw.kid == root.key.kid, "it names another key")
    _check(card.id == root.org_id, f"it is a card of {card.id}, not of {root.org_id}")
    _check(card.public_key == root.key.public_hex, "it is a card with another root key")
    return card


def _statement(signing_input: str, root: RootKey) -> Statement:
    raw, said = statements.read(f"{signing_input}.{_NO_SIGNATURE}")
    _check(raw.kid == root.key.kid, "it names another key")
    _check(said.kind in statements.ROOT_SIGNED, "a root key signs rotations and revocations only")
    _check(said.iss == root.org_id, "it is a statement of another organisation")
    _check(said.basis is None, "what a root key signs rests on no head")
    _check(bool(_HASH.match(said.execution) and _HASH.match(said.aud)), "it names no execution")
    if isinstance(said.body, RotateKey):
        _check_rotation(said.body, root)
    elif isinstance(said.body, RevokeKey):
        _check(bool(_KID.match(said.body.kid)), "it names no key")
    return said


def _check_rotation(body: RotateKey, root: RootKey) -> None:
    _check(bool(_HASH.match(body.key.key)), "its key is none")
    _check(key_id(bytes.fromhex(body.key.key)) == body.key.kid, "its key has another id")
    _check(body.key.key != root.key.public_hex, "a root key does not speak in an execution")
    _check(0 <= body.overlap <= MAX_OVERLAP and body.serial > 0, "its numbers are out of bounds")
    sealing = body.sealing_key
    _check(sealing is None or bool(_KID.match(sealing.kid)), "its sealing key has no id")


def _check(holds: bool, rule: str) -> None:
    if not holds:
        raise NotForRoot(rule)


_READERS: dict[Any, Callable[[str, RootKey], Card | Statement]] = {cards.TYP: _card, STATEMENT: _statement}
