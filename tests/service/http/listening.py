"""The real application behind the real server on a port of this machine, in this process."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import httpx
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server
from litestar import Litestar

from service.benchmarks.processes import free_port


@contextlib.asynccontextmanager
async def listening(app: Litestar) -> AsyncGenerator[str]:
    """Serve until the block ends; gives the address."""
    port = free_port()
    server = Server(app, port=port, interface=Interfaces.ASGI, log_level=LogLevels.error, websockets=False)
    serving = asyncio.create_task(server.serve())
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient() as client, asyncio.timeout(30):
        while True:
            with contextlib.suppress(httpx.TransportError):
                await client.get(f"{url}/health/live")
                break
            await asyncio.sleep(0.01)
    try:
        yield url
    finally:
        server.stop()
        await serving
