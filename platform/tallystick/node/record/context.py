"""What the record's modules share: who we are, our keys, the clock and where things lie."""

import time
from collections.abc import Callable, Container

from tallystick.core.engine import keyring
from tallystick.core.errors import Unavailable
from tallystick.core.keys import SigningKey
from tallystick.node.record.chunks import Chunks
from tallystick.node.record.citations import Citations
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.onchain import OnChain
from tallystick.node.record.own_card import OwnCard
from tallystick.node.record.pace import Pace
from tallystick.node.record.repeats import Repeats
from tallystick.tenants.keystore import Keystore

DEFAULT_PACE = Pace()


def now_ms() -> int:
    """Milliseconds since 1970 (UTC)."""
    return time.time_ns() // 1_000_000


class Context:
    """Handed to every part that reads or writes the record."""

    def __init__(
        self,
        *,
        org_id: str,
        keystore: Keystore,
        chunks: Chunks,
        own_card: OwnCard | None = None,
        onchain: OnChain | None = None,
        activities: Container[str] = (),
        clock: Callable[[], int] = now_ms,
        check_clock: Callable[[], None] = lambda: None,
        pace: Pace = DEFAULT_PACE,
    ) -> None:
        self.citations = Citations()
        self.repeats = Repeats()
        self.org_id = org_id
        self.keystore = keystore
        self.chunks = chunks
        self.own_card = own_card or OwnCard()
        self.onchain = onchain  # None: no chain, so nothing is anchored
        self.activities = activities  # the types that functions of this node do, not its staff
        self.now = clock
        self.pace = pace  # of comparing with partners
        self.check_clock = check_clock  # raises while it is no time to sign anything

    @property
    def signing_key(self) -> SigningKey:
        """The key that speaks for the organisation now; while the root key is away, the newest on a signed card."""
        newest = self.keystore.signing_key
        if self.keystore.root_key is not None or self.own_card.names(newest.kid):
            return newest
        return next((one for one in reversed(self.keystore.signing_keys) if self.own_card.names(one.kid)), newest)

    def speaking(self) -> tuple[SigningKey, ...]:
        """All keys that a partner may know us by, the likeliest first; the root key, if it is here, last."""
        held, root = self.keystore.signing_keys, self.keystore.root_key
        older = [one for one in reversed(held) if one.kid != self.signing_key.kid]
        return (self.signing_key, *older, *([root] if root else []))

    def key_in(self, loaded: Loaded) -> SigningKey:
        """The newest key of ours that speaks in that execution as its log stands here."""
        current = self.signing_key
        if not loaded.state.keys and loaded.agreement.key(self.org_id, current.kid) is not None:
            return current
        held = {key.kid: key for key in self.keystore.signing_keys}
        speaking = keyring.speaking(loaded.agreement, loaded.state, self.org_id)
        mine = [held[one.kid] for one in speaking if one.kid in held]
        if not mine:
            raise Unavailable("no key of ours speaks in this execution yet", code="no_key")
        return mine[-1]

    def __repr__(self) -> str:
        return f"Context({self.org_id})"
