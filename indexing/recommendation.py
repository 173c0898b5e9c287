"""The port to recommendations, and what goes in and comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from indexing.errors import IndexingError

Trait = str | float | bool | None


class History(msgspec.Struct, frozen=True, kw_only=True):
    """One profile's newest events that name an item, in any order. Arrays of one length."""

    items: npt.NDArray[np.int64]
    """Item rows of the snapshot; -1 (an item it does not hold) is skipped."""
    types: tuple[str, ...]
    times: npt.NDArray[np.datetime64]
    """datetime64[us], UTC."""


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Which items may be recommended; all must hold, exactly."""

    categories: tuple[str, ...] = ()
    """Any of these; empty for all."""
    max_price: float | None = None
    """An item without a price does not pass."""
    in_stock: bool = False
    """Only items in stock."""
    exclude_bought: bool = False
    """Not what the history holds a `purchase` of."""
    exclude_seen: bool = False
    """Nothing the history holds any event of."""
    exclude_items: tuple[str, ...] = ()
    """Item ids."""


ANYTHING = Filters()
"""No filter."""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One addend of a score, in words."""

    kind: Literal["similar", "together", "popular"]
    text: str
    """e.g. `because of "Garden trowel" viewed 2 days ago`."""
    weight: float
    """What it adds to the score; those named add up to no more than the score."""
    item_row: int | None = None
    """The item it comes from."""


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """One item for one profile."""

    item_row: int
    item_id: str
    score: float
    reasons: tuple[Reason, ...]
    """The strongest addends, strongest first; all of them, adding up to the score, where asked to explain."""


class ProfileMatch(msgspec.Struct, frozen=True, kw_only=True):
    """One profile to show an item to."""

    profile_row: int
    profile_id: str
    score: float
    reasons: tuple[Reason, ...]


class Recommender(Protocol):
    """Ranks items and profiles, best first, ties by lower row; fewer than k only when fewer pass.

    Raises `IndexingError` for k < 1 and `NotFound` for a row the snapshot does not hold.
    """

    def recommend(
        self,
        history: History,
        k: int,
        filters: Filters = ANYTHING,
        *,
        traits: Mapping[str, Trait] | None = None,
        now: datetime | None = None,
        diversity: float = 0.0,
        explain: bool = False,
    ) -> list[Recommendation]:
        """Rank items for the profile with this history; popular ones (for its traits) when it is empty.

        Ages count from `now` (aware; by default the snapshot's `as_of`). `diversity` 0..1 trades score for
        difference among the items recommended (`indexing.diversity`). `explain` gives every addend of a
        score, also those below zero. Raises `IndexingError` for a diversity beyond 0..1.
        """
        ...

    def similar_items(self, item_row: int, k: int, filters: Filters = ANYTHING) -> list[Recommendation]:
        """Rank the items most like one item, itself left out."""
        ...

    def profiles_for_item(self, item_row: int, k: int, *, exclude_buyers: bool = False) -> list[ProfileMatch]:
        """Rank the profiles an item should be shown to, each once."""
        ...


def check_diversity(diversity: float) -> None:
    """Raise `IndexingError` unless diversity is 0..1; NaN is not."""
    if not 0 <= diversity <= 1:
        raise IndexingError(
            f"diversity is {diversity}: give 0 (by score alone) to 1 (as different as can be)."
        )


def check_k(k: int) -> None:
    """Raise `IndexingError` unless k is at least 1."""
    if k < 1:
        raise IndexingError(f"k is {k}: ask for at least 1.")
