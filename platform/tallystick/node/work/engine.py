"""The working part of one tenant: everything that reads and writes the record, without links, API or chain."""

from tallystick.node.record.claiming import Limits
from tallystick.node.record.context import Context
from tallystick.node.record.coordinator import seal
from tallystick.node.work.activities import Activities
from tallystick.node.work.bell import Bell
from tallystick.node.work.committer import Committer
from tallystick.node.work.inbox import Inbox
from tallystick.node.work.queues import Queues
from tallystick.node.work.runner import Runner
from tallystick.tenants.database import Database

_LIMITS = Limits(in_all=1_000)


class Engine:
    """Wires committer, inbox, runner and task queues over a database whose schema is there."""

    def __init__(
        self,
        database: Database,
        context: Context,
        activities: Activities,
        limits: Limits = _LIMITS,
        *,
        ahead: bool = True,
    ) -> None:
        self.bell = Bell()
        self.committer = Committer(database, finish=lambda unit: seal(unit, context), ahead=ahead)
        self.inbox = Inbox(database, context, self.bell, self.committer)
        self.runner = Runner(database, context, self.committer, self.inbox, activities)
        self.queues = Queues(context, self.committer, limits)
        self.committer.listen(lambda _notes: self.bell.ring())
