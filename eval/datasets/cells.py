"""The cells of a data file, held to what each column may be; a row with one that cannot be is set aside."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import msgspec
import polars as pl

from eval.datasets.description import Column

LINES_NAMED = 3
"""So many places of a fault are named; of the others only the number is said."""

_LINE = "the row's line"
_DTYPES: Mapping[str, pl.DataType] = {
    "text": pl.String(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "date": pl.Date(),
    "time": pl.Datetime("us"),
    "instant": pl.Datetime("us", "UTC"),
}
_CALLED: Mapping[str, str] = {
    "text": "text",
    "integer": "whole number",
    "number": "number",
    "date": "date",
    "time": "time",
    "instant": "time",
}


class Unreadable(Exception):
    """What is wrong with a file as a whole, worded to follow its name."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What some rows were set aside for."""

    what: str
    rows: int
    lines: tuple[int, ...]
    """Where the first of them start: lines of a text file, rows from 1 of a Parquet file."""

    def __str__(self) -> str:
        more = ", ..." if self.rows > len(self.lines) else ""
        return f"{self.what} ({self.rows:,}: line {', '.join(map(str, self.lines))}{more})"


class Cells(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a file."""

    frame: pl.DataFrame
    """Those without a fault, columns in the listed order and of the listed types; an empty cell is null."""
    rows: int
    """How many the file has, those set aside included."""
    faults: tuple[Fault, ...]
    unlisted: tuple[str, ...]
    """Columns nobody listed, which are left out."""


def read_cells(content: bytes, columns: Mapping[str, Column]) -> Cells:
    """Read a plain or gzipped CSV file, or a Parquet file: whichever its first bytes say.

    Raises `Unreadable` when it is damaged or lacks a column.
    """
    if content.startswith(b"PAR1"):
        raw, unlisted = _parquet(content, columns)
        misshapen: list[Fault] = []
    else:
        raw, unlisted, misshapen = _csv(_text(content), columns)
    frame, faults = _typed(raw.with_columns(pl.col(pl.String).replace("", None)), columns)
    return Cells(
        frame=frame,
        rows=raw.height + sum(fault.rows for fault in misshapen),
        faults=(*misshapen, *faults),
        unlisted=unlisted,
    )


def _unlisted(columns: Mapping[str, Column], found: Sequence[str]) -> tuple[str, ...]:
    missing = [name for name in columns if name not in found]
    if missing:
        raise Unreadable(f"has other columns: {quoted(missing)} missing, it has {quoted(found) or 'none'}")
    twice = [name for name in columns if found.count(name) > 1]
    if twice:
        raise Unreadable(f"has {quoted(twice)} more than once in its header")
    return tuple(name for name in found if name not in columns)


def quoted(names: Sequence[str]) -> str:
    """Name columns, the first twenty of them, however many or long a file's are."""
    shown = ", ".join(repr(name[:40]) for name in names[:20])
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _text(content: bytes) -> str:
    try:
        plain = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Unreadable(f"is not a whole gzip ({error}): copy it again") from error
    try:
        return plain.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = plain.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"is not UTF-8 at line {line}") from error


def _csv(text: str, columns: Mapping[str, Column]) -> tuple[pl.DataFrame, tuple[str, ...], list[Fault]]:
    """Return the cells as text, with the line each row starts on; also rows of another width."""
    header: list[str] = []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines: list[int] = []
    rows: list[list[str]] = []
    misshapen: dict[int, list[int]] = {}
    try:
        header = next(reader, header)
        unlisted = _unlisted(columns, header)
        line = reader.line_num + 1
        for row in reader:
            if len(row) == len(header):
                lines.append(line)
                rows.append(row)
            else:
                misshapen.setdefault(len(row), []).append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise Unreadable(f"breaks off at line {reader.line_num} ({error})") from error
    places = [header.index(name) for name in columns]
    cells = {
        name: pl.Series([row[place] for row in rows], dtype=pl.String)
        for name, place in zip(columns, places, strict=True)
    }
    frame = pl.DataFrame(cells)
    faults = [
        Fault(
            what=f"{width} cells where the header has {len(header)}",
            rows=len(at),
            lines=tuple(at[:LINES_NAMED]),
        )
        for width, at in sorted(misshapen.items())
    ]
    return frame.with_columns(pl.Series(_LINE, lines, dtype=pl.Int64)), unlisted, faults


