"""The portal over its stand-ins as an application for a real server; nothing changes by itself."""

from typing import Any

from node.api.standins.accounts import FakeAccountsForApiTests
from node.api.standins.services import FakeServicesForApiTests
from tallystick.core.errors import Invalid, WrongState
from tallystick.node.api.app import create_app
from tallystick.tenants.fingerprint import WrongFingerprint

WRONG = "1" * 30  # what nobody's fingerprint is


class RefusingServicesForBrowserTests(FakeServicesForApiTests):
    """Refuses what a page lets a person send and a node would not take."""

    async def confirm_partner(self, who: Any, org_id: str, given: str) -> dict[str, Any]:
        """Only a fingerprint that is not WRONG."""
        if given == WRONG:
            raise WrongFingerprint
        return await super().confirm_partner(who, org_id, given)

    async def accept_invitation(self, who: Any, given: str) -> dict[str, Any]:
        """Never."""
        raise Invalid("is not base64url", code="bad_base64", pointer="/invitation")

    async def remove_partner(self, who: Any, org_id: str, *, force: bool = False) -> dict[str, Any]:
        """Only by force."""
        if not force:
            raise WrongState("1 executions are open", state="open", code="still_tied")
        return await super().remove_partner(who, org_id, force=force)


app = create_app(RefusingServicesForBrowserTests(), FakeAccountsForApiTests())
