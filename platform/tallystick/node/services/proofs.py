"""Evidence and verification."""

import asyncio
import time
from functools import partial
from typing import Any

import msgspec
from sqlmodel import Session, col, select

from tallystick.core import canonical
from tallystick.core.errors import Invalid
from tallystick.ledger import leaf as leaves
from tallystick.ledger.audit.bundle import MAX_BYTES
from tallystick.ledger.audit.report import Report
from tallystick.ledger.audit.trust import Organisation, Trust
from tallystick.ledger.audit.verify import verify
from tallystick.ledger.hashing import unhex
from tallystick.node.evidence import assemble
from tallystick.node.record import signing, store
from tallystick.node.record.unit import Unit
from tallystick.node.services.base import Service
from tallystick.node.services.organisation import own_facts
from tallystick.tenants.models.record import VerificationRow
from tallystick.tenants.permissions import Permission, require
from tallystick.tenants.users import User


class Proofs(Service):
    """Bundles, and what the verifier says of them."""

    async def evidence(self, who: User, execution_id: str, chain_id: int | None = None) -> dict[str, Any]:
        """The evidence bundle with everything that this organisation may disclose, anchored on one chain.

        That is the agreement's first when ``chain_id`` is None.
        """
        require(who, Permission.VERIFY)
        await self.parts.committer.run(lambda unit: signing.sign_if_unheaded(unit, self.parts.context, execution_id))
        anchors = await self.parts.chain.proof_material(execution_id, chain_id)
        work = partial(
            assemble, context=self.parts.context, execution_id=execution_id, anchors=anchors, chain_id=chain_id
        )
        return await self.read(who, work, Permission.VERIFY)

    async def verify_execution(self, who: User, execution_id: str) -> dict[str, Any]:
        """Verify our own record as an auditor would, and store the result."""
        bundle = await self.evidence(who, execution_id)
        report = await self._verify(canonical.encode(bundle), bundle["anchors"])

        def work(unit: Unit) -> dict[str, Any]:
            loaded = store.load(unit, execution_id)
            row = VerificationRow(
                execution_id=execution_id,
                workflow_id=loaded.row.definition_id,
                is_valid=report.verdict == "PASS",
                verdict=report.verdict,
                local_hash=loaded.replay.root,
                blockchain_hash=_completion(bundle, self.parts.chain.org).get("log_root"),
                verification_time=time.time_ns() // 1_000_000,
                blockchain_tx_hash=_completion(bundle, self.parts.chain.org).get("transaction_hash"),
                verifier_id=f"{self.parts.context.org_id}/{who.username}",
                checks=msgspec.json.encode(report.checks),
            )
            unit.insert(VerificationRow, **row.model_dump(exclude={"id"}))
            return _view(row)

        return await self.write(who, Permission.VERIFY, work)

    async def verifications(self, who: User, execution_id: str) -> dict[str, Any]:
        """Stored results, newest first."""

        def work(session: Session) -> dict[str, Any]:
            store.load(session, execution_id)
            query = (
                select(VerificationRow)
                .where(VerificationRow.execution_id == execution_id)
                .order_by(col(VerificationRow.id).desc())
                .limit(50)
            )
            return {"items": [_view(row) for row in session.exec(query)]}

        return await self.read(who, work, Permission.VERIFY)

    async def verify_bundle(self, who: User, bundle: bytes) -> dict[str, Any]:
        """Check an evidence file that somebody brought, against what this node trusts."""
        require(who, Permission.VERIFY)
        report = await self._verify(bundle, _anchors(bundle))
        return {"verdict": report.verdict, "checks": msgspec.to_builtins(report.checks)}

    async def _verify(self, bundle: bytes, anchors: list[Any]) -> Report:
        """Verify against the cards that we pinned and the chain that we anchor on."""
        cards = [own_facts(self.parts), *await asyncio.to_thread(self.parts.partners.pinned)]
        organisations = [
            Organisation(org_id=one.id, name=one.name, root_key=one.public_key, chain_org=one.chain_org)
            for one in cards
        ]
        trust = await self.parts.chain.trust(Trust(v=1, organisations=organisations), anchors)
        return await asyncio.to_thread(verify, bundle, trust)


def _anchors(bundle: bytes) -> list[Any]:
    """The anchors that a file names, as far as it can be read: they say which blocks to look up."""
    try:
        anchors = canonical.parse(bundle, max_bytes=MAX_BYTES).get("anchors", [])
    except (Invalid, AttributeError):
        return []
    return anchors if isinstance(anchors, list) else []


def _completion(bundle: dict[str, Any], org: str | None) -> dict[str, Any]:
    kinds = (leaves.START, leaves.COMPLETION)
    mine = [one for one in bundle["anchors"] if one["org"] == org and leaves.decode(unhex(one["leaf"])).kind in kinds]
    return mine[-1] if mine else {}


def _view(row: VerificationRow) -> dict[str, Any]:
    view = row.model_dump(exclude={"id", "checks"})
    return {**view, "checks": msgspec.json.decode(row.checks)}
