"""`pitchwright worker`: a process that writes campaigns, beside as many others as there are."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import click

from service.console import note, run
from service.heaps import give_back_freed

if TYPE_CHECKING:
    from service.runtime import Runtime


@click.command()
@click.option("--workspace", "only", help="Write for this workspace alone [all of the store].")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 4096),
    help="Variants under way at a time [three times PITCHWRIGHT_ENGINE_CONCURRENCY].",
)
@click.option("--until-done", is_flag=True, help="End when no campaign has units left to be taken.")
def worker(only: str | None, concurrency: int | None, until_done: bool) -> None:
    """Write the campaigns that were ordered over HTTP, until Ctrl-C or SIGTERM.

    Any number of workers share a store. One that ends gives back what it cannot finish in a few seconds; what
    one that was killed had under way is taken by others within a minute.

    Example: pitchwright worker --concurrency 64
    """

    async def work(runtime: "Runtime") -> None:
        from service.campaigns.worker import Worker
        from service.loaded import set_apart

        await runtime.embedder()
        set_apart()
        # While a third is with the engine, others are looked up, and others scored and stored.
        at_once = concurrency or 3 * runtime.settings.engine_concurrency
        working = Worker(runtime, concurrency=at_once, workspace=only)
        await until_told(working.run(until_done=until_done))

    give_back_freed()
    note("Writing campaigns until Ctrl-C.")
    run(work)


async def until_told(work: Coroutine[Any, Any, None]) -> None:
    """Do work until it ends, or SIGTERM cancels it: that is how a worker ends, and no failure."""
    task = asyncio.create_task(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await asyncio.wait([task])
    finally:  # Ctrl-C cancels the wait
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if not task.cancelled():
        task.result()
