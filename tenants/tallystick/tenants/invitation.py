"""Invitations and answers: the two signed tokens by which organisations exchange their cards.

::

    invitation  {v, iss, iat, exp, nonce, card}         by a key that the inviter's card names
    answer      {v, iss, iat, invitation, card}         by a key that the invited one's card names

Both hold public keys only: each side makes its own nkey and certificate authority, and its card names the public half.
An invitation's name is the SHA-256 of its token. Its nonce makes that unguessable, so whoever can name one has seen
it; that the right one has seen it is what the fingerprint shows (:mod:`tallystick.tenants.fingerprint`).

To open one, in this order: size, form and type of the token; version and fields; the card, by its own rules; the
signature by a signing key that the card names, or by its root key; dates.

What is believed of an organisation stands in its card, which its root key has signed; the token around it shows only
that the sender holds a key that the card names. So whoever steals a signing key, and not the root, can bring the true
card about: use up an invitation that fell into their hands, or invite in the organisation's name. Neither gives them
a link: the card names the organisation's own address, nkey and authority, the answer goes there, and nobody is a
partner before the administrators have compared a fingerprint of both root keys. What they could bring is an *older*
card, which names a key that has been revoked since; its owner finds its invitation used up by somebody else, does not
read the digits out, and any newer card that comes over a link replaces it.
"""

import hashlib
import os
import re
from typing import Any, TypeVar

import msgspec

from tallystick.core import b64, jws
from tallystick.core.errors import Invalid, UnknownVersion
from tallystick.core.keys import SigningKey, key_id
from tallystick.tenants import card as cards
from tallystick.tenants.card import Card

VERSION = 1
INVITATION = "tally-invitation+jwt"
ANSWER = "tally-answer+jwt"
MAX_TOKEN = 100_000  # characters: the largest card, encoded a second time, and a few members
HOUR_MS = 60 * 60 * 1000
MAX_HOURS = 30 * 24  # an invitation that lies about for longer has been forgotten
SKEW_MS = 5 * 60 * 1000  # how far the other organisation's clock may be ahead
_NAME = re.compile(r"[0-9a-f]{64}\Z")
_NONCE_BYTES = 16


class BadInvitation(Invalid):
    """An invitation or answer breaks its form; what is wrong stands in its detail."""

    default_code = "bad_invitation"


class InvitationExpired(Invalid):
    """The invitation is no longer good (``expired_at``, milliseconds since 1970)."""

    default_code = "invitation_expired"

    def __init__(self, expired_at: int) -> None:
        super().__init__("the invitation has expired; ask for a new one")
        self.expired_at = expired_at


class Invitation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``iat`` and ``exp`` in milliseconds since 1970; ``card`` is the inviter's signed card."""

    v: int
    iss: str
    iat: int
    exp: int
    nonce: str
    card: str


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``invitation`` is the name of the one that is answered; ``card`` is the answering organisation's."""

    v: int
    iss: str
    iat: int
    invitation: str
    card: str


Form = TypeVar("Form", Invitation, Answer)


def invite(key: SigningKey, card: str, *, org_id: str, now: int, hours: int) -> str:
    """An invitation by the organisation whose card this is; the card names the key."""
    if not 1 <= hours <= MAX_HOURS:
        raise Invalid(f"an invitation lasts 1 to {MAX_HOURS} hours", code="bad_lifetime", pointer="/hours")
    nonce = b64.encode(os.urandom(_NONCE_BYTES))
    made = Invitation(v=VERSION, iss=org_id, iat=now, exp=now + hours * HOUR_MS, nonce=nonce, card=card)
    return jws.sign(key, INVITATION, msgspec.to_builtins(made))


def answer(key: SigningKey, card: str, *, org_id: str, now: int, invitation: str) -> str:
    """The answer to the invitation of that name."""
    made = Answer(v=VERSION, iss=org_id, iat=now, invitation=invitation, card=card)
    return jws.sign(key, ANSWER, msgspec.to_builtins(made))


def name_of(token: str) -> str:
    """An invitation's name: SHA-256 of its token, hex."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def open_invitation(token: str, now: int) -> tuple[Invitation, Card]:
    """The invitation in ``token`` and the inviter's card; raises :class:`Invalid` for anything that does not hold."""
    made, card = _open(token, INVITATION, Invitation)
    if made.iat > now + SKEW_MS:
        raise BadInvitation("the invitation is dated ahead of this organisation's clock", code="dated_ahead")
    if not made.iat < made.exp <= made.iat + MAX_HOURS * HOUR_MS:
        raise BadInvitation("the invitation's lifetime is out of bounds", pointer="/exp")
    if made.exp <= now:
        raise InvitationExpired(made.exp)
    return made, card


def open_answer(token: str) -> tuple[Answer, Card]:
    """The answer in ``token`` and the card that came with it; whether its invitation is good is for the caller."""
    made, card = _open(token, ANSWER, Answer)
    if not _NAME.match(made.invitation):
        raise BadInvitation("the answer names no invitation", pointer="/invitation")
    return made, card


def peek(token: str) -> str:
    """The name of the invitation that an answer says it answers, before anything about it has been checked."""
    _check_size(token)
    named = jws.peek(token).get("invitation")
    return named if isinstance(named, str) else ""


def _check_size(token: str) -> None:
    if len(token) > MAX_TOKEN:
        raise BadInvitation(f"it has at most {MAX_TOKEN} characters", code="too_large")


def _open(token: str, typ: str, form: type[Form]) -> tuple[Form, Card]:
    _check_size(token)
    read = jws.read(token, typ)
    made = _fields(read.payload, form)
    card = cards.verify(made.card)
    if made.iss != card.id:
        raise BadInvitation("it is by another organisation than its card", pointer="/iss")
    speaking = {
        key_id(bytes.fromhex(card.public_key)): card.public_key,
        **{one.kid: one.key for one in card.signing_keys},
    }
    if read.kid not in speaking:
        raise BadInvitation("it is signed by a key that its card does not name", code="bad_signature")
    jws.verify(read, speaking[read.kid])
    return made, card


def _fields(payload: dict[str, Any], form: type[Form]) -> Form:
    if payload.get("v") != VERSION:
        raise UnknownVersion("it has a version that is not known here")
    try:
        return msgspec.convert(payload, form)
    except msgspec.ValidationError as error:
        raise BadInvitation(str(error)) from error
