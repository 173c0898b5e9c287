"""Names in a definition that the snapshot does not hold: a misspelt trait would match nobody in silence."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Literal, cast

import msgspec
import numpy as np
import polars as pl

from indexing.definition import (
    AffinityRule,
    Definition,
    EventRule,
    NearestRule,
    SimilarRule,
    TraitRule,
    reachable,
)
from indexing.population import SnapshotColumns

Kind = Literal["trait", "event type", "category", "item", "profile"]

LISTED = 10
"""So many names of a kind are written out, and looked for among those that are there."""
SEARCHED = 5000
"""Nearest names are looked for among at most so many: names of things, not ids of a million people."""


class UnknownName(msgspec.Struct, frozen=True, kw_only=True):
    """A name that a definition uses and the snapshot does not hold."""

    kind: Kind
    name: str
    nearest: tuple[str, ...] = ()
    """Known names most like it, the closest first."""


def unknown_names(
    definition: Definition,
    snapshot: SnapshotColumns,
    segments: Mapping[str, Definition] | None = None,
) -> tuple[UnknownName, ...]:
    """Find the names that the snapshot does not hold, by kind and in the order they were written.

    Definitions that `segment` and `similar_to` rules refer to, of `segments`, are looked through as well.
    What is not there is no error: it may come with the next snapshot.
    """
    used: dict[Kind, dict[str, None]] = {}
    for node in reachable(definition, segments or {}):
        for kind, name in _names_of(node):
            used.setdefault(kind, {})[name] = None
    return tuple(unknown for kind, names in used.items() for unknown in _missing(kind, list(names), snapshot))


def in_words(unknown: Sequence[UnknownName]) -> tuple[str, ...]:
    """Say it in a sentence per kind."""
    by_kind: dict[Kind, list[UnknownName]] = {}
    for name in unknown:
        by_kind.setdefault(name.kind, []).append(name)
    return tuple(_sentence(kind, names) for kind, names in by_kind.items())


def _names_of(node: Definition) -> Iterator[tuple[Kind, str]]:
    match node:
        case TraitRule(trait=name):
            yield "trait", name
        case EventRule(event=event, item=item, category=category):
            if event != "*":
                yield "event type", event
            if item is not None:
                yield "item", item
            if category is not None:
                yield "category", category
        case AffinityRule(affinity=name):
            yield "category", name
        case SimilarRule(similar_to=seeds):
            for name in seeds.profiles or ():
                yield "profile", name
        case NearestRule(nearest=items, among=others):
            for name in chain(items, *others):
                yield "item", name
        case _:
            return


def _missing(kind: Kind, names: list[str], snapshot: SnapshotColumns) -> Iterator[UnknownName]:
    known = _known(kind, snapshot)
    wanted = pl.Series(names, dtype=pl.String)
    if len(known):
        places = np.minimum(known.search_sorted(wanted).to_numpy(), len(known) - 1)
        wanted = wanted.filter(known.gather(places) != wanted)
    candidates = cast("list[str]", known.to_list()) if len(known) <= SEARCHED else []
    for number, name in enumerate(cast("list[str]", wanted.to_list())):
        near = difflib.get_close_matches(name, candidates, 3) if number < LISTED else []
        yield UnknownName(kind=kind, name=name, nearest=tuple(near))


def _known(kind: Kind, snapshot: SnapshotColumns) -> pl.Series:
    """Return the names of a kind that are there, sorted."""
    match kind:
        case "trait":
            return pl.Series([*snapshot.traits.names, *snapshot.computed.names()], dtype=pl.String).sort()
        case "event type":
            return pl.Series(snapshot.event_columns.type_names, dtype=pl.String)
        case "category":
            return snapshot.items["category"].drop_nulls().unique().sort()
        case "item":
            return snapshot.items["id"]
        case "profile":
            return snapshot.profiles["id"]


def _sentence(kind: Kind, unknown: list[UnknownName]) -> str:
    shown = [
        f"{name.name!r}" + (f" (nearest: {', '.join(map(repr, name.nearest))})" if name.nearest else "")
        for name in unknown[:LISTED]
    ]
    more = f" and {len(unknown) - LISTED:,} more" if len(unknown) > LISTED else ""
    return f"the snapshot holds no {kind} {', '.join(shown)}{more}"
