"""The columns a definition is evaluated over: everyone of a snapshot, or one profile in that shape."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import polars as pl

from indexing.computed_traits import ComputedTraits
from indexing.embedder import Embedder, Vectors
from indexing.errors import EmbedderError
from indexing.event_columns import EventColumns
from indexing.profiles import Interests, Tastes, weights_by_type
from indexing.traits import VALUES, Traits, collect_traits

Mask = npt.NDArray[np.bool_]
"""bool[n_profiles]."""


class Outcome:
    """One leaf over a population: who passes, and on demand what everyone's value is.

    The value is a trait, a count, a sum, days, a share or a similarity; null (NaN for similarities) for none.
    Only explanations ask for it, so that hundreds of leaves over a million profiles keep a byte per profile.
    """

    def __init__(self, passed: Mask, actual: Callable[[], pl.Series]) -> None:
        self.passed = passed
        self._actual = actual

    @property
    def actual(self) -> pl.Series:
        """One value per profile."""
        return self._actual()


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
    def traits(self) -> Traits: ...

    @property
    def computed(self) -> ComputedTraits: ...

    @property
    def event_columns(self) -> EventColumns: ...

    @property
    def item_vectors(self) -> Vectors: ...

    @property
    def interests(self) -> Interests: ...

    @property
    def tastes(self) -> Tastes: ...


@runtime_checkable
class BuiltColumns(Protocol):
    """Columns that know which embedder they were built with, as those of a snapshot do."""

    def check_embedder(self, embedder: Embedder) -> None:
        """Raise `EmbedderError` for another one."""
        ...


def as_floats(weights: Mapping[str, float]) -> dict[str, float]:
    """Make every weight a float: Polars refuses a mapping that mixes 1 and 1.5."""
    return {name: float(weight) for name, weight in weights.items()}


class Population:
    """Profiles, their events and interests at one reference time.

    `items` and `profiles` have the columns of `indexing.world`; `item_vectors` float32[n_items, dim].
    Immutable, and safe to share between threads.
    """

    def __init__(
        self,
        *,
        items: pl.DataFrame,
        profiles: pl.DataFrame,
        traits: Traits,
        computed: ComputedTraits,
        event_columns: EventColumns,
        item_vectors: Vectors,
        interests: Interests,
        tastes: Tastes,
        as_of: datetime,
        event_weights: dict[str, float],
        built: BuiltColumns | None = None,
    ) -> None:
        self.items = items
        self.profiles = profiles
        self.traits = traits
        self.computed = computed
        self.event_columns = event_columns
        self.item_vectors = item_vectors
        self.interests = interests
        self.tastes = tastes
        self.as_of = as_of
        self.event_weights = event_weights
        self._built = built

    @classmethod
    def of(cls, snapshot: SnapshotColumns) -> "Population":
        """Everyone in the snapshot."""
        return cls(
            items=snapshot.items,
            profiles=snapshot.profiles,
            traits=snapshot.traits,
            computed=snapshot.computed,
            event_columns=snapshot.event_columns,
            item_vectors=snapshot.item_vectors,
            interests=snapshot.interests,
            tastes=snapshot.tastes,
            as_of=snapshot.manifest.as_of,
            event_weights=as_floats(weights_by_type(snapshot.manifest.event_weights)),
            built=snapshot if isinstance(snapshot, BuiltColumns) else None,
        )

    def one(self, row: int) -> "Population":
        """Return the population that only the profile of this row belongs to."""
        profile = self.profiles.slice(row, 1)
        liked = slice(int(self.tastes.offsets[row]), int(self.tastes.offsets[row + 1]))
        first, last = int(self.interests.offsets[row]), int(self.interests.offsets[row + 1])
        return Population(
            items=self.items,
            profiles=profile,
            traits=collect_traits(profile),
            computed=self.computed.one(row),
            event_columns=self.event_columns.of(row),
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

    def check_embedder(self, embedder: Embedder) -> None:
        """Raise `EmbedderError` for one whose vectors do not compare with `item_vectors`.

        A snapshot's columns take only the embedder they were built with; of others the dimension is known.
        """
        if self._built is not None:
            self._built.check_embedder(embedder)
        dim = self.item_vectors.shape[1]
        if embedder.dim != dim:
            raise EmbedderError(
                f"{embedder.name} encodes in {embedder.dim} dimensions, the snapshot holds {dim}: rebuild "
                "the snapshot, or set the embedder it was built with"
            )

    @property
    def size(self) -> int:
        """Number of profiles."""
        return self.profiles.height

    @cached_property
    def ids(self) -> pl.Series:
        """Profile ids, by row."""
        return self.profiles["id"]

    @cached_property
    def events(self) -> pl.DataFrame:
        """Everyone's events: `profile`, `item`, `type` (an Enum), `value`, `time`."""
        return self.event_columns.frame()

    def categories(self) -> pl.Series:
        """Item categories, by item row; null when unknown."""
        return self.items["category"]

    def item_row(self, item_id: str) -> int | None:
        """Return the row of an item, or None when it is not here."""
        found = self.items.with_row_index("row").filter(pl.col("id") == item_id)["row"]
        return int(found[0]) if found.len() else None

    def known_events(self, within_days: int | None) -> pl.LazyFrame:
        """Events up to the reference time, of the last so many times 24 hours when asked; see `events`."""
        events = self.events.lazy().filter(pl.col("time") <= self.as_of)
        if within_days is None:
            return events
        return events.filter(pl.col("time") >= self.as_of - timedelta(days=within_days))

    def event_values(self) -> pl.Expr:
        """How much each event of `events` says about taste, by its type; 0 for a type without a weight."""
        known = {name: self.event_weights.get(name, 0.0) for name in self.event_columns.type_names}
        return pl.col("type").replace_strict(known or None, default=0.0, return_dtype=pl.Float64)

    def trait_rows(self, name: str) -> pl.DataFrame:
        """One trait of those who have it, computed or sent, as `Traits.rows`; a computed one goes first."""
        return self.computed.of(name) if name in self.computed.names() else self.traits.of(name)

    def trait(self, name: str) -> pl.DataFrame:
        """One trait of everyone: `number` Float64, `text` String, `flag` Boolean, the others null."""
        rows = self.trait_rows(name)
        place = np.full(self.size, rows.height)
        place[rows["profile"].to_numpy()] = np.arange(rows.height)
        taken = pl.Series(place).replace(rows.height, None)
        return rows.select(pl.col(*VALUES).gather(taken))
