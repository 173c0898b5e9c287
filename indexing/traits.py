"""Traits as typed columns: each trait's values beside the profiles that have one, by trait.

A column per trait over everyone would be quicker still, but a world in which every profile has a trait of its
own would then take their product in memory; this takes one row per value.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

_PROFILES_AT_ONCE = 65_536
VALUES: dict[str, pl.DataType] = {"number": pl.Float64(), "text": pl.String(), "flag": pl.Boolean()}
_ROWS: dict[str, pl.DataType] = {"name": pl.String(), "profile": pl.UInt32(), **VALUES}


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """Every value of every trait, sorted by (name, profile)."""

    names: tuple[str, ...]
    """Sorted."""
    offsets: npt.NDArray[np.int64]
    """int64[len(names) + 1]: trait t owns the rows offsets[t]:offsets[t + 1]."""
    rows: pl.DataFrame
    """`profile` UInt32; of `number` Float64, `text` String and `flag` Boolean one, the others null."""

    def of(self, name: str) -> pl.DataFrame:
        """Return the rows of one trait, by profile; none for a trait nobody has."""
        if name not in self.names:
            return self.rows.clear()
        start, stop = self.offsets[self.names.index(name) :][:2].tolist()
        return self.rows.slice(start, stop - start)


def distinct_values(
    traits: Traits, names: Sequence[str], profiles: npt.NDArray[np.uint32]
) -> Iterator[tuple[dict[str, str | float | bool | None], int]]:
    """Give the different values that some profiles have of some traits, and how many profiles have them.

    `names`: at least one. `profiles`: uint32[n], rows of the snapshot. A trait that a profile lacks is none.
    No order is promised.
    """
    columns = [[f"{place}.{kind}" for kind in VALUES] for place in range(len(names))]
    frame = pl.DataFrame({"profile": profiles}, schema={"profile": pl.UInt32})
    for name, own in zip(names, columns, strict=True):
        rows = traits.of(name).rename(dict(zip(VALUES, own, strict=True)))
        frame = frame.join(rows, on="profile", how="left")
    counted = frame.group_by([column for own in columns for column in own]).len("profiles")
    for row in counted.iter_rows(named=True):
        values = {
            name: next((row[column] for column in own if row[column] is not None), None)
            for name, own in zip(names, columns, strict=True)
        }
        yield values, row["profiles"]


def collect_traits(profiles: pl.DataFrame) -> Traits:
    """Decode the JSON objects of `profiles["traits"]`; values that are no scalars, and null, are left out."""
    texts = profiles["traits"].fill_null("{}")
    parts = [
        _decoded(texts.slice(start, _PROFILES_AT_ONCE), start)
        for start in range(0, len(texts), _PROFILES_AT_ONCE)
    ]
    rows = pl.concat([pl.DataFrame(schema=_ROWS), *parts])
    names = rows["name"].unique().sort()
    coded = rows.with_columns(pl.col("name").cast(pl.Enum(names)).to_physical()).sort("name", "profile")
    ends = np.searchsorted(coded["name"].to_numpy(), np.arange(len(names) + 1))
    return Traits(
        names=tuple(cast("list[str]", names.to_list())),
        offsets=ends.astype(np.int64),
        rows=coded.drop("name"),
    )


def write_traits(traits: Traits, folder: Path) -> None:
    """Write `traits.arrow`, `traits.offsets.npy` and `traits.names.json`; raises `OSError`."""
    rows = traits.rows.rechunk()
    rows.write_ipc(folder / "traits.arrow", record_batch_size=max(rows.height, 1))
    np.save(folder / "traits.offsets.npy", traits.offsets, allow_pickle=False)
    (folder / "traits.names.json").write_bytes(msgspec.json.encode(traits.names))


def _decoded(texts: pl.Series, first: int) -> pl.DataFrame:
    decoded = msgspec.json.decode(f"[{','.join(texts)}]", type=list[dict[str, Any]])
    columns: dict[str, list[Any]] = {name: [] for name in _ROWS}
    for row, traits in enumerate(decoded, first):
        for name, value in traits.items():
            kind = _kind(value)
            if kind is not None:
                columns["name"].append(name)
                columns["profile"].append(row)
                for column in VALUES:
                    columns[column].append(value if column == kind else None)
    return pl.DataFrame(columns, schema=_ROWS, strict=False)


def _kind(value: object) -> str | None:
    match value:
        case bool():
            return "flag"
        case int() | float():
            return "number"
        case str():
            return "text"
        case _:
            return None
