"""Files read in chunks, leniently: a bad cell costs its row, a bad row costs itself, and neither the file."""

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import polars as pl
import polars.exceptions

from service.importing.errors import SourceError
from service.importing.mapping import FileSection

LINE = "__line"
"""Column of a chunk: where its row stood in the file."""

CHUNK_ROWS = 65_536
_BLOCK_BYTES = 1 << 20


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """A row that could not even be read."""

    line: int
    reason: str
    raw: Any


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """Some rows of a file: the mapped columns and `LINE`."""

    frame: pl.DataFrame
    damaged: tuple[Damage, ...]
    raw: Callable[[int], Any]
    """The whole row as it stood in the file, by its position in `frame`."""


def verify(path: Path) -> int:
    """Refuse a file that is missing, of a kind that is not read, or cut off, before any of it is used.

    A truncated export is not a complete one, so its first rows are not imported either. Returns about how
    many rows there are (lines, in text). Raises `SourceError`.
    """
    if not path.is_file():
        raise SourceError(f"{path} does not exist: the mapping names it, put it there or change `file`")
    kind = _kind(path)
    try:
        if kind == "parquet":
            pl.read_parquet_schema(path)
            return pl.scan_parquet(path).select(pl.len()).collect().item()
        return _count_lines(path)
    except polars.exceptions.PolarsError as error:
        raise SourceError(
            f"{path} is not a whole Parquet file ({error}); nothing was imported, export it again"
        ) from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error}") from error


def read_chunks(path: Path, section: FileSection, rows: int = CHUNK_ROWS) -> Iterator[Chunk]:
    """Read the section's columns, `rows` rows at a time. Raises `SourceError` for a missing column."""
    reader = {"csv": _csv_chunks, "jsonl": _jsonl_chunks, "parquet": _parquet_chunks}[_kind(path)]
    return reader(path, section, rows)


