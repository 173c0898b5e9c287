"""The columns a definition is evaluated over: everyone of a snapshot, or one profile in that shape."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Protocol, cast

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from indexing.embedder import Vectors
from indexing.profiles import Interests, Tastes, weights_by_type

Mask = npt.NDArray[np.bool_]
"""bool[n_profiles]."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One leaf over a population."""

    passed: Mask
    """bool[n_profiles]."""
    actual: pl.Series
    """What each profile's value is: a trait, a count, a sum, days, a share, a similarity; null for none."""


class ManifestColumns(Protocol):
    """What an evaluation reads of a snapshot's manifest."""

    @property
    def version(self) -> str: ...

    @property
    def as_of(self) -> datetime: ...

    @property
    def event_weights(self) -> dict[str, float]: ...


class SnapshotColumns(Protocol):
    """What an evaluation reads of a snapshot; `indexing.snapshot.Snapshot` has it all."""

    @property
    def manifest(self) -> ManifestColumns: ...

    @property
    def items(self) -> pl.DataFrame: ...

    @property
    def profiles(self) -> pl.DataFrame: ...

    @property
    def events(self) -> pl.DataFrame: ...

    @property
    def item_vectors(self) -> Vectors: ...

    @property
    def interests(self) -> Interests: ...

    @property
    def tastes(self) -> Tastes: ...


def as_floats(weights: Mapping[str, float]) -> dict[str, float]:
    """Make every weight a float: Polars refuses a mapping that mixes 1 and 1.5."""
    return {name: float(weight) for name, weight in weights.items()}


class Population:
    """Profiles, their events and interests at one reference time.

    `items`, `profiles` and `events` have the columns of `indexing.world`; `item_vectors` float32[n_items,
    dim]. Immutable, and safe to share between threads.
    """

    def __init__(
        self,
        *,
        items: pl.DataFrame,
        profiles: pl.DataFrame,
        events: pl.DataFrame,
        item_vectors: Vectors,
        interests: Interests,
        tastes: Tastes,
        as_of: datetime,
        event_weights: dict[str, float],
    ) -> None:
        self.items = items
        self.profiles = profiles
        self.events = events
        self.item_vectors = item_vectors
        self.interests = interests
        self.tastes = tastes
        self.as_of = as_of
        self.event_weights = event_weights

    @classmethod
    def of(cls, snapshot: SnapshotColumns) -> "Population":
        """Everyone in the snapshot."""
        return cls(
            items=snapshot.items,
            profiles=snapshot.profiles,
            events=snapshot.events,
            item_vectors=snapshot.item_vectors,
            interests=snapshot.interests,
            tastes=snapshot.tastes,
            as_of=snapshot.manifest.as_of,
            event_weights=as_floats(weights_by_type(snapshot.manifest.event_weights)),
        )

    def one(self, row: int) -> "Population":
        """Return the population that only the profile of this row belongs to."""
        owned = self.events["profile"]
        start, stop = owned.search_sorted(row, side="left"), owned.search_sorted(row, side="right")
        liked = slice(int(self.tastes.offsets[row]), int(self.tastes.offsets[row + 1]))
        first, last = int(self.interests.offsets[row]), int(self.interests.offsets[row + 1])
        return Population(
            items=self.items,
            profiles=self.profiles.slice(row, 1),
            events=self.events.slice(start, stop - start).with_columns(profile=pl.lit(0, pl.UInt32)),
            item_vectors=self.item_vectors,
            interests=Interests(
                vectors=self.interests.vectors[first:last],
                weights=self.interests.weights[first:last],
                offsets=np.array([0, last - first], dtype=np.int64),
            ),
            tastes=Tastes(
                items=self.tastes.items[liked],
                weights=self.tastes.weights[liked],
                offsets=np.array([0, liked.stop - liked.start], dtype=np.int64),
            ),
            as_of=self.as_of,
            event_weights=self.event_weights,
        )

    @property
    def size(self) -> int:
        """Number of profiles."""
        return self.profiles.height

    @cached_property
    def ids(self) -> pl.Series:
        """Profile ids, by row."""
        return self.profiles["id"]

    def categories(self) -> pl.Series:
        """Item categories, by item row; null when unknown."""
        return self.items["category"]

    def item_row(self, item_id: str) -> int | None:
        """Return the row of an item, or None when it is not here."""
        found = self.items.with_row_index("row").filter(pl.col("id") == item_id)["row"]
        return int(found[0]) if found.len() else None

    def known_events(self, within_days: int | None) -> pl.LazyFrame:
        """Events up to the reference time, of the last so many times 24 hours when asked."""
        events = self.events.lazy().filter(pl.col("time") <= self.as_of)
        if within_days is None:
            return events
        return events.filter(pl.col("time") >= self.as_of - timedelta(days=within_days))

    def event_values(self) -> pl.Expr:
        """How much each event of `events` says about taste, by its type; 0 for a type without a weight."""
        return pl.col("type").replace_strict(
            self.event_weights or {"": 0.0}, default=0.0, return_dtype=pl.Float64
        )

    def trait(self, name: str) -> pl.DataFrame:
        """One trait of everyone: `number` Float64, `text` String, `flag` Boolean, the others null."""
        listed = self.profiles["traits"].fill_null("{}")
        field = msgspec.defstruct("Traits", [("value", Any, None)], rename={"value": name})
        rows = cast("list[Any]", msgspec.json.decode("[" + ",".join(listed) + "]", type=list[field]))
        values: list[object] = [row.value for row in rows]
        return pl.DataFrame(
            {
                "number": [
                    v if isinstance(v, int | float) and not isinstance(v, bool) else None for v in values
                ],
                "text": [v if isinstance(v, str) else None for v in values],
                "flag": [v if isinstance(v, bool) else None for v in values],
            },
            schema={"number": pl.Float64, "text": pl.String, "flag": pl.Boolean},
            strict=False,
        )
