"""What the files of people are written in: CSV, JSON lines, Parquet, a frame at a time.

A CSV is opened in spreadsheets, which take a cell that begins like a formula for one, and run it. Such a cell
gets an apostrophe in front, which is how spreadsheets are told that it is text. JSON lines and Parquet hold
every value as it is.
"""

from abc import ABC, abstractmethod
from importlib import import_module
from typing import Any, BinaryIO

import polars as pl

from service.exports.model import Format

_FORMULA = "^[=+@\t\r\n＝＋－＠-]"
"""What a cell begins with that a spreadsheet may compute. Source: OWASP, CSV Injection."""
_NUMBER = r"^[+-][0-9][0-9 ]*(?:[.,][0-9]+)?$"
"""Begins like a formula and computes nothing: a signed number, a telephone number such as `+49 30 1234`."""


class Writer(ABC):
    """Writes frames of one schema into a stream, one after the other. The stream stays its owner's."""

    @abstractmethod
    def write(self, rows: pl.DataFrame) -> None:
        """Write these rows."""

    def close(self) -> None:  # noqa: B027 -- most formats have no end
        """Write what the format ends with."""

    def abandon(self) -> None:  # noqa: B027 -- nor anything to leave out
        """Write nothing more, not even an end."""


class Csv(Writer):
    """A header, then a line a row; RFC 4180, UTF-8."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._begun = False

    def write(self, rows: pl.DataFrame) -> None:
        """Write these rows, without formulas."""
        self._stream.write(without_formulas(rows).write_csv(include_header=not self._begun).encode())
        self._begun = True


class JsonLines(Writer):
    """A JSON object a row."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, rows: pl.DataFrame) -> None:
        """Write these rows."""
        self._stream.write(rows.write_ndjson().encode())


class Parquet(Writer):
    """Parquet compressed by zstd, a row group at a time."""

    def __init__(self, stream: BinaryIO, schema: pl.Schema) -> None:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
        types: dict[Any, Any] = {pl.String(): arrow.large_string(), pl.Float64(): arrow.float64()}
        self._schema: Any = arrow.schema([(name, types[dtype]) for name, dtype in schema.items()])
        self._file: Any = parquet.ParquetWriter(stream, self._schema, compression="zstd")

    def write(self, rows: pl.DataFrame) -> None:
        """Write these rows."""
        frame: Any = rows  # Polars does not say what `to_arrow` returns
        self._file.write_table(frame.to_arrow().cast(self._schema))

    def close(self) -> None:
        """Write the footer."""
        self._file.close()

    def abandon(self) -> None:
        """Keep pyarrow from writing the footer when it is thrown away."""
        self._file.is_open = False


def writer_of(form: Format, stream: BinaryIO, schema: pl.Schema) -> Writer:
    """Return what writes frames of a schema in a format."""
    if form == "parquet":
        return Parquet(stream, schema)
    return Csv(stream) if form == "csv" else JsonLines(stream)


def without_formulas(rows: pl.DataFrame) -> pl.DataFrame:
    """Put an apostrophe before every text that a spreadsheet would compute."""
    texts = pl.col(pl.String)
    computed = texts.str.contains(_FORMULA) & ~texts.str.contains(_NUMBER)
    return rows.with_columns(pl.when(computed).then("'" + texts).otherwise(texts).name.keep())
