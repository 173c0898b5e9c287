"""Members written into a file a chunk at a time, so that a million take no more than fifty thousand."""

import gzip
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from service.exports.formats import writer_of
from service.exports.model import Format
from service.exports.ordering import masked_places
from service.privacy.masks import Masks, Places
from service.segments.selection import Selection

ROWS_AT_ONCE = 50_000
COLUMNS = pl.Schema({"profile_id": pl.String(), "score": pl.Float64()})


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
            stream: Any = raw if form == "parquet" else _compressed(raw)
            writer = writer_of(form, stream, COLUMNS)
            for places in _places(selection, masks, file.parent, lambda: report(0)):
                rows = _rows(selection, kept, places, masks)
                writer.write(rows)
                written += rows.height
                report(written)
            writer.close()
            stream.close()
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


def _compressed(stream: BinaryIO) -> gzip.GzipFile:
    """Compress without a time in it, so that equal members give equal bytes."""
    return gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=6, mtime=0, filename="")
