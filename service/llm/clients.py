"""A client for each request that an engine over HTTP has under way."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import httpx


class Clients:
    """At most so many clients, each with connections of its own, for one request at a time.

    A client looks at each of its idle connections whenever a request begins or ends, with system calls. With
    one client for all, 32 requests at once pay for 32 connections each: more than all else of asking.
    """

    def __init__(self, make: Callable[[], httpx.AsyncClient], most: int) -> None:
        self._make = make
        self._room = asyncio.Semaphore(most)
        self._made: list[httpx.AsyncClient] = []
        self._idle: list[httpx.AsyncClient] = []

    @asynccontextmanager
    async def take(self) -> AsyncGenerator[httpx.AsyncClient]:
        """Lend a client, the one used last; where all are lent, wait for a turn."""
        async with self._room:
            client = self._idle.pop() if self._idle else self._new()
            try:
                yield client
            finally:
                self._idle.append(client)

    async def close(self) -> None:
        """Close their connections."""
        for client in self._made:
            await client.aclose()

    def _new(self) -> httpx.AsyncClient:
        self._made.append(client := self._make())
        return client
