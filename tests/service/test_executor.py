"""The bounded executor: says overload at once, loses nothing, ends cleanly."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from service.console import Progress
from service.errors import Overloaded
from service.executor import Abandoned, BoundedExecutor


@pytest.fixture
def executor() -> Iterator[BoundedExecutor]:
    made = BoundedExecutor(threads=1, queue_limit=1)
    yield made
    made.close()


async def test_it_runs_in_a_thread_with_arguments_and_passes_errors_on(executor: BoundedExecutor):
    def work(a: int, *, b: int) -> tuple[int, bool]:
        return a // b, threading.current_thread() is threading.main_thread()

    assert await executor.run(work, 7, b=2) == (3, False)
    with pytest.raises(ZeroDivisionError):
        await executor.run(work, 7, b=0)
    assert executor.pending == 0


async def test_a_full_queue_is_said_at_once_and_empties_again(executor: BoundedExecutor):
    gate = threading.Event()
    waiting = [asyncio.create_task(executor.run(gate.wait, 30)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="limit 2"):
        await executor.run(int)
    gate.set()
    assert await asyncio.gather(*waiting) == [True, True]
    assert await executor.run(int) == 0


async def test_cancelled_work_that_waited_never_runs_and_frees_its_place(executor: BoundedExecutor):
    gate, ran = threading.Event(), threading.Event()
    first = asyncio.create_task(executor.run(gate.wait, 30))
    second = asyncio.create_task(executor.run(ran.set))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.set()
    await first
    assert await executor.run(int) == 0
    assert not ran.is_set()
    assert executor.pending == 0


async def test_cancelled_work_that_runs_ends_at_its_next_report(executor: BoundedExecutor):
    begun, cancelled, ended = asyncio.Event(), threading.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    progress = Progress(quiet=True)

    def work() -> None:
        try:
            progress("half", 1, 2)
            loop.call_soon_threadsafe(begun.set)
            assert cancelled.wait(30)
            progress("whole", 2, 2)
        except Abandoned:
            ended.set()

    task = asyncio.create_task(executor.run(work))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    cancelled.set()
    assert await executor.run(ended.wait, 30)
    await executor.run(progress, "another", 1, 1)
