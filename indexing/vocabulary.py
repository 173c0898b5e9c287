"""What a definition over a snapshot may name, the commonest first: for whoever writes one, person or model.

Values are shown only of traits that have few, and of these only those that several people share: a name, an
address or whatever else tells one person from another is not among them.
"""

from collections.abc import Sequence
from typing import cast

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from indexing.population import Population, SnapshotColumns

MOST_NAMES = 100
"""So many traits, event types and categories are given."""
MOST_VALUES = 20
"""A trait with more different texts is described by its kind."""
SHARED_BY = 5
"""A value is shown when at least so many profiles have it."""

_KINDS = {"number": "numbers", "text": "texts", "flag": "true or false"}


class Vocabulary(msgspec.Struct, frozen=True, kw_only=True):
    """Names a definition may use."""

    traits: dict[str, str | tuple[str, ...]]
    """By trait the texts it has, or what kind of values: `numbers`, `texts`, `true or false`."""
    event_types: tuple[str, ...]
    categories: tuple[str, ...]


def vocabulary(snapshot: SnapshotColumns) -> Vocabulary:
    """Gather the names, those that most profiles, events and items have first."""
    people, traits = Population.of(snapshot), snapshot.traits
    sent = _first(traits.names, np.diff(traits.offsets))
    types = snapshot.event_columns.type_names
    events = np.bincount(snapshot.event_columns.types, minlength=len(types))[: len(types)]
    return Vocabulary(
        traits={name: _held(people.trait_rows(name)) for name in (*sent, *snapshot.computed.names())},
        event_types=tuple(_first(types, events)),
        categories=_commonest(snapshot.items["category"].drop_nulls(), 1)[:MOST_NAMES],
    )


def _first(names: Sequence[str], counts: npt.NDArray[np.int64]) -> list[str]:
    places: list[int] = np.argsort(-counts, kind="stable")[:MOST_NAMES].tolist()
    return [names[place] for place in places]


def _held(rows: pl.DataFrame) -> str | tuple[str, ...]:
    kinds = [kind for kind in _KINDS if rows[kind].null_count() < rows.height]
    if kinds == ["text"] and rows["text"].n_unique() <= MOST_VALUES:
        return _commonest(rows["text"], SHARED_BY) or _KINDS["text"]
    return " and ".join(_KINDS[kind] for kind in kinds) or "nothing yet"


def _commonest(values: pl.Series, least: int) -> tuple[str, ...]:
    """Give the different texts that stand there at least so often, the most frequent first, ties by text."""
    counted = values.alias("value").value_counts().filter(pl.col("count") >= least)
    ordered = counted.sort(["count", "value"], descending=[True, False])["value"]
    return tuple(cast("list[str]", ordered.to_list()))
