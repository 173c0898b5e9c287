"""One profile's history, reduced to the items that speak for it."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from indexing import reasons
from indexing.associations import Associations
from indexing.errors import NotFound
from indexing.index import Rows
from indexing.profiles import ages_in_days
from indexing.recommendation import Filters, History, Reason
from indexing.sequences import days_of, recent_weights, strongest_of_each
from indexing.snapshot import Snapshot

HISTORY_ITEMS = 100
"""A profile's strongest so many items speak for it."""

_SECONDS_PER_DAY = 86_400.0


class Liked:
    """A history reduced to the items that speak for the profile.

    `rows` int64[n], strongest first, ties by row; `weights` float32[n], 0 to 1, as
    `indexing.sequences.recent_weights` gives them. Items disliked at least as much as liked are left out.
    """

    def __init__(self, snapshot: Snapshot, history: History, now: datetime) -> None:
        self._snapshot = snapshot
        known = (history.items >= 0) & (history.items < snapshot.items.height)
        self._items: Rows = history.items[known]
        self._types = [kind for kind, keep in zip(history.types, known.tolist(), strict=True) if keep]
        self._ages = ages_in_days(history.times[known], now)
        self.rows, self.weights = self._strongest(history.times[known], now)

    def excluded(self, filters: Filters) -> Rows:
        """Item rows the filters leave out because of this history."""
        if filters.exclude_seen:
            return self._items
        bought = np.array([kind == "purchase" for kind in self._types], np.bool_)
        return self._items[bought] if filters.exclude_bought else self._items[:0]

    def because_of(self, place: int, weight: float) -> Reason:
        """Name the newest event with the item at `place` of `rows`."""
        row = int(self.rows[place])
        events = np.flatnonzero(self._items == row)
        newest = int(events[np.argmin(self._ages[events])])
        text = reasons.because_of(
            title_of(self._snapshot, row), self._types[newest], float(self._ages[newest])
        )
        return Reason(kind="similar", text=text, weight=weight, item_row=row)

    def bought_with(self, associations: Associations, row: int) -> list[Reason]:
        """Every history item that speaks for or against the item in `row`, with what it adds to its score."""
        column = associations.places([row])[0]
        places = associations.places(self.rows)
        if column < 0:
            return []
        return [
            Reason(
                kind="together",
                text=reasons.bought_with(title_of(self._snapshot, int(self.rows[number]))),
                weight=float(self.weights[number] * associations.weights[places[number], column]),
                item_row=int(self.rows[number]),
            )
            for number in np.flatnonzero(places >= 0).tolist()
        ]

    def _strongest(
        self, times: npt.NDArray[np.datetime64], now: datetime
    ) -> tuple[Rows, npt.NDArray[np.float32]]:
        by_type = self._snapshot.manifest.event_weights
        weights = np.array([by_type.get(kind, 0.0) for kind in self._types], np.float64)
        distinct, places = np.unique(self._items, return_inverse=True)
        liked = np.bincount(places, weights=weights, minlength=len(distinct)) > 0
        good = (weights > 0) & liked[places]
        strengths = (weights[good] / max([*by_type.values(), 1e-9])).astype(np.float32)
        events = recent_weights(
            days_of(times[good]), strengths, now.timestamp() / _SECONDS_PER_DAY, self._snapshot.mixture.pace
        )
        rows, largest = strongest_of_each(self._items[good], events)
        order = np.argsort(-largest, kind="stable")[:HISTORY_ITEMS]
        return rows[order], largest[order].astype(np.float32)


def history_of(snapshot: Snapshot, profile_row: int) -> History:
    """Read the profile's events in the snapshot as a history, for those without a live store."""
    if not 0 <= profile_row < snapshot.profiles.height:
        raise NotFound(
            f"Snapshot {snapshot.version} holds no profile row {profile_row}, only 0 to "
            f"{snapshot.profiles.height - 1}."
        )
    start, stop = snapshot.event_offsets[profile_row : profile_row + 2].tolist()
    events = snapshot.events.slice(start, stop - start).filter(pl.col("item").is_not_null())
    return History(
        items=events["item"].to_numpy().astype(np.int64),
        types=tuple(events["type"].cast(pl.String).to_list()),
        times=events["time"].dt.replace_time_zone(None).to_numpy(),
    )


def title_of(snapshot: Snapshot, row: int) -> str:
    """Return what to call an item: its title, or its id where it has none."""
    return snapshot.items["title"][row] or snapshot.items["id"][row]
