"""The one bounded executor that CPU work (encode, search, generate, parse) runs in."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from service.errors import Overloaded
from service.tracing import span

P = ParamSpec("P")
R = TypeVar("R")


_abandoned: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar("abandoned", default=None)


class Abandoned(Exception):
    """Nobody waits for this work any more: it ends here, and nobody sees this."""


def stop_if_abandoned(*_progress: object) -> None:
    """Raise Abandoned in work of the executor whose waiter was cancelled; it may stand for a progress."""
    abandoned = _abandoned.get()
    if abandoned is not None and abandoned.is_set():
        raise Abandoned("whoever waited for this work was cancelled")


class BoundedExecutor:
    """Threads with a bounded queue: overload is said at once instead of growing a queue nobody outlives.

    `threads` work at a time and `queue_limit` more may wait. numpy, FAISS, Polars and torch release the
    interpreter lock, so threads are enough and share memory-mapped snapshots.
    """

    def __init__(self, threads: int, queue_limit: int = 256) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="pitchwright")
        self._limit = threads + queue_limit
        self._pending = 0

    @property
    def pending(self) -> int:
        """Calls that run or wait, for `/metrics`."""
        return self._pending

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `function` in a thread and return its result; raises Overloaded when the queue is full.

        A call whose waiter is cancelled before a thread took it never runs; one that runs already ends
        by itself, or where it next calls `stop_if_abandoned`, and counts as pending until it does.
        """
        if self._pending >= self._limit:
            raise Overloaded(
                f"{self._pending} calls are already running or waiting (limit {self._limit}): "
                "try again in a moment, or raise PITCHWRIGHT_EXECUTOR_THREADS"
            )
        with span(f"run {getattr(function, '__qualname__', type(function).__name__)}"):
            return await self._run(function, *args, **kwargs)

    async def _run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        context, abandoned = contextvars.copy_context(), threading.Event()
        context.run(_abandoned.set, abandoned)
        loop = asyncio.get_running_loop()
        self._pending += 1
        future = self._pool.submit(context.run, partial(function, *args, **kwargs))
        future.add_done_callback(lambda _: _count_down(loop, self._finished))
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            abandoned.set()
            raise

    def close(self) -> None:
        """Drop what waits and wait for what runs."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _finished(self) -> None:
        self._pending -= 1


def _count_down(loop: asyncio.AbstractEventLoop, finished: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(finished)
