"""Bringing the links up to what our card names: another nkey and authority are shown, and the older ones destroyed.

See :mod:`tallystick.node.record.link_keys` for what follows from what.
"""

import asyncio
import logging

from tallystick.node import linking
from tallystick.node.links.anyhow import AnyLinks
from tallystick.node.links.settings import LinkSettings
from tallystick.node.record import link_keys
from tallystick.node.record.context import Context
from tallystick.node.settings import Settings
from tallystick.node.work.link_certificates import LinkCertificates
from tallystick.tenants.database import Database

logger = logging.getLogger(__name__)


class LinkKeeper:
    """Of one organisation."""

    def __init__(
        self, settings: Settings, context: Context, database: Database, certificates: LinkCertificates
    ) -> None:
        self._settings = settings
        self._context = context
        self._database = database
        self._certificates = certificates
        certificates.tidy()
        self._given = self.wanted()

    @property
    def given(self) -> LinkSettings:
        """What the links show now."""
        return self._given

    def wanted(self) -> LinkSettings:
        """What they should show."""
        context = self._context
        behind: frozenset[str] = frozenset()
        if len(context.keystore.links) > 1:
            with self._database.looking() as session:
                behind = link_keys.behind(session, context.keystore, context.own_card.token)
        return linking.link_settings(self._settings, context.keystore, self._certificates, context.own_card, behind)

    async def settle(self, links: AnyLinks) -> bool:
        """Have the links show what they should; whether every partner knows us by it."""
        await self._show(links)
        if any(one.partners for one in self._given.former):
            return False
        if await asyncio.to_thread(self._destroy):
            await self._show(links)
        return True

    async def _show(self, links: AnyLinks) -> None:
        wanted = await asyncio.to_thread(self.wanted)
        if wanted != self._given:
            await links.rekeyed(wanted)
            self._given = wanted

    def _destroy(self) -> bool:
        """Destroy what nobody can know us by any more; no link shows it, as no partner is behind."""
        keystore, card = self._context.keystore, self._context.own_card.card
        if card is None:
            return False
        now = self._context.now()
        past = link_keys.former(keystore, link_keys.shown(keystore, card))
        gone = {one.serial for one in past if link_keys.is_over(one, keystore, card, now)}
        if gone:
            keystore.destroy_links(gone)
            self._certificates.forget(gone)
            logger.info("destroyed %d keys of the links that are past", len(gone))
        return bool(gone)
