"""A process that has servers run by children of its own: they start at once, since all is imported here.

For each line on standard input, a port, it forks a child that serves the real application there, and prints
the child's process id. Run as `python -m tests.journeys.event_server`, set up by PITCHWRIGHT_* variables.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server
from litestar import Litestar

from service.app import create_app
from service.settings import load_settings


def serve(app: Litestar, port: int) -> None:
    server = Server(app, port=port, interface=Interfaces.ASGI, log_level=LogLevels.error, websockets=False)
    asyncio.run(server.serve())


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the killed
    app = create_app(load_settings(os.environ, Path.cwd()), background=False)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            serve(app, int(line))
            os._exit(0)
        print(child, flush=True)


if __name__ == "__main__":
    main()
