"""The ledger's ports over the tenant database."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlmodel import Session, col, select

from tallystick.ledger.ports import Submission
from tallystick.node.record.onchain import log_size
from tallystick.tenants.database import Database
from tallystick.tenants.models.anchor import AT_REST, UNDER_WAY, LeafRow, SubmissionRow


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
            with self._database.session() as session:
                rows = self._read(session, UNDER_WAY)
            return sorted(rows, key=lambda one: (one.nonce is None, one.nonce or 0, one.since))

        return await asyncio.to_thread(work)

    async def settled(self, limit: int) -> Sequence[Submission]:
        """Those with a block, highest block first."""

        def work() -> list[Submission]:
            query = select(SubmissionRow).where(SubmissionRow.chain == self._chain, AT_REST)
            query = query.order_by(col(SubmissionRow.block_number).desc()).limit(limit)
            with self._database.session() as session:
                return [read_row(row) for row in session.exec(query)]

        return await asyncio.to_thread(work)

    async def since(self, at: int) -> Sequence[Submission]:
        """Those that entered their state at ``at`` or later, and those on their way."""

        def work() -> list[Submission]:
            with self._database.session() as session:
                found = (*self._read(session, SubmissionRow.since >= at), *self._read(session, UNDER_WAY))
            return list({one.key: one for one in found}.values())

        return await asyncio.to_thread(work)

    async def covering(self, epoch: int, index: int) -> Submission | None:
        """The smallest anchor that has not failed and covers the leaf ``index``."""

        def work() -> Submission | None:
            with self._database.session() as session:
                return _covering(session, epoch, index, self._chain)

        return await asyncio.to_thread(work)

    def _read(self, session: Session, which: Any) -> list[Submission]:
        rows = session.exec(select(SubmissionRow).where(SubmissionRow.chain == self._chain, which))
        return [read_row(row) for row in rows]


class SqlLeaves:
    """``LeafStore`` over the ``leaf`` table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def size(self) -> int:
        """How many leaves there are."""

        def work() -> int:
            with self._database.session() as session:
                return log_size(session)

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


def covering(session: Session, index: int, chain: int = 0) -> Submission | None:
    """The anchor of the leaf ``index``, in the newest epoch that has one."""
    newest = select(SubmissionRow.log_epoch).where(
        SubmissionRow.chain == chain, col(SubmissionRow.log_epoch).is_not(None)
    )
    newest = newest.order_by(col(SubmissionRow.log_epoch).desc()).limit(1)
    epoch = session.exec(newest).first()
    while epoch is not None:
        if found := _covering(session, epoch, index, chain):
            return found
        epoch = session.exec(newest.where(col(SubmissionRow.log_epoch) < epoch)).first()
    return None


def _covering(session: Session, epoch: int, index: int, chain: int) -> Submission | None:
    query = select(SubmissionRow).where(SubmissionRow.chain == chain, SubmissionRow.log_epoch == epoch)
    query = query.where(col(SubmissionRow.log_size) > index, SubmissionRow.state != "failed")
    row = session.exec(query.order_by(col(SubmissionRow.log_size)).limit(1)).first()
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
