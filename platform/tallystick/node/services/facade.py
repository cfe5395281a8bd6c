"""Everything that people and programs can ask of one tenant; the API and the portal call nothing else."""

from collections.abc import AsyncIterator
from typing import Any

from tallystick.node.services.changes import Changes
from tallystick.node.services.collaborations import Collaborations
from tallystick.node.services.compromise import Compromise
from tallystick.node.services.definitions import Definitions
from tallystick.node.services.documents import Documents
from tallystick.node.services.executions import Executions
from tallystick.node.services.keys import Keys
from tallystick.node.services.notifications import Notifications
from tallystick.node.services.organisation import Organisation
from tallystick.node.services.partnering import Partnering
from tallystick.node.services.proofs import Proofs
from tallystick.node.services.queues import TaskQueues
from tallystick.node.services.steering import Steering
from tallystick.node.services.tasks import Tasks
from tallystick.node.services.transactions import Transactions
from tallystick.node.services.waits import Waits


class Services(
    Collaborations,
    Changes,
    Definitions,
    Executions,
    Waits,
    Steering,
    Tasks,
    TaskQueues,
    Documents,
    Notifications,
    Proofs,
    Organisation,
    Transactions,
    Partnering,
    Keys,
    Compromise,
):
    """One facade over the services."""

    def subscribe(self) -> AsyncIterator[dict[str, Any]]:
        """Live changes, for server-sent events."""
        return self.parts.bell.changes()
