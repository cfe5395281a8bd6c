"""The parts of one tenant's node, wired by ``bootstrap`` and handed to whoever needs them."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from tallystick.ledger.audit.trust import Trust
from tallystick.node.clock import SteadyClock
from tallystick.node.links.anyhow import AnyLinks
from tallystick.node.partner_api.transports import Transports
from tallystick.node.record.context import Context
from tallystick.node.settings import Settings
from tallystick.node.work.bell import Bell
from tallystick.node.work.committer import Committer
from tallystick.node.work.link_certificates import LinkCertificates
from tallystick.node.work.marks import Marks
from tallystick.node.work.queues import Queues
from tallystick.node.work.triggers import Triggers
from tallystick.tenants.database import Database
from tallystick.tenants.introductions import Introductions
from tallystick.tenants.partners import Partners
from tallystick.tenants.users import Users


class Chain(Protocol):
    """What the services ask of the chain side."""

    @property
    def org(self) -> str | None: ...
    @property
    def further(self) -> Sequence[int]: ...
    async def status(self) -> dict[str, Any]: ...
    async def proof_material(self, execution: str, chain_id: int | None = None) -> list[dict[str, Any]]: ...
    async def trust(self, trust: Trust, anchors: list[Any]) -> Trust: ...
    async def run(self) -> None: ...


class Parts(msgspec.Struct, kw_only=True):
    """One tenant's parts; whatever writes the record goes through ``committer``."""

    settings: Settings
    database: Database
    context: Context
    users: Users
    partners: Partners
    introductions: Introductions
    links: AnyLinks
    transports: Transports
    certificates: LinkCertificates
    bell: Bell
    chain: Chain
    committer: Committer
    queues: Queues
    triggers: Triggers
    clock: SteadyClock
    marks: Marks
    carding: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)  # one new card of ours at a time
    relinking: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)  # one change of the partners at a time
