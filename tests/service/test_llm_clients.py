"""Clients of an engine over HTTP: one for each request under way, and the one used last goes out first."""

import asyncio

import httpx

from service.llm.clients import Clients


async def test_each_request_has_a_client_of_its_own_and_waits_where_none_is_left() -> None:
    made = list[httpx.AsyncClient]()

    def make() -> httpx.AsyncClient:
        made.append(httpx.AsyncClient(verify=False))  # noqa: S501 -- it asks nobody; certificates take long to read
        return made[-1]

    clients = Clients(make, 2)
    async with clients.take() as first:
        async with clients.take() as second:
            third = asyncio.create_task(borrowed(clients))
            await asyncio.sleep(0)
            assert (made, third.done()) == ([first, second], False)
        assert await third is second
    async with clients.take() as again:
        assert again is first
    await clients.close()
    assert [each.is_closed for each in made] == [True, True]


async def borrowed(clients: Clients) -> httpx.AsyncClient:
    async with clients.take() as client:
        return client
