"""The chain shows any change; a key's share of requests fills evenly."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.audit.model import START, Act, Entry, chained, first_break
from service.errors import RateLimited
from service.rate_limits import RateLimits

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def log(length: int) -> list[Entry]:
    entries: list[Entry] = []
    for number in range(length):
        act = Act(at=NOW + timedelta(number), actor="pw_a", actor_name="crm", action=f"act {number % 3}")
        entries.append(chained(act, number + 1, entries[-1].digest if entries else START))
    return entries


def test_a_log_as_recorded_is_whole():
    assert first_break([]) is None
    assert first_break(log(20)) is None


@given(st.integers(0, 9), st.sampled_from(["actor", "action", "origin", "status", "at", "digest", "target"]))
def test_any_change_to_any_entry_breaks_the_chain_there(place: int, field: str):
    values: dict[str, Any] = {"status": 500, "at": NOW - timedelta(1), "target": {"item_id": "x"}}
    entries = log(10)
    entries[place] = msgspec.structs.replace(entries[place], **{field: values.get(field, "changed")})
    assert first_break(entries) == place + 1


@given(st.integers(0, 8))
def test_an_entry_taken_out_or_moved_breaks_the_chain(place: int):
    entries = log(10)
    assert first_break(entries[:place] + entries[place + 1 :]) == place + 1
    entries[place], entries[place + 1] = entries[place + 1], entries[place]
    assert first_break(entries) == place + 1


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_share_is_used_up_says_when_to_come_back_and_fills_evenly():
    clock = Clock()
    limits = RateLimits(60, clock)
    assert [limits.take("a").remaining for _ in range(60)] == list(range(59, -1, -1))
    with pytest.raises(RateLimited, match="60 requests a minute: wait 1 s") as caught:
        limits.take("a")
    assert caught.value.headers["Retry-After"] == "1"
    assert caught.value.headers["RateLimit-Remaining"] == "0"
    assert limits.take("b").remaining == 59
    clock.now += 1
    assert limits.take("a").remaining == 0
    clock.now += 3600
    assert limits.take("a").remaining == 59


@given(st.lists(st.floats(0, 5), max_size=200))
def test_no_minute_gives_more_than_twice_the_share(waits: list[float]):
    clock = Clock()
    limits = RateLimits(10, clock)
    taken: list[float] = []
    for wait in waits:
        clock.now += wait
        try:
            limits.take("a")
        except RateLimited:
            continue
        taken.append(clock.now)
    for start in taken:
        assert sum(start <= moment < start + 60 for moment in taken) <= 20
