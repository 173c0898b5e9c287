"""`pitchwright serve`: the HTTP application behind granian, in a process that Ctrl-C ends cleanly."""

import math
import multiprocessing
import os
import signal
import socket
import sys
import threading
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.console import global_options, log_to_stderr, note, quieten_libraries, settings_for
from service.errors import PortInUse
from service.heaps import give_back_freed

if TYPE_CHECKING:
    from service.settings import Settings

LAST_SECONDS = 10
"""How long a worker may take to close what it holds, once nothing is under way any more."""


def run_server(settings: "Settings") -> None:
    """Serve until a signal ends it.

    The worker makes the application itself, so that nothing of it is shared with the parent. Raises PortInUse
    before anything is started when another program listens there, and `eval.errors.DatasetError` when the
    headline tests that the settings name are none, ExtraMissing when what sends traces is not installed.
    """
    from granian.log import LogLevels
    from granian.server import Server

    from service.tracing import exporter_to

    if settings.headline_tests:
        from service.scoring.tested import read_rivals

        read_rivals(Path(settings.headline_tests))
    if settings.trace_url is not None:
        exporter_to(settings.trace_url)
    check_port(settings.host, settings.port)
    server = Server(
        "service.app:create_app",
        address=settings.host,
        port=settings.port,
        workers=1,
        log_level=LogLevels.warning,
        workers_kill_timeout=math.ceil(settings.drain_seconds + settings.shutdown_seconds) + LAST_SECONDS,
        **connection_options(settings),
    )
    server.serve(target_loader=partial(_load, settings), wrap_loader=False)


def connection_options(settings: "Settings") -> dict[str, Any]:
    """Say what holds for every connection, as granian's servers take it.

    HTTP/1 alone: where granian waits to see which version it is, a connection that says nothing is never
    closed.
    """
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings

    return {
        "interface": Interfaces.ASGI,
        "http": HTTPModes.http1,
        "http1_settings": HTTP1Settings(header_read_timeout=round(settings.body_timeout_seconds * 1000)),
        "websockets": False,
    }


def check_port(host: str, port: int) -> None:
    """Raise PortInUse when `host:port` cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortInUse(
                f"cannot listen on {host}:{port} ({error.strerror}): "
                "stop the other program, or choose another port with PITCHWRIGHT_PORT or `serve --port`"
            ) from None


def _load(settings: "Settings") -> Any:
    from service.app import create_app
    from service.draining import drain_on_sigterm

    give_back_freed()
    end_with_parent()
    log_to_stderr(settings.log_level)
    app = create_app(settings)
    app.on_startup.append(drain_on_sigterm)
    return app


def end_with_parent() -> None:
    """End this process, as SIGTERM does, when the one that started it is gone, also when that one was killed.

    A worker left behind would go on serving, and hold the port against the next start.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def follow() -> None:
        wait([sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=follow, name="pitchwright-parent", daemon=True).start()


@click.command()
@click.option("--host", help="Address to listen on [PITCHWRIGHT_HOST].")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on [PITCHWRIGHT_PORT].")
def serve(host: str | None, port: int | None) -> None:
    """Serve the HTTP API until Ctrl-C. Its documentation is at /schema.

    Example: pitchwright serve --port 8080
    """
    import msgspec

    settings = settings_for(global_options())
    changes = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = msgspec.structs.replace(settings, **changes)
    quieten_libraries()
    if sys.stderr.isatty():
        note(f"Serving on http://{settings.host}:{settings.port} until Ctrl-C.")
    run_server(settings)
