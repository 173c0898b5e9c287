"""Public data sets, read from where they lie: the listed version, or another one only when asked for.

Every cell is held to what its column may be. What another version lacks is told: rows that cannot be are set
aside and counted, columns nobody listed are left out and named.
"""

import hashlib
from pathlib import Path
from typing import Literal

import msgspec
import polars as pl

from eval.datasets.cells import Cells, Fault, Unreadable, quoted, read_cells
from eval.datasets.description import DataFile, dataset
from eval.errors import DatasetError

FAULTS_NAMED = 8
"""A message names so many kinds of faults; `Reading.faults` has all."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it was read."""

    frame: pl.DataFrame
    """Columns in the listed order and of the listed types; an empty cell is null."""
    sha256: str
    listed: bool
    """Whether it is, byte for byte, the version that is listed."""
    set_aside: int
    """Rows left out for their faults, of which one row may have several."""
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    """What must be said beside any figure of this file; none for the listed version."""


def load(name: str, file: str, folder: Path, *, verify: bool = True) -> pl.DataFrame:
    """Read a file of a set whole, from `name/file` in the folder of all sets.

    Unless `verify` is off it must be the listed version, byte for byte. Raises `DatasetError` when it is not,
    when it is missing or damaged, lacks a column, or has a row that cannot be; `read_file` counts such rows.
    """
    path = folder / name / file
    reading = read_file(name, file, path, verify=verify)
    if reading.set_aside:
        raise DatasetError(f"{path}: {'; '.join(reading.notes)}. {whence(name)}")
    return reading.frame


def read_file(name: str, file: str, path: Path, *, verify: bool = True) -> Reading:
    """Read a file of a set from wherever it lies: CSV, gzipped or not, or Parquet.

    With `verify` off another version is read too, if it has the listed columns; its `notes` say what differs
    and what was set aside. Raises `DatasetError` when the file is missing, empty, damaged or of other
    columns, when no row is left, and with `verify` when it is another version.
    """
    listed = dataset(name).file(file)
    try:
        content = _content(path)
        cells = read_cells(content, listed.each_column())
        if not cells.frame.height:
            raise Unreadable(f"has no row that can be used: {_listing(cells) or 'there is none at all'}")
    except Unreadable as error:
        raise DatasetError(f"{path} {error}. {whence(name)}") from error
    digest = hashlib.sha256(content).hexdigest()
    reading = Reading(
        frame=cells.frame,
        sha256=digest,
        listed=digest == listed.sha256,
        set_aside=cells.rows - cells.frame.height,
        faults=cells.faults,
        notes=tuple(_notes(cells, listed, digest)),
    )
    if verify and not reading.listed:
        raise DatasetError(
            f"{path} is {'; '.join(reading.notes)}. Read it all the same by asking for any version "
            f"(`--any-version`). {whence(name)}"
        )
    return reading


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one file when it was checked."""

    dataset: str
    file: str
    state: Literal["as listed", "another version", "unusable", "absent"]
    rows: int | None = None
    """That can be used."""
    set_aside: int = 0
    notes: tuple[str, ...] = ()
    passed: bool = False
    """Whether `load` would return it."""


def check(name: str, file: str, folder: Path, *, verify: bool = True) -> Check:
    """Check one file in the folder of all sets: is it there, whole, the listed version, without a fault."""
    path = folder / name / file
    if not path.exists():
        return Check(dataset=name, file=file, state="absent")
    try:
        reading = read_file(name, file, path, verify=False)
    except DatasetError as error:
        return Check(dataset=name, file=file, state="unusable", notes=(str(error),))
    return Check(
        dataset=name,
        file=file,
        state="as listed" if reading.listed else "another version",
        rows=reading.frame.height,
        set_aside=reading.set_aside,
        notes=reading.notes,
        passed=(reading.listed or not verify) and not reading.set_aside,
    )


def whence(name: str) -> str:
    """Say where the public gets a set."""
    described = dataset(name)
    return f"{name} is to be had at {' and '.join(described.origin)} (licence: {described.licence})"


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise Unreadable("does not exist: put it there, or give the folder of the data sets") from error
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror})") from error
    if not content:
        raise Unreadable("is empty")
    return content


def _notes(cells: Cells, listed: DataFile, digest: str) -> list[str]:
    notes: list[str] = []
    if digest != listed.sha256:
        notes.append(f"another version than the listed one: sha256 {digest}, listed {listed.sha256}")
        if cells.rows != listed.rows:
            notes.append(f"{cells.rows:,} rows where the listed version has {listed.rows:,}")
    if cells.unlisted:
        notes.append(f"columns left out because none lists them: {quoted(cells.unlisted)}")
    if cells.faults:
        aside = cells.rows - cells.frame.height
        notes.append(f"{aside:,} of {cells.rows:,} rows set aside: {_listing(cells)}")
    return notes


def _listing(cells: Cells) -> str:
    more = len(cells.faults) - FAULTS_NAMED
    return "; ".join(map(str, cells.faults[:FAULTS_NAMED])) + (
        f"; and {more} other faults" if more > 0 else ""
    )
