"""Cards that come one after the other: each could have every link looked at again."""

from pathlib import Path

from sqlmodel import select

from node.work.test_keys import Desk, card, desk, partner
from support.parties import BUYER, CARRIER, NOON
from tallystick.node.record import messages as m
from tallystick.node.record.cards import APART_MS, MAX_REPLACED
from tallystick.node.record.pinned import REPLACED_MS
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.models.partner import PartnerKeyRow
from tallystick.tenants.partners import Partners

__all__ = ["desk", "partner"]


def rekeyed(desk: Desk, partner: Keystore, folder: Path, issued_at: int) -> m.CardMessage:
    """A card with another signing key and the same link."""
    partner.rotate(overlap=1, sealing=False, now=NOON)
    link = Partners(desk.database).card(BUYER).nats
    assert link is not None
    return m.CardMessage(token=card(partner, folder, issued_at=issued_at, tls_ca=link.tls_ca))


async def test_new_keys_of_a_partner_count_at_once(desk: Desk, partner: Keystore, tmp_path: Path) -> None:
    """What it drafts and signs from now on bears them; and whoever drafts must not name a key that it revoked."""
    for issued_at in (3_000, 4_000, 5_000):
        await desk.give(rekeyed(desk, partner, tmp_path / "a", issued_at))
        assert [one.kid for one in Partners(desk.database).card(BUYER).signing_keys] == [partner.signing_key.kid]
    assert desk.reasons() == []


async def test_a_partners_link_changes_only_so_often(desk: Desk, partner: Keystore, tmp_path: Path) -> None:
    """Each time the nats-server reads its configuration again."""
    now = NOON + 10**6
    desk.context.now = lambda: now
    for issued_at in (3_000, 4_000, 5_000):
        await desk.give(m.CardMessage(token=card(partner, tmp_path / "a", issued_at=issued_at)))
    assert Partners(desk.database).card(BUYER).iat == 3_000
    assert desk.reasons() == ["too_often", "too_often"]
    now += APART_MS
    await desk.inbox.retry_waiting(anyway=True)
    assert Partners(desk.database).card(BUYER).iat >= 4_000
    now += APART_MS + 30_000
    await desk.inbox.retry_waiting(anyway=True)
    assert Partners(desk.database).card(BUYER).iat == 5_000


async def test_of_many_keys_that_were_replaced_the_newest_are_kept(
    desk: Desk, partner: Keystore, tmp_path: Path
) -> None:
    now = NOON + 10**6
    desk.context.now = lambda: now
    with desk.database.write() as session:
        for number in range(MAX_REPLACED + 10):
            session.add(PartnerKeyRow(org_id=BUYER, kid=f"{number:016}", key="ab", replaced_at=now - 1_000 + number))
            session.add(PartnerKeyRow(org_id=CARRIER, kid=f"{number:016}", key="ab", replaced_at=now - 1_000 + number))
    await desk.give(rekeyed(desk, partner, tmp_path / "a", 3_000))
    with desk.database.session() as session:
        kept = [row.kid for row in session.exec(select(PartnerKeyRow).where(PartnerKeyRow.org_id == BUYER))]
        others = session.exec(select(PartnerKeyRow).where(PartnerKeyRow.org_id == CARRIER)).all()
    assert len(others) == MAX_REPLACED + 10
    assert MAX_REPLACED <= len(kept) <= MAX_REPLACED + 2
    assert f"{MAX_REPLACED + 9:016}" in kept
    assert "0" * 16 not in kept


async def test_keys_that_were_replaced_long_ago_are_forgotten(desk: Desk, partner: Keystore, tmp_path: Path) -> None:
    now = NOON + 10**6
    desk.context.now = lambda: now
    for issued_at in (3_000, 4_000):
        partner.rotate(overlap=1, sealing=False, now=NOON)
        await desk.give(m.CardMessage(token=card(partner, tmp_path / "a", issued_at=issued_at)))
        now += REPLACED_MS + 1
    with desk.database.session() as session:
        assert len(session.exec(select(PartnerKeyRow)).all()) == 1
