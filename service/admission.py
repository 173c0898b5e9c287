"""Who may write now: overload is said before work is accepted, and no workspace waits behind another's heap.

So many units (variants) are written at a time; the rest wait. The next to begin is the oldest draft of the
workspace that was given least so far: start-time fair queueing, where each workspace has a virtual clock that
its units push on, and one that comes back does not catch up on what it did not use (Goyal, Vin and Cheng,
"Start-time fair queueing", 1996).
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from service.errors import Overloaded


class _Waiting:
    """One draft that waits for its turn."""

    def __init__(self, units: int) -> None:
        self.units = units
        self.turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Admission:
    """Gives turns. `room` units are written at a time, at most `queue_limit` more may wait.

    No workspace may fill more than half of the queue, so that there is always room for another.
    """

    def __init__(self, room: int, queue_limit: int) -> None:
        self._room = room
        self._queue_limit = queue_limit
        self._busy = 0
        self._now = 0.0
        """Virtual time: how far the workspace served last has got."""
        self._clocks: dict[str, float] = {}
        self._queues: dict[str, deque[_Waiting]] = {}

    @property
    def busy(self) -> int:
        """Units being written."""
        return self._busy

    @property
    def waiting(self) -> int:
        """Units that wait."""
        return sum(entry.units for queue in self._queues.values() for entry in queue)

    def ask(self, workspace: str, units: int) -> None:
        """Raise Overloaded when so many units could not even wait: to be asked before anything is done."""
        units = min(units, self._room)
        if not self._queues and self._busy + units <= self._room:
            return
        own = sum(entry.units for entry in self._queues.get(workspace, ()))
        if self.waiting + units > self._queue_limit or own + units > self._queue_limit / 2:
            raise Overloaded(
                f"{self._busy} variants are being written and {self.waiting} wait, {own} of them of this "
                f"workspace (limits {self._queue_limit} and half of it): try again in a moment, or raise "
                "PITCHWRIGHT_ENGINE_QUEUE"
            )

    @asynccontextmanager
    async def turn(self, workspace: str, units: int) -> AsyncGenerator[None]:
        """Wait for a turn to write so many units, and hold it; more than there is room for take all of it.

        Raises Overloaded at once when too many wait.
        """
        units = min(units, self._room)
        entry = self._enter(workspace, units)
        try:
            await entry.turn
            yield
        finally:
            self._leave(workspace, entry)

    def _enter(self, workspace: str, units: int) -> _Waiting:
        self.ask(workspace, units)
        entry = _Waiting(units)
        self._queues.setdefault(workspace, deque()).append(entry)
        self._give()
        return entry

    def _leave(self, workspace: str, entry: _Waiting) -> None:
        if entry.turn.done() and not entry.turn.cancelled():
            self._busy -= entry.units
        else:
            self._queues[workspace].remove(entry)
            self._forget(workspace)
        self._give()

    def _give(self) -> None:
        """Give turns while there is room for the next in line."""
        while self._queues:
            workspace = min(self._queues, key=self._clock)
            queue = self._queues[workspace]
            # A cancelled wait is still here until its task runs again and takes it out.
            entry = next((waiting for waiting in queue if not waiting.turn.done()), None)
            if entry is None or self._busy + entry.units > self._room:
                return
            queue.remove(entry)
            self._now = self._clock(workspace)
            self._clocks[workspace] = self._now + entry.units
            self._busy += entry.units
            entry.turn.set_result(None)
            self._forget(workspace)

    def _clock(self, workspace: str) -> float:
        return max(self._clocks.get(workspace, 0.0), self._now)

    def _forget(self, workspace: str) -> None:
        """Keep nothing of workspaces that do not wait, but clocks that are ahead."""
        if not self._queues[workspace]:
            del self._queues[workspace]
        self._clocks = {name: clock for name, clock in self._clocks.items() if clock > self._now}
