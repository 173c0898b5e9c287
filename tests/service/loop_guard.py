"""Catches what blocks the event loop, without a stopwatch on the wall.

Two nets, both only while a loop runs in the current thread: primitives that wait (sleep, SQLite, blocking
sockets, subprocesses, opening files) raise at once, with a traceback that shows who called; and a callback
that burns more processor time of its own thread than the bound is reported when the guard ends. Processor
time is the thread's own, so a busy machine does not make it longer.
"""

import asyncio
import builtins
import contextlib
import gc
import io
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

CALLBACK_CPU_SECONDS = 0.5

_SOCKET_CALLS = ("connect", "accept", "recv", "recv_into", "send", "sendall")


class BlockingCall(AssertionError):
    """Something blocked the event loop."""


def on_loop() -> bool:
    """Whether this thread is inside a running event loop."""
    return asyncio._get_running_loop() is not None  # pyright: ignore[reportPrivateUsage]


def _refusing(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if on_loop():
            raise BlockingCall(
                f"{name}{args!r:.120} was called on the event loop: await runtime.run(...) instead"
            )
        return original(*args, **kwargs)

    return guarded


def _refusing_socket(name: str) -> Callable[..., Any]:
    original = getattr(socket.socket, name)

    def guarded(self: socket.socket, *args: Any, **kwargs: Any) -> Any:
        if self.gettimeout() != 0 and on_loop():
            raise BlockingCall(f"socket.{name} on a blocking socket was called on the event loop")
        return original(self, *args, **kwargs)

    return guarded


class _CollectorTime:
    """Processor time of the garbage collector, which strikes any callback and is no callback's fault."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._start = 0.0

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        del info
        if phase == "start":
            self._start = time.thread_time()
        else:
            self.seconds += time.thread_time() - self._start


@contextlib.contextmanager
def guarded_loop(callback_cpu_seconds: float = CALLBACK_CPU_SECONDS) -> Iterator[list[str]]:
    """Refuse blocking calls on the loop; at the end raise for callbacks that computed too long."""
    slow: list[str] = []
    run_handle = asyncio.events.Handle._run  # pyright: ignore[reportPrivateUsage]

    collecting = _CollectorTime()

    def timed(handle: asyncio.Handle) -> None:
        start, collected = time.thread_time(), collecting.seconds
        run_handle(handle)
        spent = time.thread_time() - start - (collecting.seconds - collected)
        if spent > callback_cpu_seconds:
            slow.append(f"{handle!r:.300} computed for {spent:.2f} s on the event loop")

    with contextlib.ExitStack() as patches:
        gc.callbacks.append(collecting)
        patches.callback(gc.callbacks.remove, collecting)
        for owner, name in ((time, "sleep"), (sqlite3, "connect"), (builtins, "open"), (io, "open")):
            patches.enter_context(
                mock.patch.object(owner, name, _refusing(f"{owner.__name__}.{name}", getattr(owner, name)))
            )
        patches.enter_context(
            mock.patch.object(subprocess.Popen, "wait", _refusing("Popen.wait", subprocess.Popen.wait))
        )
        for name in _SOCKET_CALLS:
            patches.enter_context(mock.patch.object(socket.socket, name, _refusing_socket(name), create=True))
        patches.enter_context(mock.patch.object(asyncio.events.Handle, "_run", timed))
        yield slow
    if slow:
        raise BlockingCall("; ".join(slow))
