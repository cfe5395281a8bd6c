"""The ledger's ports over the tenant database."""

import asyncio
from collections.abc import Sequence

import msgspec
from sqlalchemy import func
from sqlmodel import Session, col, or_, select

from tallystick.ledger.ports import SETTLED, UNSETTLED, Submission
from tallystick.tenants.database import Database
from tallystick.tenants.models.anchor import LeafRow, SubmissionRow


class SqlSubmissions:
    """``SubmissionStore`` in the ``submission`` table, for the first chain (0) or a further one (its id)."""

    def __init__(self, database: Database, chain: int = 0) -> None:
        self._database = database
        self._chain = chain

    async def get(self, key: str) -> Submission | None:
        """The submission of that key."""

        def work() -> Submission | None:
            with self._database.session() as session:
                row = session.get(SubmissionRow, _key(self._chain, key))
                return read_row(row) if row else None

        return await asyncio.to_thread(work)

    async def save(self, submission: Submission) -> None:
        """Insert or replace, durably."""

        def work() -> None:
            with self._database.write() as session:
                session.merge(_row(submission, self._chain))

        await asyncio.to_thread(work)

    async def unsettled(self) -> Sequence[Submission]:
        """Those on their way: lowest nonce first, those without one last."""

        def work() -> list[Submission]:
            query = select(SubmissionRow).where(
                SubmissionRow.chain == self._chain, col(SubmissionRow.state).in_(UNSETTLED)
            )
            with self._database.session() as session:
                rows = [read_row(row) for row in session.exec(query)]
            return sorted(rows, key=lambda one: (one.nonce is None, one.nonce or 0, one.since))

        return await asyncio.to_thread(work)

    async def settled(self, limit: int) -> Sequence[Submission]:
        """Those with a block, highest block first."""

        def work() -> list[Submission]:
            query = (
                select(SubmissionRow)
                .where(SubmissionRow.chain == self._chain)
                .where(col(SubmissionRow.state).in_(SETTLED), col(SubmissionRow.block_number).is_not(None))
                .order_by(col(SubmissionRow.block_number).desc())
                .limit(limit)
            )
            with self._database.session() as session:
                return [read_row(row) for row in session.exec(query)]

        return await asyncio.to_thread(work)

    async def since(self, at: int) -> Sequence[Submission]:
        """Those that entered their state at ``at`` or later, and those on their way."""

        def work() -> list[Submission]:
            late = or_(col(SubmissionRow.since) >= at, col(SubmissionRow.state).in_(UNSETTLED))
            query = select(SubmissionRow).where(SubmissionRow.chain == self._chain, late)
            with self._database.session() as session:
                return [read_row(row) for row in session.exec(query)]

        return await asyncio.to_thread(work)

    async def covering(self, epoch: int, index: int) -> Submission | None:
        """The smallest anchor that has not failed and covers the leaf ``index``."""

        def work() -> Submission | None:
            with self._database.session() as session:
                return covering(session, epoch, index, self._chain)

        return await asyncio.to_thread(work)


class SqlLeaves:
    """``LeafStore`` over the ``leaf`` table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def size(self) -> int:
        """How many leaves there are."""

        def work() -> int:
            with self._database.session() as session:
                last = session.exec(select(func.max(LeafRow.index))).one()
                return 0 if last is None else last + 1  # without a gap, so counting them all is not needed

        return await asyncio.to_thread(work)

    async def leaves(self, start: int, stop: int) -> Sequence[bytes]:
        """The data of the leaves with ``start`` ≤ index < ``stop``."""

        def work() -> list[bytes]:
            query = (
                select(LeafRow.data).where(LeafRow.index >= start, LeafRow.index < stop).order_by(col(LeafRow.index))
            )
            with self._database.session() as session:
                return list(session.exec(query))

        return await asyncio.to_thread(work)


def covering(session: Session, epoch: int | None, index: int, chain: int = 0) -> Submission | None:
    """The anchor of the leaf ``index``; of any epoch when ``epoch`` is None, the newest first."""
    query = select(SubmissionRow).where(col(SubmissionRow.log_size) > index, SubmissionRow.state != "failed")
    query = query.where(SubmissionRow.chain == chain)
    if epoch is not None:
        query = query.where(SubmissionRow.log_epoch == epoch)
    query = query.order_by(col(SubmissionRow.log_epoch).desc(), col(SubmissionRow.log_size)).limit(1)
    row = session.exec(query).first()
    return read_row(row) if row else None


def _key(chain: int, key: str) -> str:
    return f"{chain}/{key}" if chain else key


def _row(one: Submission, chain: int) -> SubmissionRow:
    return SubmissionRow(
        key=_key(chain, one.key),
        chain=chain,
        state=one.state,
        nonce=one.nonce,
        relayer=one.relayer,
        block_number=one.block_number,
        block_hash=one.block_hash,
        since=one.since,
        log_epoch=one.log_epoch,
        log_size=one.log_size,
        document=msgspec.json.encode(one),
    )


def read_row(row: SubmissionRow) -> Submission:
    """A row in the ledger's own form."""
    return msgspec.json.decode(row.document, type=Submission)
