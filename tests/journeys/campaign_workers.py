"""A process whose children are workers of campaigns: they start at once, since all is imported here.

For each line on standard input it forks a child that works on the store that the PITCHWRIGHT_* variables
name, beside requests where the line is a port, and prints the child's process id. Scorers are left out: what
is tested is who writes what. Run as `python -m tests.journeys.campaign_workers`.
"""

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from prompts.checks.language import load_detector
from service import app
from service import runtime as runtime_module
from service.campaigns import writing
from service.campaigns.worker import Worker
from service.console import log_to_stderr
from service.runtime import Runtime, open_runtime
from service.settings import load_settings
from tests.indexing.plain_embedder import PlainEmbedder
from tests.service.campaigns.conftest import unscored

LEASE = timedelta(seconds=2)


async def work() -> None:
    async with open_runtime(load_settings(os.environ, Path.cwd())) as runtime:
        await work_within(runtime)


async def work_within(runtime: Runtime) -> None:
    """Write as `serve` does, with a lease that does not outlast the test."""
    await Worker(runtime, concurrency=4, lease=LEASE).run()


async def serve(port: int) -> None:
    app.work_forever = work_within
    made = app.create_app(load_settings(os.environ, Path.cwd()))
    await Server(
        made, port=port, interface=Interfaces.ASGI, log_level=LogLevels.error, websockets=False
    ).serve()


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the killed
    log_to_stderr("error")  # what is printed is process ids alone
    runtime_module._load_embedder = lambda _: PlainEmbedder()  # pyright: ignore[reportPrivateUsage] # no model is read
    writing.score_beside = unscored
    writing.rules_digest()
    load_detector()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            asyncio.run(serve(int(line)) if line.strip() else work())
            os._exit(0)
        print(child, flush=True)


if __name__ == "__main__":
    main()
