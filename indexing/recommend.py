"""Candidates and scoring for one profile, with reasons; items like an item; profiles for an item."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from indexing.snapshot import Snapshot

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


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One addend of a score, in words."""

    kind: Literal["similar", "together", "popular"]
    text: str
    """e.g. `because of "Garden trowel" viewed 2 days ago`."""
    weight: float
    """What it adds to the score."""
    item_row: int | None = None
    """The item of the history it comes from."""


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """One item for one profile."""

    item_row: int
    item_id: str
    score: float
    reasons: tuple[Reason, ...]


class ProfileMatch(msgspec.Struct, frozen=True, kw_only=True):
    """One profile to show an item to."""

    profile_row: int
    profile_id: str
    score: float
    reasons: tuple[Reason, ...]


class Recommender(Protocol):
    """Ranks items and profiles. Best first; fewer than k only when fewer pass. Raises `IndexingError`
    for k < 1 and `NotFound` for a row the snapshot does not hold.
    """

    def recommend(
        self,
        history: History,
        k: int,
        filters: Filters = Filters(),
        *,
        traits: Mapping[str, Trait] | None = None,
        now: datetime | None = None,
    ) -> list[Recommendation]:
        """Items for the profile with this history; popular ones (for its traits) when it is empty.

        Ages count from `now` (default: the snapshot's `as_of`).
        """
        ...

    def similar_items(self, item_row: int, k: int, filters: Filters = Filters()) -> list[Recommendation]: ...

    def profiles_for_item(
        self, item_row: int, k: int, *, exclude_buyers: bool = False
    ) -> list[ProfileMatch]: ...


class BlendRecommender:
    """The `Recommender` over one snapshot: text, co-occurrence and popularity, blended."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def recommend(
        self,
        history: History,
        k: int,
        filters: Filters = Filters(),
        *,
        traits: Mapping[str, Trait] | None = None,
        now: datetime | None = None,
    ) -> list[Recommendation]:
        raise NotImplementedError

    def similar_items(self, item_row: int, k: int, filters: Filters = Filters()) -> list[Recommendation]:
        raise NotImplementedError

    def profiles_for_item(self, item_row: int, k: int, *, exclude_buyers: bool = False) -> list[ProfileMatch]:
        raise NotImplementedError


def history_of(snapshot: Snapshot, profile_row: int) -> History:
    """The profile's events in the snapshot as a history, for those without a live store."""
    raise NotImplementedError