def _kind(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    for ending, kind in ((".csv", "csv"), (".jsonl", "jsonl"), (".ndjson", "jsonl"), (".parquet", "parquet")):
        if name.endswith(ending) and not (kind == "parquet" and path.suffix == ".gz"):
            return kind
    raise SourceError(
        f"{path} is of a kind that is not read: use .csv, .csv.gz, .jsonl, .jsonl.gz or .parquet"
    )


def _count_lines(path: Path) -> int:
    """Read a text file to its end: the only way to know that a gzip is whole."""
    lines = read_bytes = 0
    with path.open("rb") as raw:
        stream: Any = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
        try:
            while block := stream.read(_BLOCK_BYTES):
                read_bytes += len(block)
                lines += block.count(b"\n")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise SourceError(
                f"{path} is not a whole gzip: it breaks at byte {raw.tell():,} of {path.stat().st_size:,}, "
                f"after {read_bytes:,} bytes of text ({error}). Nothing was imported, because a truncated "
                "export is not a complete one: export or copy it again"
            ) from error
    return lines


def _open_bytes(path: Path) -> io.BufferedReader:
    raw: Any = gzip.GzipFile(path, "rb") if path.suffix == ".gz" else path.open("rb")
    return cast("io.BufferedReader", raw)


def _need_columns(path: Path, wanted: Sequence[str], found: Sequence[str]) -> None:
    missing = [column for column in wanted if column not in found]
    if missing:
        shown = ", ".join(repr(column) for column in missing)
        raise SourceError(
            f"{path.name} has no column {shown}; it has {', '.join(map(repr, found)) or 'none'}. "
            "Correct the mapping, or its `delimiter` or `encoding`"
        )


def _csv_chunks(path: Path, section: FileSection, rows: int) -> Iterator[Chunk]:
    encoding = "utf-8-sig" if section.encoding.lower() in ("utf-8", "utf8") else section.encoding
    try:
        text = io.TextIOWrapper(_open_bytes(path), encoding, errors="surrogateescape", newline="")
    except LookupError as error:
        raise SourceError(f"{path.name}: encoding {section.encoding!r} is not known: try latin-1") from error
    with text:
        reader = csv.reader(text, delimiter=section.delimiter)
        try:
            header = next(reader, None) or []
        except csv.Error as error:
            raise SourceError(f"{path.name} has an unreadable header ({error})") from error
        columns = section.columns()
        _need_columns(path, columns, [printable(name) for name in header])
        places = [header.index(column) for column in columns]
        for lines, kept, damaged in _csv_rows(reader, len(header), rows):
            yield _text_chunk(header, columns, places, lines, kept, damaged)


def _csv_rows(
    reader: Any, width: int, rows: int
) -> Iterator[tuple[list[int], list[list[str]], list[Damage]]]:
    """Rows of the header's width with the lines they start on, and the others as damage."""
    lines: list[int] = []
    kept: list[list[str]] = []
    damaged: list[Damage] = []
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            damaged.append(
                Damage(line=line, reason=f"unreadable from here to line {reader.line_num}: {error}", raw=None)
            )
            continue
        if row is not None and len(row) == width:
            lines.append(line)
            kept.append(row)
        elif row:
            reason = f"{len(row)} cells where the header has {width}"
            damaged.append(Damage(line=line, reason=reason, raw=[printable(cell) for cell in row]))
        if row is None or len(kept) + len(damaged) >= rows:
            if kept or damaged:
                yield lines, kept, damaged
            lines, kept, damaged = [], [], []
        if row is None:
            return


def _text_chunk(
    header: list[str],
    columns: Sequence[str],
    places: Sequence[int],
    lines: list[int],
    kept: list[list[str]],
    damaged: list[Damage],
) -> Chunk:
    def raw(position: int) -> Any:
        return dict(zip(header, (printable(cell) for cell in kept[position]), strict=True))

    def build() -> pl.DataFrame:
        cells = {
            column: pl.Series(column, [row[place] for row in kept], dtype=pl.String)
            for column, place in zip(columns, places, strict=True)
        }
        return pl.DataFrame({LINE: pl.Series(LINE, lines, dtype=pl.Int64), **cells})

    try:
        frame = build()
    except UnicodeEncodeError:
        whole = [all(_is_text(row[place]) for place in places) for row in kept]
        for line, row, good in zip(lines, kept, whole, strict=True):
            if not good:
                reason = "bytes that are not UTF-8: set `encoding` in the mapping, e.g. latin-1"
                damaged.append(Damage(line=line, reason=reason, raw=[printable(cell) for cell in row]))
        lines = [line for line, good in zip(lines, whole, strict=True) if good]
        kept[:] = [row for row, good in zip(kept, whole, strict=True) if good]
        frame = build()
    return Chunk(frame=frame, damaged=tuple(damaged), raw=raw)


def _jsonl_chunks(path: Path, section: FileSection, rows: int) -> Iterator[Chunk]:
    decode = msgspec.json.Decoder().decode
    columns = section.columns()
    first = True
    with _open_bytes(path) as file:
        lines: list[int] = []
        kept: list[dict[str, Any]] = []
        damaged: list[Damage] = []

        def chunk() -> Chunk:
            if first and kept:
                _need_columns(path, columns, list(dict.fromkeys(name for row in kept for name in row)))
            cells = {column: typed_series(column, [row.get(column) for row in kept]) for column in columns}
            frame = pl.DataFrame({LINE: pl.Series(LINE, lines, dtype=pl.Int64), **cells})
            return Chunk(frame=frame, damaged=tuple(damaged), raw=kept.__getitem__)

        for line, content in enumerate(file, start=1):
            text = content.strip().removeprefix(b"\xef\xbb\xbf")
            if not text:
                continue
            try:
                row = decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                row, problem = None, f"not a JSON object: {error}"
            else:
                problem = "not a JSON object"
            if isinstance(row, dict):
                lines.append(line)
                kept.append(cast("dict[str, Any]", row))
            else:
                damaged.append(
                    Damage(line=line, reason=problem, raw=text.decode("utf-8", "backslashreplace"))
                )
            if len(kept) + len(damaged) >= rows:
                yield chunk()
                lines, kept, damaged, first = [], [], [], False
        if kept or damaged:
            yield chunk()


def _parquet_chunks(path: Path, section: FileSection, rows: int) -> Iterator[Chunk]:
    columns = section.columns()
    _need_columns(path, columns, list(pl.read_parquet_schema(path)))
    line = 1
    for whole in pl.scan_parquet(path).collect_batches(chunk_size=rows, maintain_order=True):
        lines = pl.Series(LINE, range(line, line + whole.height), dtype=pl.Int64)
        line += whole.height
        frame = whole.select(lines, *(_plain(whole[column]) for column in columns))
        yield Chunk(frame=frame, damaged=(), raw=_row_reader(whole))


def _row_reader(frame: pl.DataFrame) -> Callable[[int], Any]:
    return lambda position: {
        name: value if isinstance(value, str | int | float | bool | None) else str(value)
        for name, value in frame.row(position, named=True).items()
    }


def _plain(series: pl.Series) -> pl.Series:
    """Categories, enums and decimals as what they stand for."""
    if isinstance(series.dtype, pl.Categorical | pl.Enum):
        return series.cast(pl.String)
    if series.dtype.is_decimal():
        return series.cast(pl.Float64)
    if series.dtype == pl.List and series.dtype != pl.List(pl.String):
        return series.cast(pl.List(pl.String))
    return series


def typed_series(name: str, values: Sequence[Any]) -> pl.Series:
    """Make a column of JSON values: of the one type they share, else as text."""
    kinds: set[Any] = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds and kinds <= {int, float}:
        return pl.Series(name, values, dtype=pl.Float64 if float in kinds else pl.Int64, strict=False)
    if list in kinds:
        lists = [None if value is None else _texts(value) for value in values]
        return pl.Series(name, lists, dtype=pl.List(pl.String))
    return pl.Series(name, [None if value is None else _text(value) for value in values], dtype=pl.String)


def _texts(value: Any) -> list[str]:
    inner = cast("list[Any]", value) if isinstance(value, list) else [value]
    return [_text(one) for one in inner if one is not None]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _is_text(cell: str) -> bool:
    try:
        cell.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(cell: str) -> str:
    r"""Give a cell with its undecodable bytes shown as `\xe9` rather than as lone surrogates."""
    return cell.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
