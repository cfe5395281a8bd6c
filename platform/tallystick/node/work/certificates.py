"""The certificates of the links: renewed before they end, while the links flow.

A new certificate of the same authority needs nobody's consent: nats-server takes it up, and shows it to whoever
connects from then on; connections that stand go on. A new authority has the key and the name of the old one, so
partners accept what it signs before they hold it; our card brings it to them.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from tallystick.core.errors import TallystickError
from tallystick.tenants import tls
from tallystick.tenants.tls import LIFETIMES, Lifetimes, TlsFiles, Validity

logger = logging.getLogger(__name__)
EVERY_S = 3_600.0  # between two looks; a renewal has two months


class Certificates:
    """One organisation's, in one folder."""

    def __init__(
        self,
        folder: Path,
        *,
        ca_key: ec.EllipticCurvePrivateKey,
        org_id: str,
        hosts: list[str],
        lifetimes: Lifetimes = LIFETIMES,
    ) -> None:
        self._folder = folder
        self._ca_key = ca_key
        self._org_id = org_id
        self._hosts = hosts
        self._lifetimes = lifetimes
        self.files = self._ensure()

    @property
    def authority(self) -> str:
        """The authority's certificate (PEM), for our card."""
        return self.files.ca.read_text(encoding="ascii")

    def renew(self) -> bool:
        """Make anew what is about to end; whether there was any."""
        before = self._contents()
        self.files = self._ensure()
        return self._contents() != before

    def validities(self) -> list[Validity]:
        """When each ends."""
        return tls.validities(self.files)

    def _ensure(self) -> TlsFiles:
        return tls.ensure(
            self._folder, ca_key=self._ca_key, org_id=self._org_id, hosts=self._hosts, lifetimes=self._lifetimes
        )

    def _contents(self) -> list[bytes]:
        files = (self.files.ca, self.files.server_certificate, self.files.client_certificate)
        return [path.read_bytes() if path.exists() else b"" for path in files]


async def keep_renewed(
    renew: Callable[[], bool], renewed: Callable[[], Awaitable[None]], every_s: float = EVERY_S
) -> None:
    """Renew until cancelled; ``renewed`` has the new ones taken up, and is called again until it has."""
    is_due = False
    while True:
        await asyncio.sleep(every_s)
        try:
            is_due = await asyncio.to_thread(renew) or is_due
            if is_due:
                await renewed()
                is_due = False
                logger.info("the links have new certificates")
        except (TallystickError, OSError) as error:
            logger.warning("certificates are renewed later: %s", error)
