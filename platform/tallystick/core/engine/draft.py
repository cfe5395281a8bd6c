"""A state in the making: a shallow copy whose parts are copied when they are first written to.

The state that it was made from never changes, so that an entry costs what it changes and not what is open.
"""

from typing import Any

import msgspec

from tallystick.core.engine.state import State, Task


class Draft:
    """``state`` is the state after the events so far; ``at`` and ``seq`` are those of the entry in the making."""

    __slots__ = ("_own", "at", "seq", "state")

    def __init__(self, state: State, at: int) -> None:
        self.state: State = msgspec.structs.replace(state)
        self.at = at
        self.seq = state.size
        self._own: set[str] = set()

    def own(self, name: str) -> dict[str, Any]:
        """The state's mapping of that name, to write to."""
        found: dict[str, Any] = getattr(self.state, name)
        if name not in self._own:
            found = found.copy()
            setattr(self.state, name, found)
            self._own.add(name)
        return found

    def change(self, name: str, **changes: Any) -> None:
        """Change a task."""
        tasks = self.own("tasks")
        tasks[name] = msgspec.structs.replace(tasks[name], **changes)

    def unset(self, task: Task) -> None:
        """Drop a task's timers, set or wanted."""
        for name in task.timers:
            if name in self.state.timers:
                del self.own("timers")[name]
            if name in self.state.wanted:
                del self.own("wanted")[name]

    def settle(self, name: str, **changes: Any) -> None:
        """Change a task whose attempt is over: its timers go."""
        self.unset(self.state.tasks[name])
        tasks = self.own("tasks")
        tasks[name] = msgspec.structs.replace(tasks[name], timers=(), **changes)

    def drop(self, name: str) -> Task | None:
        """A task is over, or a block's name that has no task: nothing is left of it but what it is returned for."""
        task: Task | None = self.state.tasks.get(name)
        if task is None:
            return None
        self.unset(task)
        del self.own("tasks")[name]
        if task.status == "waiting":
            self.awaken(name)
        return task

    def awaken(self, name: str) -> None:
        """The task waits for no signal any more."""
        waits = self.own("waits")
        for event, tasks in list(waits.items()):
            if name in tasks:
                left = tuple(one for one in tasks if one != name)
                if left:
                    waits[event] = left
                else:
                    del waits[event]

    def finish(self) -> State:
        """The state after the entry."""
        self.state.size = self.seq + 1
        self.state.at = self.at
        return self.state
