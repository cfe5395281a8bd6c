"""A refusal of one of our statements: only the coordinator, who would sequence it, can say that it will not.

A refusal of an agreement of ours: under the keys that it names, or those of its sender's card.
"""

from pathlib import Path

import msgspec
import pytest
from sqlmodel import select

from node.work.test_keys import Desk, card, desk, partner, signal
from support.parties import BUYER, CARRIER, NOON
from tallystick.core import jws, statement
from tallystick.core.head import Refusal, sign_refusal
from tallystick.core.statement import REFUSAL
from tallystick.node.record import messages as m
from tallystick.node.record.refusing import NO_EXECUTION
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.models.record import StatementRow

__all__ = ["desk", "partner"]


def by(desk: Desk, org: str, token: str, code: str) -> m.RefusalMessage:
    """The refusal of a statement, signed by any participant."""
    said = msgspec.convert(jws.read(desk.refusal(token, code).token, REFUSAL).payload, Refusal)
    return m.RefusalMessage(token=sign_refusal(desk.parties.keys[org], msgspec.structs.replace(said, iss=org)))


def standing(desk: Desk, token: str) -> StatementRow:
    name = statement.read(token)[1].id
    with desk.database.session() as session:
        return session.exec(select(StatementRow).where(StatementRow.id == name)).one()


@pytest.mark.parametrize("code", ["not_now", "key_retired", "key_revoked"])
async def test_who_does_not_coordinate_ends_no_wait_for_the_coordinator(desk: Desk, code: str) -> None:
    """Otherwise one who colludes with the coordinator could keep our statement from going to everybody."""
    token = await signal(desk)
    due = standing(desk, token).due_at
    assert due is not None
    await desk.give(by(desk, CARRIER, token, code), CARRIER)
    row = standing(desk, token)
    assert (row.due_at, row.refusal) == (due, None)
    await desk.give(by(desk, BUYER, token, code), BUYER)
    row = standing(desk, token)
    assert (row.due_at, row.refusal) == (None, f"{code}: ")


def of_agreement(desk: Desk, keystore: Keystore) -> m.RefusalMessage:
    """The buyer refuses the agreement, under the newest key of this keystore."""
    body = Refusal(
        v=1,
        iss=BUYER,
        aud=desk.parties.hash,
        execution=NO_EXECUTION,
        statement_id=desk.parties.hash,
        code="wrong_key",
        detail="",
        iat=NOON,
    )
    return m.RefusalMessage(token=sign_refusal(keystore.signing_key, body))


async def test_an_agreement_may_be_refused_under_a_key_that_it_does_not_name(
    desk: Desk, partner: Keystore, tmp_path: Path
) -> None:
    """That may be the very reason for which it is refused."""
    await desk.give(of_agreement(desk, partner))
    assert desk.reasons() == [], "its card here has the key"
    partner.rotate(overlap=0, sealing=False, now=NOON)
    await desk.give(of_agreement(desk, partner))
    assert desk.standing() == {("wait", "unknown_key")}, "the card that has it is under way"
    await desk.give(m.CardMessage(token=card(partner, tmp_path / "a", issued_at=3_000)))
    now = NOON + 10**6 + 60_000
    desk.context.now = lambda: now
    await desk.inbox.retry_waiting(anyway=True)
    assert desk.standing() == set()


async def test_an_agreement_is_not_refused_under_a_key_that_was_revoked_or_is_another_s(
    desk: Desk, partner: Keystore, tmp_path: Path
) -> None:
    """By what its card says, whether the key is in the agreement or not."""
    said, old = of_agreement(desk, partner), partner.signing_key.kid
    partner.rotate(overlap=0, sealing=False, now=NOON)
    partner.revoke(old, reason="compromised", since=None, now=NOON)
    await desk.give(m.CardMessage(token=card(partner, tmp_path / "a", issued_at=3_000)))
    await desk.give(said)
    assert desk.standing() == {("reject", "key_revoked")}
    forged = msgspec.convert(jws.read(said.token, REFUSAL).payload, Refusal)
    await desk.give(m.RefusalMessage(token=sign_refusal(desk.parties.keys[CARRIER], forged)))
    assert desk.standing() == {("reject", "key_revoked"), ("wait", "unknown_key")}
