"""One profile's history, reduced to the items that speak for it."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from indexing import reasons
from indexing.errors import NotFound
from indexing.profiles import TasteParameters, ages_in_days, measure_tastes
from indexing.recommendation import Filters, History, Reason
from indexing.snapshot import Snapshot

HISTORY_ITEMS = 50
"""A profile's strongest so many items speak for it."""


class Liked:
    """A history reduced to the items that speak for the profile: rows, weights, newest event of each."""

    def __init__(self, snapshot: Snapshot, history: History, now: datetime) -> None:
        self._snapshot = snapshot
        known = (history.items >= 0) & (history.items < snapshot.items.height)
        self._items = history.items[known]
        self._types = [kind for kind, keep in zip(history.types, known.tolist(), strict=True) if keep]
        self._ages = ages_in_days(history.times[known], now)
        weights = snapshot.manifest.event_weights
        tastes = measure_tastes(
            np.zeros(len(self._items), np.int64),
            self._items,
            np.array([weights.get(kind, 0.0) for kind in self._types], np.float64),
            self._ages,
            n_profiles=1,
            parameters=TasteParameters(
                half_life_days=snapshot.manifest.half_life_days, max_items=HISTORY_ITEMS
            ),
        )
        self.rows: npt.NDArray[np.int64] = tastes.items.astype(np.int64)
        self.weights: npt.NDArray[np.float32] = tastes.weights

    def excluded(self, filters: Filters) -> npt.NDArray[np.int64]:
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

    def bought_with(self, row: int, share: float) -> list[Reason]:
        """Every history item that has `row` among its neighbours, with what it adds."""
        near = self._snapshot.neighbours
        places, columns = np.nonzero(near.rows[self.rows] == row)
        return [
            Reason(
                kind="together",
                text=reasons.bought_with(title_of(self._snapshot, int(self.rows[place]))),
                weight=share * float(self.weights[place] * near.scores[self.rows[place], column]),
                item_row=int(self.rows[place]),
            )
            for place, column in zip(places.tolist(), columns.tolist(), strict=True)
        ]


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
        types=tuple(events["type"].to_list()),
        times=events["time"].dt.replace_time_zone(None).to_numpy(),
    )


def title_of(snapshot: Snapshot, row: int) -> str:
    """Return what to call an item: its title, or its id where it has none."""
    return snapshot.items["title"][row] or snapshot.items["id"][row]
