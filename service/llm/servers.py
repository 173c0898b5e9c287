"""Several servers behind one engine: which of them is asked next, and which rests after failing.

A server that fails `BREAKS_AFTER` times in a row is left alone for a while, twice as long each time; after
its rest one request tries it, and only its answer brings the others back (a circuit breaker, as in Nygard,
"Release It!", 2007).
"""

import math
import time
from collections.abc import Callable, Sequence

from prompts.errors import EngineUnavailable

BREAKS_AFTER = 5
"""Failures in a row after which a server rests."""
FIRST_REST_SECONDS, LONGEST_REST_SECONDS = 2.0, 60.0


class Server:
    """One server and how it has been lately."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.in_flight = 0
        """Requests it is working on for this process."""
        self.failures = 0
        """In a row, up to now."""
        self.rests_until = -math.inf

    def succeeded(self) -> None:
        """Note an answer, whatever it says: the server works."""
        self.failures, self.rests_until = 0, -math.inf

    def failed(self, now: float) -> None:
        """Note that it was down, broke off, was too late or said that it cannot work."""
        self.failures += 1
        beyond = self.failures - BREAKS_AFTER
        if beyond >= 0:
            self.rests_until = now + min(FIRST_REST_SECONDS * 2.0**beyond, LONGEST_REST_SECONDS)

    @property
    def rests(self) -> bool:
        """Whether it failed so often that it is not asked as usual, until an answer comes."""
        return self.failures >= BREAKS_AFTER

    def takes_work(self, now: float) -> bool:
        """Whether it may be asked: it does not rest, and after a rest nobody else is trying it."""
        if now < self.rests_until:
            return False
        return not self.rests or self.in_flight == 0


class Servers:
    """All servers of one engine."""

    def __init__(self, roots: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        """Take the roots in order; raises `EngineUnavailable` when there is none."""
        if not roots:
            raise EngineUnavailable("no engine address is given: set PITCHWRIGHT_ENGINE_URL")
        self.clock = clock
        self.all = tuple(map(Server, dict.fromkeys(roots)))

    def choose(self, avoid: Server | None = None) -> Server:
        """Return the least busy server that takes work, another than `avoid` where there is one.

        Raises `EngineUnavailable` when all of them rest.
        """
        now = self.clock()
        able = [server for server in self.all if server.takes_work(now)]
        if not able:
            wait = min(max(server.rests_until - now, 0.0) for server in self.all)
            roots = ", ".join(server.root for server in self.all)
            raise EngineUnavailable(
                f"no engine answers at {roots} after {BREAKS_AFTER} failures in a row: the next try is in "
                f"{math.ceil(wait)} s; start it or correct PITCHWRIGHT_ENGINE_URL"
            )
        others = [server for server in able if server is not avoid] or able
        return min(others, key=lambda server: server.in_flight)
