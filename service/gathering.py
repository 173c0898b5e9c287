"""Work of many requests done in one call, where doing it together is cheaper: in the executor, or the store.

A call that comes while another is under way waits and shares the next one with all that come meanwhile: a
lone request waits for nobody, and the busier it is, the more is shared.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

J = TypeVar("J")
R = TypeVar("R")

Work = Callable[[Sequence[J]], Sequence[R] | Awaitable[Sequence[R]]]
"""Does jobs; one result each, in order."""


class _Job(NamedTuple, Generic[J, R]):
    asked: J
    done: "asyncio.Future[R]"


class Gathering(Generic[J, R]):
    """Gathers jobs while others are done, at most `most` for one call.

    `run` calls the work: `Runtime.run`, or `awaited` for work that waits for others. Jobs nobody is in a
    hurry for wait `pause_seconds` for others before each call.
    """

    def __init__(
        self,
        run: Callable[..., Coroutine[Any, Any, Any]],
        work: Work[J, R],
        most: int,
        pause_seconds: float = 0.0,
    ) -> None:
        self._run = run
        self._work = work
        self._most = most
        self._pause_seconds = pause_seconds
        self._waiting: list[_Job[J, R]] = []
        self._working: asyncio.Task[None] | None = None

    async def do(self, asked: J) -> R:
        """Have a job done; raises what it raises by itself, whatever the others do.

        One whose waiter is cancelled before it is taken is not done.
        """
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Job(asked, done))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work_all())
        return await done

    async def _work_all(self) -> None:
        while self._waiting:
            if self._pause_seconds and len(self._waiting) < self._most:
                await asyncio.sleep(self._pause_seconds)
            wanted = [job for job in self._waiting if not job.done.done()]
            taken, self._waiting = wanted[: self._most], wanted[self._most :]
            if not taken:
                return
            try:
                await self._do(taken)
            except asyncio.CancelledError:
                for job in (*taken, *self._waiting):
                    job.done.cancel()
                raise

    async def _do(self, taken: Sequence[_Job[J, R]]) -> None:
        try:
            results = await self._run(self._work, [job.asked for job in taken])
        except Exception as error:  # whatever it is, whoever waits is told
            if len(taken) > 1:
                for job in taken:
                    await self._do([job])
            elif not taken[0].done.done():
                taken[0].done.set_exception(error)
            return
        for job, result in zip(taken, results, strict=True):
            if not job.done.done():
                job.done.set_result(result)


async def awaited(work: Callable[[Sequence[J]], Awaitable[Sequence[R]]], asked: Sequence[J]) -> Sequence[R]:
    """Do work in the event loop, as the `run` of a gathering."""
    return await work(asked)
