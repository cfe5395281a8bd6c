"""The organisation's keys: which there are, and the rotations and revocations that its administrator orders.

Each order is one durable write to the keystore; the node's keeper brings about what follows from it. While the root key
is away, it takes effect with the root key's signatures: see :mod:`tallystick.node.services.root_signing`.
"""

import asyncio
from typing import Any

import msgspec

from tallystick.core.engine.keyring import MAX_OVERLAP
from tallystick.core.errors import Invalid
from tallystick.node.record.rekeying import NOTE
from tallystick.node.services.root_signing import RootSigning
from tallystick.tenants.permissions import Permission, require
from tallystick.tenants.users import User

OVERLAP = 64  # entries that may still come signed by the key before: what is under way when a key is replaced


class Keys(RootSigning):
    """Listing, rotating, revoking."""

    async def keys(self, who: User) -> dict[str, Any]:
        """Every signing key, newest first; secret halves are shown to nobody."""
        require(who, Permission.READ)
        keystore = self.parts.context.keystore
        root = keystore.root_public
        return {
            "root": {"kid": root.kid, "key": root.key, "is_away": keystore.root_key is None},
            "waiting": await self.waiting_for_root(),
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
        await self._tell()
        return await self.keys(who)

    async def _rotate(self, overlap: int, sealing: bool) -> None:
        context = self.parts.context
        now = context.now()
        await asyncio.to_thread(lambda: context.keystore.rotate(overlap=overlap, sealing=sealing, now=now))
        await self._tell()

    async def _tell(self) -> None:
        await self.parts.committer.run(lambda unit: unit.note(NOTE, None))
