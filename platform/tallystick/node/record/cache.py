"""The executions that were used last, as their last commit left them."""

from collections import OrderedDict

from tallystick.node.record.loaded import Loaded

MAX_EXECUTIONS = 4_096  # about 10 KB each with a handful of tasks
MAX_TASKS = 100_000  # an execution with many tasks counts for more


class Cache:
    """Bounded; the least recently used ones go first. One thread at a time."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, Loaded] = OrderedDict()
        self._tasks = 0

    def get(self, name: str) -> Loaded | None:
        """The execution as it was committed here last; a replica may have moved it since."""
        found = self._held.get(name)
        if found is not None:
            self._held.move_to_end(name)
        return found

    def put(self, loaded: Loaded) -> None:
        """Keep what was committed."""
        name = loaded.row.id
        before = self._held.get(name)
        if before is not None:
            self._tasks -= len(before.state.tasks)
            self._held.move_to_end(name)
        self._held[name] = loaded
        self._tasks += len(loaded.state.tasks)
        while len(self._held) > MAX_EXECUTIONS or (self._tasks > MAX_TASKS and len(self._held) > 1):
            self.drop(next(iter(self._held)))

    def drop(self, name: str) -> None:
        """Forget one: it may have changed."""
        held = self._held.pop(name, None)
        if held is not None:
            self._tasks -= len(held.state.tasks)
