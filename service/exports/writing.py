"""Members written into a file a chunk at a time, so that a million take no more than fifty thousand."""

import gzip
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from service.exports.model import Format
from service.exports.ordering import masked_places
from service.privacy.masks import Masks, Places
from service.segments.selection import Selection

ROWS_AT_ONCE = 50_000


class _Writer(Protocol):
    def write(self, rows: pl.DataFrame) -> None: ...

    def close(self) -> None: ...


def write_members(
    selection: Selection,
    kept: NDArray[np.bool_],
    file: Path,
    form: Format,
    report: Callable[[int], None],
    masks: Masks | None = None,
) -> int:
    """Write `profile_id` and `score` of the members kept, by id, and return how many; `report(so far)`.

    `kept`: bool[n], by place among the members. With `masks` pseudonyms, in their order, which takes 20 bytes
    a member beside the file while it is written. The file appears whole or not at all. Raises `OSError`.
    """
    partial = file.with_name(f".{file.name}.partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    try:
        with partial.open("wb") as raw:
            writer = _WRITERS[form](raw)
            for places in _places(selection, masks, file.parent, lambda: report(0)):
                rows = _rows(selection, kept, places, masks)
                writer.write(rows)
                written += rows.height
                report(written)
            writer.close()
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return written


def _places(
    selection: Selection, masks: Masks | None, folder: Path, report: Callable[[], None]
) -> Iterable[slice | Places]:
    if masks is not None:
        return masked_places(selection, masks, folder, ROWS_AT_ONCE, report)
    starts = range(0, max(selection.members.size, 1), ROWS_AT_ONCE)
    return (slice(start, start + ROWS_AT_ONCE) for start in starts)


def _rows(
    selection: Selection, kept: NDArray[np.bool_], places: slice | Places, masks: Masks | None
) -> pl.DataFrame:
    ids, scores = selection.ids(places), selection.members.scores
    known = None if scores is None else np.round(scores[places].astype(np.float64), 5)
    score = pl.Series([None] * len(ids) if known is None else known, dtype=pl.Float64)
    every = pl.DataFrame({"profile_id": ids.cast(pl.String), "score": score})
    rows = every.with_columns(pl.col("score").fill_nan(None)).filter(pl.Series(kept[places]))
    if masks is None:
        return rows
    masked = [masks.profile(each) for each in rows["profile_id"]]
    return rows.with_columns(profile_id=pl.Series(masked, dtype=pl.String))


class _Lines:
    """NDJSON or CSV, compressed; without a time in it, so that equal members give equal bytes."""

    def __init__(self, raw: BinaryIO, *, csv: bool) -> None:
        self._file = gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6, mtime=0, filename="")
        self._csv = csv
        self._begun = False

    def write(self, rows: pl.DataFrame) -> None:
        if self._csv:
            self._file.write(rows.write_csv(include_header=not self._begun).encode())
        else:
            self._file.write(rows.write_ndjson().encode())
        self._begun = True

    def close(self) -> None:
        self._file.close()


class _Parquet:
    """Parquet, a row group at a time."""

    def __init__(self, raw: BinaryIO) -> None:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
        schema: Any = arrow.schema([("profile_id", arrow.large_string()), ("score", arrow.float64())])
        self._schema = schema
        self._file: Any = parquet.ParquetWriter(raw, schema, compression="zstd")

    def write(self, rows: pl.DataFrame) -> None:
        frame: Any = rows  # Polars does not say what `to_arrow` returns
        self._file.write_table(frame.to_arrow().cast(self._schema))

    def close(self) -> None:
        self._file.close()


def _ndjson(raw: BinaryIO) -> _Writer:
    return _Lines(raw, csv=False)


def _csv(raw: BinaryIO) -> _Writer:
    return _Lines(raw, csv=True)


_WRITERS: dict[Format, Callable[[BinaryIO], _Writer]] = {"ndjson": _ndjson, "csv": _csv, "parquet": _Parquet}
