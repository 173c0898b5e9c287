"""The files of a send list: the list, who was set aside and why, and the counts.

Each is written beside its name with `.part` behind it, and takes its name when all of them are whole: a list
that has its name is a whole one. The summary comes last, and an older one goes first, so that a summary is
always about the list beside it. The lock on the list's part keeps two exports out of one file.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import msgspec
import polars as pl

from service.campaigns.send_list_counts import SendFormat
from service.errors import Conflict, DependencyError, InvalidInput
from service.exports.formats import JsonLines, writer_of
from service.exports.model import Format

_FORMATS: dict[SendFormat, Format] = {"csv": "csv", "jsonl": "ndjson", "parquet": "parquet"}


def refused_file(out: Path) -> Path:
    """Name the file of those who were set aside."""
    return out.with_name(f"{out.name}.refused.jsonl")


def summary_file(out: Path) -> Path:
    """Name the file of the counts."""
    return out.with_name(f"{out.name}.summary.json")


class SendListFiles:
    """The files under way, used with `with`; what is not finished leaves nothing behind.

    Entering raises InvalidInput for a place that cannot be written to, and Conflict while another export
    writes there; writing raises DependencyError, with the reason, when the disk takes no more.
    """

    def __init__(self, out: Path, form: SendFormat, schema: pl.Schema) -> None:
        self._out = out
        self._format: Format = _FORMATS[form]
        self._schema = schema
        self._parts = [_part(each) for each in (out, refused_file(out), summary_file(out))]
        self._begun = False
        self._finished = False

    def __enter__(self) -> "SendListFiles":
        self._list = _locked(self._out)
        self._streams = [self._list]
        try:
            with self._writing():
                self._list.truncate(0)
                self._refused = self._parts[1].open("wb")
                self._streams.append(self._refused)
                self._writer = writer_of(self._format, self._list, self._schema)
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._finished:
            self._writer.abandon()
        self._leave()

    def _leave(self) -> None:
        if not self._finished:
            for part in self._parts:
                part.unlink(missing_ok=True)
        for stream in self._streams:
            with suppress(OSError):  # what a full disk did not take is tried again, of a file that is gone
                stream.close()

    def write(self, rows: pl.DataFrame, refused: pl.DataFrame) -> None:
        """Write rows of the list's schema, and rows that were set aside."""
        with self._writing():
            self._writer.write(rows)
            JsonLines(self._refused).write(refused)
        self._begun = True

    def finish(self, summary: msgspec.Struct) -> None:
        """Give all of it its names: from now on the list is whole."""
        if not self._begun:  # for the names of the columns
            self.write(pl.DataFrame(schema=self._schema), pl.DataFrame())
        with self._writing():
            self._writer.close()
            for stream in (self._list, self._refused):
                stream.flush()
                os.fsync(stream.fileno())
            listed, set_aside, counted = self._parts
            counted.write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")
            summary_file(self._out).unlink(missing_ok=True)
            set_aside.replace(refused_file(self._out))
            listed.replace(self._out)
            counted.replace(summary_file(self._out))
        self._finished = True

    @contextmanager
    def _writing(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise DependencyError(
                f"{self._out} cannot be written ({error.strerror}): make room or name another place, "
                "and export again; nothing was left there"
            ) from error


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _locked(out: Path) -> BinaryIO:
    """Open the list's part for this export alone; what a killed one left in it is still there."""
    if out.is_dir():
        raise InvalidInput(f"--out {out} is a folder: name a file")
    part = _part(out)
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        stream = part.open("ab")
    except OSError as error:
        raise InvalidInput(
            f"--out {out} cannot be written ({error.strerror}): name a file in a folder you may write to"
        ) from None
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between opening and locking, another export may have finished and taken the part's name away.
        if os.fstat(stream.fileno()).st_ino == part.stat().st_ino:
            return stream
    except (BlockingIOError, FileNotFoundError):
        pass
    stream.close()
    raise Conflict(f"{out} is being written by another export: wait for it or name another file")
