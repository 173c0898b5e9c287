"""The end of a server that others depend on, in an order in which nobody notices.

SIGTERM makes readiness say no, while requests are still taken and every connection ends with its answer, so
that a load balancer sends its requests elsewhere. Then no more connections are taken; what is under way ends,
or is broken off at the limit (503 where no answer had begun); jobs and leases are handed back as the runtime
closes. Ctrl-C begins with the second step.
"""

import asyncio
import os
import signal

import structlog
from litestar import Litestar

from service.runtime import Runtime
from service.telemetry import Telemetry


def drain_on_sigterm(app: Litestar) -> None:
    """Let SIGTERM drain this worker instead of stopping it; to be called in its event loop, as it starts.

    The server's own handler stays in charge of SIGINT, which ends what SIGTERM has begun.
    """
    begun = list[asyncio.Task[None]]()

    def begin() -> None:
        if not begun:  # a supervisor may tell the parent and this process, and the parent tells us as well
            begun.append(asyncio.create_task(_drain(app.state.runtime, app.state.telemetry)))

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, begin)


async def _drain(runtime: Runtime, telemetry: Telemetry) -> None:
    settings, log = runtime.settings, structlog.get_logger("pitchwright.draining")
    log.info("draining", requests=len(telemetry.in_flight), seconds=settings.drain_seconds)
    runtime.drain(settings.drain_seconds + settings.shutdown_seconds)
    telemetry.closing = True
    await asyncio.sleep(settings.drain_seconds)
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(settings.shutdown_seconds)
    log.warning("requests broken off", requests=len(telemetry.in_flight))
    for task in tuple(telemetry.in_flight):
        task.cancel()
