"""Small writes of many requests in one transaction.

A request is answered once what it wrote is durable, and a disk takes milliseconds to make a transaction so,
one after the other. So writes that come while others are under way share the next transaction.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from service.db import Database

R = TypeVar("R")


class _Write(NamedTuple):
    workspace: str
    work: Callable[[AsyncSession], Awaitable[Any]]
    done: "asyncio.Future[Any]"


class GroupCommit:
    """Gathers writes while the database is busy."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Write] = []
        self._writing: asyncio.Task[None] | None = None

    async def write(self, workspace: str, work: Callable[[AsyncSession], Awaitable[R]]) -> R:
        """Do work in a transaction that others share, and return what it returns once it is durable.

        Raises what the work raises; then nothing of it is kept, and others are not touched: the work may run
        a second time, so it must do nothing but write. What the commit itself raises, all that shared it are
        told: where the connection broke there, nobody knows whether it is kept, so nothing is written again.
        Who gives up waiting may find it done.
        """
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Write(workspace, work, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        return await done

    async def close(self) -> None:
        """Wait until what was given is written."""
        if self._writing is not None:
            await self._writing

    async def _write_all(self) -> None:
        while self._waiting:
            taken, results = list[_Write](), list[Any]()
            try:
                async with self._database.write() as session:
                    # Only now that it is our turn: until then more may come.
                    taken = self._take()
                    for one in taken:
                        result = await one.work(session)
                        await session.flush()  # what is wrong with it comes out here, before the commit
                        results.append(result)
            except Exception as error:  # whatever it is, those who wait for it are told
                if taken and len(results) == len(taken):
                    _tell_all(taken, error)
                else:
                    await self._write_apart(taken or self._take(), error)
            else:
                for one, result in zip(taken, results, strict=True):
                    if not one.done.done():
                        one.done.set_result(result)

    async def _write_apart(self, taken: Sequence[_Write], error: Exception) -> None:
        """Give each a transaction of its own, so that one that fails takes no other with it."""
        for one in taken:
            try:
                if len(taken) == 1:
                    raise error
                async with self._database.write() as session:
                    result = await one.work(session)
            except Exception as own:  # as above
                _tell_all([one], own)
            else:
                if not one.done.done():
                    one.done.set_result(result)

    def _take(self) -> list[_Write]:
        """Take all, a workspace's together: two processes then lock workspaces in the same order."""
        taken, self._waiting = self._waiting, []
        return sorted(taken, key=lambda one: one.workspace)


def _tell_all(taken: Sequence[_Write], error: Exception) -> None:
    for one in taken:
        if not one.done.done():
            one.done.set_exception(error)
