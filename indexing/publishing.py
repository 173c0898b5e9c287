"""Folders that appear whole or not at all: one builder at a time, a partial beside, a rename at the end."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from indexing.errors import SnapshotError

PARTIAL_PREFIX = ".partial-"
_LOCK = ".build.lock"
_LOOK_EVERY_SECONDS = 0.1

Waiting = Callable[[float], None]
"""Called with the seconds that a builder will wait at most, once, before it waits for another's end."""


@contextmanager
def partial_folder(
    shelf: Path, *, wait_seconds: float = 0, waiting: Waiting | None = None
) -> Generator[Path]:
    """Give a new folder in `shelf` to build in; whatever is left of it afterwards is removed.

    One at a time for all processes: raises `SnapshotError` while another one is open, after waiting
    `wait_seconds` for its end. Partial folders that a kill left behind are swept first. An `OSError`
    inside, such as a full disk, becomes a `SnapshotError` that gives the cause.
    """
    try:
        shelf.mkdir(parents=True, exist_ok=True)
        with (shelf / _LOCK).open("wb") as lock:
            _take(lock.fileno(), shelf, wait_seconds, waiting)
            sweep_partials(shelf)
            partial = Path(tempfile.mkdtemp(prefix=PARTIAL_PREFIX, dir=shelf))
            try:
                yield partial
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        cause = os.strerror(error.errno) if error.errno else str(error)
        raise SnapshotError(
            f"The snapshot could not be written to {shelf}: {cause}. What was published before is untouched; "
            "make room or choose another folder, then build again."
        ) from error


def publish_folder(partial: Path, folder: Path) -> None:
    """Flush everything in `partial` to disk and give it its final name by one rename; raises `OSError`."""
    for path in partial.iterdir():
        _flush(path)
    _flush(partial)
    partial.chmod(0o755)
    partial.rename(folder)
    _flush(folder.parent)


def withdraw_folder(folder: Path) -> None:
    """Take a published folder away by one rename, then remove it; raises `OSError`.

    Whenever this is interrupted, the folder is whole or gone: the next build sweeps what is left.
    """
    withdrawn = Path(tempfile.mkdtemp(prefix=PARTIAL_PREFIX, dir=folder.parent))
    folder.rename(withdrawn / folder.name)
    shutil.rmtree(withdrawn, ignore_errors=True)


def sweep_partials(shelf: Path) -> None:
    """Remove partial folders; only the holder of the build lock may."""
    for path in shelf.glob(f"{PARTIAL_PREFIX}*"):
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def locked_folder(folder: Path) -> Generator[None]:
    """Hold a folder's own lock, for moments only: everyone else waits."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _take(lock: int, shelf: Path, wait_seconds: float, waiting: Waiting | None) -> None:
    until = time.monotonic() + wait_seconds
    told = False
    while not _try(lock):
        if time.monotonic() >= until:
            waited = f" still, after {wait_seconds:g} s," if wait_seconds else ""
            raise SnapshotError(
                f"Another build is running{waited} in {shelf}: wait for it to end, then build again if you "
                "still need to."
            )
        if waiting is not None and not told:
            waiting(wait_seconds)
            told = True
        time.sleep(_LOOK_EVERY_SECONDS)  # flock knows no time limit; builds run in a thread of their own


def _try(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kernel lets go when the builder is killed
    except BlockingIOError:
        return False
    return True


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
