"""A process that builds snapshots in children and kills them: `python -m tests.indexing.build_server SHELF`.

It imports everything once and starts no thread, so that a child is a fork away from building. A line of JSON
on stdin asks for one build: `{"after_seconds": 0.1}` kills it then, `{"at": "rename", "number": 0}` right
before the first such call, `{}` lets it finish. The answer is a line with its exit status and seconds.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import indexing.shelf
import indexing.snapshot_files
from indexing import index_plan
from indexing.shelf import SnapshotShelf
from tests.indexing.plain_embedder import PlainEmbedder
from tests.indexing.small_world import make_world

KEEP = 2

IDLE = ("jemalloc", "polars-ooc")
"""Threads that importing starts: allocators tidying up, which survive a fork without them."""

POINTS: dict[str, tuple[Any, str]] = {
    "array": (np, "save"),
    "manifest": (indexing.snapshot_files, "write_manifest"),
    "flush": (os, "fsync"),
    "publish": (indexing.shelf, "publish_folder"),
    "rename": (Path, "rename"),
}
"""Where a build can be killed exactly: before a call of what stands in that place."""


def build(shelf: SnapshotShelf, seed: int) -> None:
    """Build and sweep as the service does; approximate and flat indexes come in pairs of turns."""
    world = make_world(24, seed)
    shelf.publish(world, PlainEmbedder(), now=datetime(2026, 6, 2, tzinfo=UTC))
    shelf.prune(keep=KEEP, now=datetime(2026, 6, 2, tzinfo=UTC))


def die_before(point: str, number: int) -> None:
    """Make the call after `number` others of that kind the last thing this process does not do."""
    place, name = POINTS[point]
    real: Callable[..., Any] = getattr(place, name)
    calls = iter(range(number))

    def last(*args: Any, **kwargs: Any) -> Any:
        if next(calls, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    setattr(place, name, last)


def force_approximate() -> None:
    """Build inverted lists however few the vectors, from those of the snapshot before where it has any."""
    place: Any = index_plan
    place.FLAT_BELOW = 8


def run(shelf: SnapshotShelf, seed: int, order: dict[str, Any]) -> dict[str, Any]:
    """Build in a child, kill it as ordered, say how it ended."""
    started = time.perf_counter()
    child = os.fork()
    if not child:
        try:
            if seed // 2 % 2:
                force_approximate()
            if "at" in order:
                die_before(order["at"], order["number"])
            build(shelf, seed)
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            os._exit(1)
        os._exit(0)
    if "after_seconds" in order:
        signal.sigtimedwait([signal.SIGCHLD], order["after_seconds"])
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return {"status": os.waitstatus_to_exitcode(status), "seconds": time.perf_counter() - started}


def thread_names() -> list[str]:
    """Name the threads of this process beside the first."""
    tasks = sorted(Path("/proc/self/task").iterdir(), key=lambda task: int(task.name))
    return [(task / "comm").read_text().strip() for task in tasks[1:]]


def main() -> None:
    """Answer orders until stdin ends."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    shelf = SnapshotShelf(Path(sys.argv[1]))
    working = [name for name in thread_names() if not name.startswith(IDLE)]
    assert not working, f"threads that a fork would not copy: {working}"
    for seed, line in enumerate(sys.stdin):
        print(json.dumps(run(shelf, seed, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
