"""The output folder of a campaign: whole units of JSON lines that survive a kill.

`variants.jsonl` is appended to a unit at a time and flushed to disk, so that after a kill at most the last
unit is torn; opening the folder again cuts the torn end off. A lock keeps two runs out of one folder.
"""

import fcntl
import os
from collections.abc import Collection, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO

import msgspec

from service.campaigns.model import CampaignSummary, Row
from service.errors import Conflict, DependencyError, InvalidInput

VARIANTS = "variants.jsonl"
SUPERSEDED = "superseded.jsonl"
SUMMARY = "summary.json"
_LOCK = ".lock"


class Results:
    """An open output folder, used with `with`; holds the folder's lock until closed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / VARIANTS
        self._lock: IO[bytes] | None = None
        self._file: IO[bytes] | None = None

    def __enter__(self) -> "Results":
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise InvalidInput(f"--out {self.folder} is a file: name a folder") from None
        except OSError as error:
            raise InvalidInput(
                f"--out {self.folder} cannot be made ({error.strerror}): name a folder you may write to"
            ) from None
        self._lock = (self.folder / _LOCK).open("ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise Conflict(
                f"{self.folder} is being written by another run: wait for it or name another folder"
            ) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in (self._file, self._lock):
            if stream is not None:
                with suppress(OSError):  # what a full disk did not take is tried again; it was said already
                    stream.close()

    def resume(self, wanted: Collection[str]) -> tuple[dict[str, list[Row]], int]:
        """Read the finished units among the wanted digests and make the file hold exactly those.

        Torn lines and incomplete units are cut off, since they will be written again; whole units that are
        not wanted move to `superseded.jsonl`. Answers the rows by digest and how many rows were moved.
        Raises DependencyError, as `add` and `finish` do, when the disk takes no more.
        """
        finished = whole_units(self.path.read_bytes() if self.path.exists() else b"")
        kept = {digest: rows for digest, rows in finished.items() if digest in set(wanted)}
        moved = [row for digest, rows in finished.items() if digest not in kept for row in rows]
        with self._writing():
            if moved:
                with (self.folder / SUPERSEDED).open("ab") as stream:
                    _write(stream, moved)
            fresh = self.folder / f"{VARIANTS}.new"
            with fresh.open("wb") as stream:
                _write(stream, [row for rows in kept.values() for row in rows])
            fresh.replace(self.path)
            self._file = self.path.open("ab")
        return kept, len(moved)

    def add(self, rows: list[Row]) -> None:
        """Append one finished unit and put it on disk before returning. Call `resume` first."""
        if self._file is None:
            raise RuntimeError("Results.add before Results.resume")
        with self._writing():
            _write(self._file, rows)

    def finish(self, summary: CampaignSummary) -> None:
        """Write `summary.json` in one piece."""
        fresh = self.folder / f"{SUMMARY}.new"
        with self._writing():
            fresh.write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")
            fresh.replace(self.folder / SUMMARY)

    @contextmanager
    def _writing(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise DependencyError(
                f"{self.folder} cannot be written ({error.strerror}): make room, and run it again; the units "
                "that are finished there are kept"
            ) from error


def whole_units(content: bytes) -> dict[str, list[Row]]:
    """Find the units whose rows are all there, in order; anything torn or foreign is left out."""
    units: dict[str, list[Row]] = {}
    for line in content.splitlines():
        row = _row(line)
        if row is not None:
            units.setdefault(row.unit, []).append(row)
    return {
        digest: rows
        for digest, rows in units.items()
        if [row.number for row in rows] == list(range(1, rows[0].of + 1))
    }


def _row(line: bytes) -> Row | None:
    try:
        return msgspec.json.decode(line, type=Row)
    except (msgspec.DecodeError, UnicodeDecodeError):  # a torn line: its unit will be written again
        return None


def _write(stream: IO[bytes], rows: list[Row]) -> None:
    """One call to the system per unit; a line that a kill tore off is seen by its missing rows."""
    stream.write(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    stream.flush()
    os.fsync(stream.fileno())
