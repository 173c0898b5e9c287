"""Which vectors were in the snapshot before too: an approximate index keeps their codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from indexing.index import Rows
from indexing.profiles import Interests

if TYPE_CHECKING:
    from indexing.item_vectors import Digests
    from indexing.snapshot import Snapshot

SAME = 1e-6
"""Vectors whose components differ by no more count as the same.

When the reference time moves on, all weights of a profile shrink by one factor, and its interests change by
rounding alone; a code of a few bits a component does not see that, and the exact vectors rank what it finds.
"""

_ROWS_AT_ONCE = 16_384


def carried_items(previous: Snapshot, ids: pl.Series, digests: Digests, with_text: Rows) -> Rows:
    """Find each item with text among those of the previous item index: int64[len(with_text)], -1 if new.

    The same item with the same text; both snapshots are by the same embedder.
    """
    now, before = _matched(ids, previous.items["id"])
    same = (digests[now] == previous.item_text_digests[before]).all(axis=1)
    old_places = np.cumsum(np.any(previous.item_vectors != 0, axis=1)) - 1
    places = np.full(len(ids), -1, np.int64)
    places[now[same]] = old_places[before[same]]
    return places[with_text]


def carried_interests(previous: Snapshot, ids: pl.Series, interests: Interests) -> Rows:
    """Find each interest among those of the previous snapshot: int64[m], -1 if new or changed.

    A profile's first interest is compared with its first one of before, the second with the second.
    """
    now, before = _matched(ids, previous.profiles["id"])
    old = previous.interests
    shared: Rows = np.minimum(np.diff(interests.offsets)[now], np.diff(old.offsets)[before])
    within: Rows = np.arange(int(shared.sum())) - np.repeat(np.cumsum(shared) - shared, shared)
    rows = np.repeat(interests.offsets[:-1][now], shared) + within
    old_rows = np.repeat(old.offsets[:-1][before], shared) + within
    places = np.full(len(interests.weights), -1, np.int64)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        difference = np.abs(interests.vectors[rows[part]] - old.vectors[old_rows[part]])
        same = difference.max(axis=1, initial=0) <= SAME
        places[rows[part][same]] = old_rows[part][same]
    return places


def _matched(ids: pl.Series, before: pl.Series) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of the ids that both have, now and before, in order."""
    both = (
        pl.DataFrame({"id": ids})
        .with_row_index("now")
        .join(pl.DataFrame({"id": before}).with_row_index("before"), on="id", how="inner")
        .sort("now")
    )
    return both["now"].to_numpy().astype(np.int64), both["before"].to_numpy().astype(np.int64)
