"""Processes a benchmark starts, and what they cost."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from service.errors import DependencyError

START_SECONDS = 120.0
STOP_SECONDS = 20.0


def free_port() -> int:
    """Return a port of this machine that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(
    arguments: Sequence[str | Path], health: str, log: Path, environment: Mapping[str, str] | None = None
) -> Generator[int]:
    """Run this Python with arguments until the block ends; give the process's id once `health` answers 200.

    Raises DependencyError, with the end of its log, when it does not come up.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )
        try:
            _wait(process, health, log)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: "subprocess.Popen[bytes]", health: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(health, timeout=5).is_success:
                return
        except httpx.TransportError:
            pass
        # Between two looks; a benchmark has nothing else to do until the process is there.
        time.sleep(0.1)
    raise DependencyError(f"{process.args!r} did not come up: {log.read_text(errors='replace')[-2000:]}")


def cpu_seconds(process: int) -> float | None:
    """Return what a process and its children have used so far; none where there is no /proc."""
    family = _family(process)
    if family is None:
        return None
    ticks = sum(int(values[11]) + int(values[12]) for values in family.values())
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_bytes(process: int) -> int | None:
    """Return the memory a process and its children have resident; none where there is no /proc.

    Pages they share count once for each of them.
    """
    family = _family(process)
    if family is None:
        return None
    return sum(int(values[21]) for values in family.values()) * os.sysconf("SC_PAGE_SIZE")


def open_handles(process: int) -> int | None:
    """Count files, sockets and pipes that a process and its children hold open; none without a /proc."""
    family = _family(process)
    if family is None:
        return None
    held = 0
    for each in family:
        try:
            held += sum(1 for _ in Path(f"/proc/{each}/fd").iterdir())
        except OSError:  # it has ended meanwhile
            continue
    return held


def _family(process: int) -> dict[int, list[str]] | None:
    """Read what proc(5) tells in `stat` of a process and its children, after their names."""
    if not Path("/proc/self/stat").exists():
        return None
    found = dict[int, list[str]]()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # After the name, in brackets: state, parent, ... so that utime is 11 and rss is 21.
                found[int(entry.name)] = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue

    def descends(one: int) -> bool:
        while one and one != process:
            one = int(found[one][1]) if one in found else 0
        return one == process

    return {one: values for one, values in found.items() if descends(one)}
