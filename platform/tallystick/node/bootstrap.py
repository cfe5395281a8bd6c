"""The one place that wires a node's parts: from settings to a running tenant."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from starlette.types import ASGIApp

from tallystick.core.errors import TallystickError
from tallystick.core.prepared import prepare
from tallystick.node import linking
from tallystick.node.accounts import UserAccounts
from tallystick.node.activities.builtin import built_in
from tallystick.node.anchoring.nochain import NoChain
from tallystick.node.clock import SteadyClock
from tallystick.node.http.on_demand import OnDemand
from tallystick.node.links.anyhow import AnyLinks
from tallystick.node.links.tasks import end_tasks
from tallystick.node.partner_api.client import HttpsClient
from tallystick.node.partner_api.transports import Transports
from tallystick.node.parts import Chain, Parts
from tallystick.node.record import documents
from tallystick.node.record.chunks import Chunks
from tallystick.node.record.claiming import Limits
from tallystick.node.record.context import Context
from tallystick.node.record.onchain import OnChain
from tallystick.node.record.own_card import CARD_FILE, OwnCard
from tallystick.node.record.unit import Unit
from tallystick.node.services import launching
from tallystick.node.services.facade import Services
from tallystick.node.services.organisation import own_card_token
from tallystick.node.services.partnering import link_partners, note_seen
from tallystick.node.settings import Settings
from tallystick.node.work.activities import Activities
from tallystick.node.work.bell import Bell
from tallystick.node.work.broker import Broker
from tallystick.node.work.certificates import keep_renewed
from tallystick.node.work.committer import Committer
from tallystick.node.work.comparer import Comparer
from tallystick.node.work.engine import Engine
from tallystick.node.work.keeper import Keeper
from tallystick.node.work.link_keeper import LinkKeeper
from tallystick.node.work.marks import Marks
from tallystick.node.work.outbox import Outbox
from tallystick.node.work.triggers import Triggers
from tallystick.tenants.access_tokens import AccessTokens
from tallystick.tenants.database import Database
from tallystick.tenants.introductions import Introductions, Us
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.models.definition import DefinitionRow
from tallystick.tenants.partners import Partners
from tallystick.tenants.users import Users

logger = logging.getLogger(__name__)
_GIVE_UP_S = 10.0  # how long what a loop does at its end may take, such as an activity that is told to end


class Node:
    """A tenant's node: build it, ``start`` it, serve ``app``, ``stop`` it."""

    def __init__(
        self,
        settings: Settings,
        keystore: Keystore,
        activities: Activities | None = None,
        *,
        clock: SteadyClock | None = None,
    ) -> None:
        clock = clock or SteadyClock()
        activities = activities or Activities(in_all=settings.activities.max_in_flight)
        database = Database(settings.database_url or settings.database_path)
        database.create_schema()
        certificates = linking.certificates(settings, keystore)
        context = Context(
            org_id=settings.org_id,
            keystore=keystore,
            chunks=Chunks(settings.data_dir / "chunks"),
            own_card=OwnCard(settings.data_dir / CARD_FILE),
            onchain=_identity(settings, keystore),
            activities=activities,
            clock=clock,
            check_clock=clock.check,
            pace=settings.pace,
        )
        bounds = settings.activities
        limits = Limits(in_all=bounds.task_queues.max_in_flight, types=bounds.limits)
        engine = Engine(database, context, activities, limits, ahead=settings.writer_process)
        bell, committer = engine.bell, engine.committer
        marks = Marks(database, clock, committer)
        marks.begin()
        _register(activities, settings, context, committer)
        users = Users(database, org_id=settings.org_id, session_secret=keystore.session_secret)
        partners = Partners(database)
        self._link_keeper = LinkKeeper(settings, context, database, certificates)
        links = linking.make_links(self._link_keeper.given)
        self.parts = Parts(
            settings=settings,
            database=database,
            context=context,
            users=users,
            partners=partners,
            links=links,
            transports=_transports(settings, context, database, partners, links),
            certificates=certificates,
            introductions=Introductions(database, Us(settings.org_id, keystore.root_public.key)),
            bell=bell,
            chain=_chain(settings, context, database, bell, committer),
            committer=committer,
            queues=engine.queues,
            triggers=Triggers(database, context, committer, self._launch),
            clock=clock,
            marks=marks,
        )
        self._engine = engine
        self._keeper = Keeper(
            database,
            context,
            committer,
            card=partial(own_card_token, self.parts),
            relink=self._relink,
            link_keys=self._settle_link_keys,
        )
        self._outbox = Outbox(database, context, committer, self.parts.transports.send)
        self._comparer = Comparer(database, context, committer)
        self.parts.links.listen(self._outbox.nudge)
        self.parts.links.listen(self._comparer.came_up)
        self._outbox.listen(self._comparer.came_up)
        self._outbox.listen(self._keeper.returned)
        self.services = Services(self.parts)
        self.accounts = UserAccounts(users, AccessTokens(database))
        self.app: ASGIApp = OnDemand(self._application)
        self._tasks: list[asyncio.Task[None]] = []
        prepare()

    async def start(self) -> None:
        """Bring up the links and the loops; the chain may be down."""
        await self.parts.links.set_partners(link_partners(self.parts))
        await self.parts.links.start()
        await self.parts.links.receive(self._engine.inbox.receive)
        for loop in self._loops():
            self._tasks.append(asyncio.create_task(loop()))

    def _loops(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        engine, parts = self._engine, self.parts
        loops = [self._outbox.run, engine.runner.run, engine.queues.run, parts.triggers.run, parts.chain.run]
        loops += [self._keeper.run, self._comparer.run, partial(keep_renewed, parts.certificates.renew, self._renewed)]
        mqtt = parts.settings.activities.mqtt
        if mqtt is not None and mqtt.events:
            loops.append(Broker(mqtt, parts.settings.data_dir, parts.settings.org_id, parts.triggers).run)
        return loops

    async def _settle_link_keys(self) -> bool:
        async with self.parts.relinking:
            return await self._link_keeper.settle(self.parts.links)

    async def _renewed(self) -> None:
        """New certificates: the links show them, and partners get the authority with our card."""
        await self.parts.links.renewed()
        self._keeper.wake()

    async def _relink(self) -> None:
        """A partner's card has changed; where nothing of its link has, nothing happens to the link."""
        async with self.parts.relinking:
            await self.parts.links.set_partners(await asyncio.to_thread(link_partners, self.parts))

    def _launch(self, unit: Unit, row: DefinitionRow, values: dict[str, Any]) -> str:
        return launching.launch(unit, self.parts, row, values).row.id

    def _application(self) -> ASGIApp:
        from tallystick.node.api.app import create_app  # noqa: PLC0415 - templates and languages take 10 MB
        from tallystick.node.partner_api.server import PartnerApi  # noqa: PLC0415

        prepare()
        settings, parts = self.parts.settings, self.parts
        partner_api = PartnerApi(
            org_id=settings.org_id,
            endpoint_url=settings.endpoint_url,
            partners=parts.partners,
            inbox=self._engine.inbox,
            committer=parts.committer,
            now=parts.context.now,
            card=self.services.card,
        )
        secure = settings.endpoint_url.startswith("https://")
        return create_app(self.services, self.accounts, partner_api.app(), https=secure)

    async def stop(self) -> None:
        """End the loops and the links, then close the database."""
        await end_tasks(*self._tasks, ask_again_s=_GIVE_UP_S)
        with contextlib.suppress(TallystickError):  # it is only told to people
            await asyncio.to_thread(note_seen, self.parts)
        await self.parts.links.stop()
        await self.parts.transports.close()
        self.parts.marks.stop()
        await self.parts.committer.idle()
        await asyncio.to_thread(self.parts.marks.end)
        await self.parts.committer.close()
        self.parts.database.close()


def _identity(settings: Settings, keystore: Keystore) -> OnChain | None:
    if settings.blockchain is None:
        return None
    from tallystick.node.anchoring.chainside import identity  # noqa: PLC0415 - see _chain

    return identity(settings.blockchain, keystore)


def _chain(settings: Settings, context: Context, database: Database, bell: Bell, committer: Committer) -> Chain:
    """The chain's client takes two seconds and 50 MB: only who has a chain loads it."""
    if settings.blockchain is None:
        return NoChain()
    from tallystick.node.anchoring.chainside import ChainSide  # noqa: PLC0415

    return ChainSide(settings.blockchain, context, database, bell, committer)


def _register(activities: Activities, settings: Settings, context: Context, committer: Committer) -> None:
    """Add the built-in activities as the organisation's settings bound them; a program's own of that type stay."""

    async def keep(token: str, name: str, media_type: str, data: bytes) -> str:
        found = documents.document_of(token)
        if await committer.run(lambda unit: documents.has(unit, found)):
            return found
        value = await documents.seal(context, name, media_type, data)
        await committer.run(lambda unit: documents.add(unit, context, found, name, value, "save_to_storage"))
        return found

    bounds = settings.activities
    for activity_type, run in built_in(bounds, settings.data_dir, keep).items():
        if activity_type not in activities:
            at_once = bounds.limits.get(activity_type, bounds.max_in_flight)
            activities.register(activity_type, run, at_once=at_once)


def _transports(
    settings: Settings, context: Context, database: Database, partners: Partners, links: AnyLinks
) -> Transports:
    https = HttpsClient(
        settings.partner_api,
        settings.data_dir,
        org_id=settings.org_id,
        keys=context.speaking,
        now=context.now,
    )
    return Transports(database, partners, nats=links.send, https=https, has_nats=settings.nats.enabled)
