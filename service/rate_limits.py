"""How many requests a key may send: a token bucket for each, in this process.

Several processes each give a key its whole share: set the limit with that in mind.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from service.errors import RateLimited

MOST_KEYS = 10_000
"""Buckets kept; the one unused for longest is full by the time it is forgotten, or close to it."""


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of a key's share."""

    limit: int
    remaining: int
    reset_seconds: int
    """Until the share is whole again."""

    def headers(self) -> dict[str, str]:
        """`RateLimit-*`, as of draft-ietf-httpapi-ratelimit-headers-07."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_seconds),
        }


class RateLimits:
    """Buckets of `per_minute` requests that fill evenly."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key_id: str) -> Allowance:
        """Take one request out of a key's bucket; raises RateLimited when it holds none."""
        now = self._clock()
        full, rate = float(self._per_minute), self._per_minute / 60
        level, filled_at = self._buckets.get(key_id, (full, now))
        level = min(full, level + max(now - filled_at, 0) * rate)
        taken = level >= 1
        level -= taken
        self._buckets[key_id] = (level, now)
        self._buckets.move_to_end(key_id)
        while len(self._buckets) > MOST_KEYS:
            self._buckets.popitem(last=False)
        reset = _seconds((full - level) / rate)
        allowance = Allowance(limit=self._per_minute, remaining=int(level), reset_seconds=reset)
        if not taken:
            wait = _seconds((1 - level) / rate)
            raise RateLimited(
                f"this key has sent its {self._per_minute:,} requests a minute: wait {wait} s, or send more "
                "rows in one request",
                {**allowance.headers(), "Retry-After": str(wait)},
            )
        return allowance


def _seconds(exact: float) -> int:
    return -int(-exact // 1)
