"""What the root key has to sign while it is away, and taking its signatures in.

An open token has all of a JWS but the signature. Which statements are wanted follows from the keystore and the logs
(:mod:`.rekeying`) whenever somebody asks, so nothing is stored for those that nobody has signed, and a signature is
judged by what is wanted when it comes: another key, another execution, another body or an older card is refused. One
that is taken is stored, and said in its turn, so that a single trip to the root key brings rotation and revocation.

To take a token, in this order: its form; the signature by our root key; its issuer; what it is for; whether that is
still wanted; its date.
"""

from collections.abc import Callable

import msgspec
from sqlmodel import col, select

from tallystick.core import jws
from tallystick.core import statement as statements
from tallystick.core.engine.state import OPEN
from tallystick.core.errors import Invalid, NotFound, WrongState
from tallystick.core.statement import STATEMENT, Statement
from tallystick.node.record import authoring, rekeying, store
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.unit import Reader, Unit
from tallystick.tenants import card as cards
from tallystick.tenants.card import Card
from tallystick.tenants.models.record import ExecutionRow, RootSignedRow

SKEW_MS = 5 * 60 * 1000  # how far the clock of the machine that signs, or that drafted it, may be ahead
LOOKED_AT = 500  # open executions for one page: each has to be read


class NotWanted(WrongState):
    """A signature for something that is not, or no longer, to be signed."""

    default_code = "not_wanted"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that waits for the root key: its signing input, and what this node knows of its execution."""

    kind: str
    execution: str
    name: str
    since: int
    signing_input: str


def page(reader: Reader, context: Context, after: int, limit: int) -> tuple[list[Wanted], int | None]:
    """What waits in open executions after the numbered one; and the last one looked at, if there may be more."""
    query = (
        select(ExecutionRow)
        .where(col(ExecutionRow.status).in_(OPEN), ExecutionRow.number > after)
        .order_by(col(ExecutionRow.number))
        .limit(LOOKED_AT)
    )
    rows, found = list(reader.exec(query)), []
    for row in rows:
        found += waiting_in(reader, context, row)
        if len(found) >= limit:
            return found, row.number
    return found, rows[-1].number if len(rows) == LOOKED_AT else None


def waiting_in(reader: Reader, context: Context, row: ExecutionRow) -> list[Wanted]:
    """What waits in one execution; nothing while the root key is here."""
    agreement = store.get_agreement(reader, row.agreement_hash)
    if agreement is None or context.keystore.root_key is not None:
        return []
    loaded = Loaded.of_row(row, agreement)
    return [
        Wanted(
            kind=one.kind,
            execution=row.id,
            name=row.name,
            since=_since(context, one),
            signing_input=jws.unsigned(
                context.keystore.root_public, STATEMENT, authoring.unsigned(context, loaded, one.kind, one.body)
            ),
        )
        for one in rekeying.todos(context, loaded)
        if rekeying.is_said(reader, row.number, one.answer_key) is None and not _is_kept(reader, loaded, one)
    ]


def take(unit: Unit, context: Context, token: str) -> Statement:
    """Keep a statement that the root key has signed, to be said in its turn."""
    raw, said = statements.read(token)
    verify(context, raw, said.iss)
    if said.kind not in statements.ROOT_SIGNED:
        raise Invalid("the root key signs rotations and revocations only", code="wrong_kind")
    loaded = store.find(unit, said.execution)
    if loaded is None:
        raise NotFound("there is no such execution here", code="unknown_execution")
    wanted = next((one for one in rekeying.todos(context, loaded) if one.body == said.body), None)
    if wanted is None or said.aud != loaded.row.agreement_hash or said.basis is not None:
        raise NotWanted("this is not, or no longer, wanted in that execution", state=loaded.state.status)
    if _is_kept(unit, loaded, wanted) or rekeying.is_said(unit, loaded.row.number, wanted.answer_key) is not None:
        raise NotWanted("this has been signed already", state="signed", code="already_signed")
    _check_date(context, said.iat)
    unit.put(RootSignedRow, number=loaded.row.number, answer_key=wanted.answer_key, token=token, at=context.now())
    unit.note(rekeying.NOTE, None)
    return said


def read_card(context: Context, token: str, wanted: Callable[[], Card | None]) -> Card:
    """A card that the root key has signed and that is still ``wanted``."""
    card = cards.verify(token)
    verify(context, jws.read(token, cards.TYP), card.id)
    now = wanted()
    if now is None or not cards.says_the_same(card, now):
        raise NotWanted("the card says something else than what is wanted now", state="changed")
    last = context.own_card.card
    if last is not None and card.iat <= last.iat:
        raise NotWanted("the card is not newer than the one that is held", state="stale", code="stale_card")
    _check_date(context, card.iat)
    return card


def verify(context: Context, raw: jws.Token, org_id: str) -> None:
    """See that our root key signed it, and for us."""
    root = context.keystore.root_public
    if raw.kid != root.kid:
        raise Invalid(f"it is signed by key {raw.kid[:16]}, not by root key {root.kid}", code="wrong_root_key")
    jws.verify(raw, root.key)
    if org_id != context.org_id:
        raise Invalid("it is another organisation's", code="wrong_issuer")


def tidy(unit: Unit, limit: int = 1000) -> None:
    """Forget what was signed for executions that have ended since."""
    query = (  # by what was signed, of which there is little: a list of all that has ended would grow with the past
        select(RootSignedRow.number, RootSignedRow.answer_key)
        .join(ExecutionRow, col(ExecutionRow.number) == col(RootSignedRow.number))
        .where(col(ExecutionRow.status).not_in(OPEN))
        .limit(limit)
    )
    for number, answer_key in unit.exec(query):
        unit.delete(RootSignedRow, (number, answer_key))


def _is_kept(reader: Reader, loaded: Loaded, one: rekeying.Todo) -> bool:
    row = reader.get(RootSignedRow, (loaded.row.number, one.answer_key))
    return row is not None and statements.read(row.token)[1].body == one.body


def _check_date(context: Context, iat: int) -> None:
    if iat > context.now() + SKEW_MS:
        raise Invalid("it is dated ahead of this node's clock", code="dated_ahead")


def _since(context: Context, one: rekeying.Todo) -> int:
    """When the order was given."""
    facts = context.keystore.signing_facts
    if one.kind == "rotate_key":
        return facts[-1].made_at
    return next((key.revoked_at or 0 for key in facts if one.answer_key.endswith(key.kid)), 0)
