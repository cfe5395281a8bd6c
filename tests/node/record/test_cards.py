"""Cards that come one after the other: each could have every link looked at again."""

from pathlib import Path

from sqlmodel import select

from node.work.test_keys import Desk, card, desk, partner
from support.parties import BUYER, NOON
from tallystick.node.record import messages as m
from tallystick.node.record.cards import APART_MS
from tallystick.node.record.pinned import REPLACED_MS
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.models.partner import PartnerKeyRow
from tallystick.tenants.partners import Partners

__all__ = ["desk", "partner"]


async def test_a_partner_has_one_card_taken_at_a_time(desk: Desk, partner: Keystore, tmp_path: Path) -> None:
    now = NOON + 10**6
    desk.context.now = lambda: now
    partner.rotate(overlap=1, sealing=False, now=NOON)
    await desk.give(m.CardMessage(token=card(partner, tmp_path / "a", issued_at=3_000)))
    partner.rotate(overlap=1, sealing=False, now=NOON)
    for issued_at in (4_000, 5_000):
        await desk.give(m.CardMessage(token=card(partner, tmp_path / "a", issued_at=issued_at)))
    assert Partners(desk.database).card(BUYER).iat == 3_000
    assert desk.reasons() == ["too_often", "too_often"]
    now += APART_MS
    await desk.inbox.retry_waiting(anyway=True)
    assert Partners(desk.database).card(BUYER).iat >= 4_000
    now += APART_MS + 30_000
    await desk.inbox.retry_waiting(anyway=True)
    assert Partners(desk.database).card(BUYER).iat == 5_000


async def test_keys_that_were_replaced_long_ago_are_forgotten(desk: Desk, partner: Keystore, tmp_path: Path) -> None:
    now = NOON + 10**6
    desk.context.now = lambda: now
    for issued_at in (3_000, 4_000):
        partner.rotate(overlap=1, sealing=False, now=NOON)
        await desk.give(m.CardMessage(token=card(partner, tmp_path / "a", issued_at=issued_at)))
        now += REPLACED_MS + 1
    with desk.database.session() as session:
        assert len(session.exec(select(PartnerKeyRow)).all()) == 1
