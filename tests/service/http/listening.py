"""The real application behind the real server on a port of this machine, in this process."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import httpx
from granian.log import LogLevels
from granian.server.embed import Server
from litestar import Litestar

from service.benchmarks.processes import free_port
from service.serve import connection_options
from service.settings import Settings

DEFAULTS = Settings()


@contextlib.asynccontextmanager
async def listening(app: Litestar, settings: Settings = DEFAULTS) -> AsyncGenerator[str]:
    """Serve until the block ends; gives the address."""
    port = free_port()
    server = Server(app, port=port, log_level=LogLevels.error, **connection_options(settings))
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
