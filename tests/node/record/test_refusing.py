"""A refusal of one of our statements: only the coordinator, who would sequence it, can say that it will not."""

import msgspec
import pytest
from sqlmodel import select

from node.work.test_keys import Desk, desk, signal
from support.parties import BUYER, CARRIER
from tallystick.core import jws, statement
from tallystick.core.head import Refusal, sign_refusal
from tallystick.core.statement import REFUSAL
from tallystick.node.record import messages as m
from tallystick.tenants.models.record import StatementRow

__all__ = ["desk"]


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
