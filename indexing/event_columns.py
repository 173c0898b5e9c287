"""Events as plain columns: what rules read of a million people's, mapped from disk without a copy.

Sorted by (profile, time), so that one profile's events are one slice and sums need no hash table.
"""

from importlib import import_module
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

_arrow: Any = import_module("pyarrow")
_ipc: Any = import_module("pyarrow.ipc")
_polars: Any = pl


class EventColumns(msgspec.Struct, frozen=True, kw_only=True):
    """n events of some profiles, by (profile, time)."""

    owners: npt.NDArray[np.uint32]
    """uint32[n]: profile rows, ascending."""
    offsets: npt.NDArray[np.int64]
    """int64[n_profiles + 1]: profile p owns offsets[p]:offsets[p + 1]."""
    types: npt.NDArray[np.unsignedinteger]
    """uint8, uint16 or uint32[n]: places in `type_names`; beyond its end for an event without a type."""
    type_names: tuple[str, ...]
    """Sorted."""
    times: npt.NDArray[np.int64]
    """int64[n]: microseconds since 1970, UTC."""
    items: pl.Series
    """UInt32[n]: item rows; null where the event names none."""
    values: pl.Series
    """Float64[n]: null when unknown."""

    def type_code(self, name: str) -> int | None:
        """Return the code that `types` has for a type, or None when no event is of that type."""
        return self.type_names.index(name) if name in self.type_names else None

    def of(self, row: int) -> "EventColumns":
        """Return one profile's events, that profile being row 0."""
        start, stop = int(self.offsets[row]), int(self.offsets[row + 1])
        return EventColumns(
            owners=np.zeros(stop - start, dtype=np.uint32),
            offsets=np.array([0, stop - start], dtype=np.int64),
            types=self.types[start:stop],
            type_names=self.type_names,
            times=self.times[start:stop],
            items=self.items.slice(start, stop - start),
            values=self.values.slice(start, stop - start),
        )

    def frame(self) -> pl.DataFrame:
        """Return `profile`, `item`, `type` (an Enum), `value` and `time` as a frame."""
        codes = pl.Series(self.types)
        known = codes.replace_strict(len(self.type_names), None, default=codes, return_dtype=codes.dtype)
        return pl.DataFrame(
            {
                "profile": self.owners,
                "item": self.items,
                "type": known.cat.to(pl.Enum(self.type_names)),
                "value": self.values,
                "time": pl.Series(self.times).cast(pl.Datetime("us", "UTC")),
            }
        )


def with_coded_types(events: pl.DataFrame) -> pl.DataFrame:
    """Turn the text column `type` into an Enum of the sorted names that occur."""
    types = events["type"]
    if isinstance(types.dtype, pl.Enum):
        return events
    names = cast("list[str]", types.drop_nulls().unique().sort().to_list())
    return events.with_columns(types.cast(pl.Enum(names)))


def read_columns(events: pl.DataFrame, n_profiles: int) -> EventColumns:
    """Take the columns of a frame as in `indexing.world`; `type` may be text or an Enum."""
    coded = with_coded_types(events)
    names = cast("pl.Enum", coded["type"].dtype).categories.to_list()
    owners = coded["profile"].to_numpy()
    return EventColumns(
        owners=owners,
        offsets=np.searchsorted(owners, np.arange(n_profiles + 1)).astype(np.int64),
        types=coded["type"].to_physical().fill_null(len(names)).to_numpy(),
        type_names=tuple(names),
        times=coded["time"].to_physical().to_numpy(),
        items=coded["item"],
        values=coded["value"],
    )


def map_columns(table: Any, offsets: npt.NDArray[np.int64]) -> EventColumns:
    """Take the columns of a mapped Arrow table that holds `with_coded_types`, without touching its rows."""
    if not table.num_rows:
        return read_columns(_polars.from_arrow(table), len(offsets) - 1)
    coded: Any = table.column("type").combine_chunks()
    plain = _polars.from_arrow(table.drop_columns(["type"]))  # with it, Polars would copy the codes
    names = tuple(coded.dictionary.to_pylist())
    codes = coded.indices.fill_null(len(names)) if coded.null_count else coded.indices
    return EventColumns(
        owners=plain["profile"].to_numpy(),
        offsets=offsets,
        types=_polars.from_arrow(codes).to_numpy(),  # Arrow itself would import pandas to do so
        type_names=names,
        times=plain["time"].to_physical().to_numpy(),
        items=plain["item"],
        values=plain["value"],
    )


def map_table(path: Path) -> Any:
    """Map an Arrow IPC file; the `pyarrow.Table`'s columns are read when they are used."""
    return _ipc.open_file(_arrow.memory_map(str(path))).read_all()
