"""One profile's newest rows in the shape that definitions are evaluated over."""

import numpy as np
import polars as pl

from indexing.computed_traits import NO_TRAITS, Calendar, ComputedTraits, compute_traits
from indexing.event_columns import EventColumns, read_columns
from indexing.population import Population, as_floats
from indexing.profiles import (
    TasteParameters,
    Tastes,
    ages_in_days,
    group_interests,
    measure_tastes,
    weights_by_type,
)
from indexing.snapshot import Snapshot
from indexing.traits import collect_traits
from indexing.world import World


def live_population(world: World, snapshot: Snapshot) -> Population:
    """Turn a world of one profile into a population, by the mathematics the snapshot was built with.

    `world.items` must be the snapshot's items, row for row: interests are made of its item vectors.
    """
    weights = as_floats(weights_by_type(world.event_weights))
    events = world.events.filter(pl.col("item").is_not_null())
    rows, places = np.unique(events["item"].to_numpy(), return_inverse=True)
    parameters = TasteParameters(half_life_days=snapshot.manifest.half_life_days)
    tastes = measure_tastes(
        np.zeros(events.height, dtype=np.int64),
        places,
        events["type"].replace_strict(weights, default=0.0, return_dtype=pl.Float64).to_numpy(),
        ages_in_days(events["time"].dt.replace_time_zone(None).to_numpy(), world.as_of),
        n_profiles=1,
        parameters=parameters,
    )
    columns = read_columns(world.events, world.profiles.height)
    return Population(
        items=world.items,
        profiles=world.profiles,
        traits=collect_traits(world.profiles),
        computed=_live_traits(columns, world, snapshot, weights),
        event_columns=columns,
        item_vectors=snapshot.item_vectors,
        interests=group_interests(
            tastes, np.asarray(snapshot.item_vectors[rows]), parameters, basis=snapshot.sketch_basis
        ),
        tastes=Tastes(
            items=rows[tastes.items].astype(np.int32), weights=tastes.weights, offsets=tastes.offsets
        ),
        as_of=world.as_of,
        event_weights=weights,
    )


def _live_traits(
    columns: EventColumns, world: World, snapshot: Snapshot, weights: dict[str, float]
) -> ComputedTraits:
    """Compute those of one profile's traits that the snapshot has, graded among the snapshot's buyers."""
    known = snapshot.computed
    if not known.names():
        return NO_TRAITS
    calendar = Calendar(as_of=world.as_of, timezone=world.timezone)
    found = compute_traits(
        columns, world.items, calendar, weights, responses=world.responses, cuts=known.cuts
    )
    return ComputedTraits(frame=found.frame.select(known.names()), cuts=known.cuts)
