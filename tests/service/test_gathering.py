"""Work of many requests in one call: shared while it is busy, and nobody pays for another's failure."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from service.errors import Overloaded
from service.gathering import Gathering, awaited


class Bench:
    """Doubles numbers, one call at a time, when it is let; refuses zero."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.called, self.gate = asyncio.Event(), asyncio.Event()

    async def run(self, work: Callable[[Sequence[int]], Any], asked: Sequence[int]) -> Any:
        self.calls.append(list(asked))
        self.called.set()
        await self.gate.wait()
        return work(asked)


def doubled(asked: Sequence[int]) -> list[int]:
    if 0 in asked:
        raise Overloaded("no room for nothing")
    return [2 * each for each in asked]


async def gathered(bench: Bench, jobs: Sequence[int], most: int = 4) -> list["asyncio.Task[int]"]:
    """Ask for the first job alone, then for the rest while it is done."""
    gathering = Gathering[int, int](bench.run, doubled, most)
    tasks = [asyncio.create_task(gathering.do(jobs[0]))]
    await bench.called.wait()
    tasks += [asyncio.create_task(gathering.do(job)) for job in jobs[1:]]
    await asyncio.sleep(0)
    return tasks


async def test_what_comes_while_one_is_done_is_done_together() -> None:
    bench = Bench()
    tasks = await gathered(bench, range(1, 8))
    bench.gate.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8, 10, 12, 14]
    assert bench.calls == [[1], [2, 3, 4, 5], [6, 7]]


async def test_one_that_fails_takes_no_other_with_it() -> None:
    bench = Bench()
    tasks = await gathered(bench, [1, 2, 0, 3])
    bench.gate.set()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert (done[0], done[1], done[3]) == (2, 4, 6)
    assert isinstance(done[2], Overloaded)


async def test_one_nobody_waits_for_is_not_done() -> None:
    bench = Bench()
    tasks = await gathered(bench, [1, 2, 3])
    tasks[1].cancel()
    await asyncio.sleep(0)
    bench.gate.set()
    assert [await tasks[0], await tasks[2]] == [2, 6]
    assert bench.calls == [[1], [3]]


async def test_where_the_executor_goes_whoever_waits_is_told() -> None:
    async def gone(*_: object) -> list[int]:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await Gathering[int, int](gone, doubled, 4).do(1)


async def test_jobs_in_no_hurry_wait_for_others_and_a_full_call_waits_for_none() -> None:
    bench = Bench()
    bench.gate.set()
    gathering = Gathering[int, int](bench.run, doubled, 3, pause_seconds=0.05)
    first = asyncio.create_task(gathering.do(1))
    await asyncio.sleep(0.01)
    assert not bench.calls
    assert await asyncio.gather(first, gathering.do(2)) == [2, 4]
    assert bench.calls == [[1, 2]]
    patient = Gathering[int, int](bench.run, doubled, 3, pause_seconds=60)
    async with asyncio.timeout(5):
        assert await asyncio.gather(*map(patient.do, (3, 4, 5))) == [6, 8, 10]


async def test_work_that_waits_for_others_is_gathered_as_well() -> None:
    async def read(asked: Sequence[int]) -> list[int]:
        await asyncio.sleep(0)
        return doubled(asked)

    gathering = Gathering[int, int](awaited, read, 4)
    assert await asyncio.gather(*map(gathering.do, (1, 2, 3))) == [2, 4, 6]
    with pytest.raises(Overloaded):
        await gathering.do(0)