def _parquet(content: bytes, columns: Mapping[str, Column]) -> tuple[pl.DataFrame, tuple[str, ...]]:
    arrow: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
    try:
        # Not Polars' own reader: a damaged file ends the process there.
        table = parquet.read_table(io.BytesIO(content), page_checksum_verification=True)
        table.validate(full=True)
        found: list[str] = table.column_names
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"is not a whole Parquet file ({error}): copy it again") from error
    unlisted = _unlisted(columns, found)
    # One by one, so that what a damaged file says of its columns beside their values never reaches Polars.
    frame = pl.DataFrame({name: pl.Series(table.column(name)) for name in columns})
    other = [
        f"{name} is {dtype}, not a column of {_CALLED[columns[name].type]}s"
        for name, dtype in frame.schema.items()
        if not _holds(columns[name], dtype)
    ]
    if other:
        raise Unreadable(f"has columns of another type: {'; '.join(other)}")
    places = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias(_LINE)
    return frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String), places), unlisted


def _holds(column: Column, dtype: pl.DataType) -> bool:
    match column.type:
        case "text":
            return isinstance(dtype, pl.String | pl.Categorical | pl.Enum)
        case "integer":
            return dtype.is_integer()
        case "number":
            return dtype.is_numeric()
        case "date":
            return dtype == pl.Date
        case "time":
            return isinstance(dtype, pl.Datetime) and dtype.time_zone is None
        case "instant":
            return isinstance(dtype, pl.Datetime) and dtype.time_zone is not None


def _typed(raw: pl.DataFrame, columns: Mapping[str, Column]) -> tuple[pl.DataFrame, list[Fault]]:
    """Give each column its type, and take out the rows with a cell that cannot be."""
    frame = raw.select(*(_cast(name, column, raw.schema[name]) for name, column in columns.items()))
    tests = [
        (f"{name} {what}", test)
        for name, column in columns.items()
        for what, test in _tests(name, column, raw[name])
    ]
    found = frame.select(*(test.fill_null(False).alias(str(place)) for place, (_, test) in enumerate(tests)))
    faults: list[Fault] = []
    faulty = pl.repeat(False, raw.height, dtype=pl.Boolean, eager=True)
    for (what, _), rows in zip(tests, found, strict=True):
        if rows.any():
            at = raw[_LINE].filter(rows)
            faults.append(Fault(what=what, rows=len(at), lines=tuple(at.head(LINES_NAMED))))
            faulty |= rows
    return frame.filter(~faulty), faults


def _cast(name: str, column: Column, found: pl.DataType) -> pl.Expr:
    cell = pl.col(name)
    if found == pl.String and column.type == "date":
        return cell.str.to_date("%Y-%m-%d", strict=False)
    if found == pl.String and column.type in ("time", "instant"):
        zone = "UTC" if column.type == "instant" else None
        form = column.format or "%Y-%m-%d %H:%M:%S"
        return cell.str.to_datetime(form, time_unit="us", time_zone=zone, strict=False)
    return cell.cast(_DTYPES[column.type], strict=False)


def _tests(name: str, column: Column, raw: pl.Series) -> Iterator[tuple[str, pl.Expr]]:
    """Yield what can be wrong with a cell, and for which rows it is."""
    cell = pl.col(name)
    yield f"is no {_CALLED[column.type]}", cell.is_null() & raw.is_not_null()
    if not column.may_be_empty:
        yield "is empty", pl.lit(raw.is_null())
    if column.type == "number":
        yield "is not finite", ~cell.is_finite()
    if column.at_least is not None:
        yield f"is below {column.at_least:g}", cell < column.at_least
    if column.at_most is not None:
        yield f"is above {column.at_most:g}", cell > column.at_most
    if column.not_above is not None:
        yield f"is above {column.not_above}", cell > pl.col(column.not_above)
    if column.values:
        yield f"is none of {', '.join(map(str, column.values))}", ~cell.is_in(column.values)
    if column.pattern is not None:
        yield f"is not like {column.pattern}", ~cell.str.contains(column.pattern)
