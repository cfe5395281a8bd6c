"""The organisation's keys: which there are, and the rotations and revocations that its administrator orders.

Each order is one durable write to the keystore; the node's keeper brings about what follows from it. While the root key
is away, it takes effect with the root key's signatures: see :mod:`tallystick.node.services.root_signing`.
"""

import asyncio
from typing import Any

import msgspec

from tallystick.core.engine.keyring import MAX_OVERLAP
from tallystick.core.errors import Invalid, WrongState
from tallystick.node.record import link_keys
from tallystick.node.services.root_signing import RootSigning
from tallystick.tenants.permissions import Permission, require
from tallystick.tenants.users import User

MAX_NAMED = 20  # partners without our newest card; how many there are is told beside
OVERLAP = 64  # entries that may still come signed by the key before: what is under way when a key is replaced


class Keys(RootSigning):
    """Listing, rotating, revoking; the keys of the links as well."""

    async def keys(self, who: User) -> dict[str, Any]:
        """Every signing key, newest first; secret halves are shown to nobody."""
        require(who, Permission.READ)
        keystore = self.parts.context.keystore
        root = keystore.root_public
        return {
            "root": {"kid": root.kid, "key": root.key, "is_away": keystore.root_key is None},
            "waiting": await self.waiting_for_root(),
            "link": await self._link(),
            "items": [msgspec.to_builtins(one) for one in reversed(keystore.signing_facts)],
        }

    async def rotate_keys(self, who: User, *, overlap: int = OVERLAP, sealing: bool = True) -> dict[str, Any]:
        """Make a new signing key, and with ``sealing`` a new sealing key, the current one everywhere."""
        require(who, Permission.ADMINISTER)
        if not 0 <= overlap <= MAX_OVERLAP:
            raise Invalid(f"an overlap has 0 to {MAX_OVERLAP} entries", code="bad_overlap", pointer="/overlap")
        await self._rotate(overlap, sealing)
        return await self.keys(who)

    async def revoke_key(self, who: User, kid: str, *, reason: str, since: int | None = None) -> dict[str, Any]:
        """End a signing key everywhere; the current one is replaced first, without overlap."""
        require(who, Permission.ADMINISTER)
        context = self.parts.context
        if since is not None and not 0 <= since <= context.now():
            raise Invalid("that moment has not come yet", code="bad_since", pointer="/since")
        if kid == context.keystore.signing_key.kid:
            await self._rotate(0, sealing=reason == "compromised")
        facts: dict[str, Any] = {"reason": reason, "since": since, "now": context.now()}
        await asyncio.to_thread(lambda: context.keystore.revoke(kid, **facts))
        await self._look_after_keys()
        return await self.keys(who)

    async def rotate_link(self, who: User) -> dict[str, Any]:
        """Make a new nkey and a new authority for the links; partners get them by our card, and open to no older."""
        require(who, Permission.ADMINISTER)
        if not self.parts.settings.nats.enabled:
            raise WrongState("this organisation has no NATS link", state="none", code="no_nats_link")
        context = self.parts.context
        await asyncio.to_thread(lambda: context.keystore.rotate_link(now=context.now()))
        await self._look_after_keys()
        return await self.keys(who)

    async def _link(self) -> dict[str, Any] | None:
        """The newest keys of the links: whether a signed card names them, and who may not have it yet."""
        if not self.parts.settings.nats.enabled:
            return None
        keystore, own_card = self.parts.context.keystore, self.parts.context.own_card

        def work() -> dict[str, Any]:
            newest, card = keystore.links[-1], own_card.card
            with self.parts.database.session() as session:
                behind = sorted(link_keys.behind(session, keystore, own_card.token))
            return {
                "nkey": newest.nkey_public,
                "serial": newest.serial,
                "made_at": newest.made_at,
                "is_shown": link_keys.shown(keystore, card) is newest,
                "behind": behind[:MAX_NAMED],
                "behind_count": len(behind),
                "older_held": len(keystore.links) - 1,
                "is_external": self.parts.settings.nats.url is not None,
            }

        return await asyncio.to_thread(work)

    async def _rotate(self, overlap: int, sealing: bool) -> None:
        context = self.parts.context
        now = context.now()
        await asyncio.to_thread(lambda: context.keystore.rotate(overlap=overlap, sealing=sealing, now=now))
        await self._look_after_keys()
