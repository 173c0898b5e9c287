"""What suits whom: items for a profile from its newest events, items like an item, profiles for an item."""

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from service.catalog.model import Item
from service.catalog.store import ItemStore
from service.errors import InvalidInput
from service.events.model import Event
from service.events.store import EventStore
from service.profiles.actions import erased_profiles, get_profile
from service.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable

    from indexing.recommend import BlendRecommender, History, ProfileMatch, Recommendation
    from indexing.snapshot import Snapshot

LIVE_EVENTS = 500
"""How many of a profile's newest events decide."""

SPARE = 20
"""How many more are asked of the snapshot, to replace what the store no longer has."""

MORE = 8
"""How many times more, where that was not enough."""

IDS_AT_ONCE = 10_000
"""Databases limit the values of one statement."""


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """One addend of a score, in words."""

    kind: str
    """`similar`, `together` or `popular`."""
    text: str
    weight: float


class RecommendedItem(msgspec.Struct, frozen=True, kw_only=True):
    """One item, with why."""

    item: Item
    """As the store has it now."""
    score: float
    reasons: tuple[Why, ...]


class ItemList(msgspec.Struct, frozen=True, kw_only=True):
    """Items, best first."""

    results: list[RecommendedItem]
    as_of: datetime
    """The reference time of the snapshot they were ranked by."""
    snapshot: str


class RecommendedProfile(msgspec.Struct, frozen=True, kw_only=True):
    """One profile to show an item to, with why."""

    profile_id: str
    score: float
    reasons: tuple[Why, ...]


class ProfileList(msgspec.Struct, frozen=True, kw_only=True):
    """Profiles, best first."""

    results: list[RecommendedProfile]
    as_of: datetime
    snapshot: str


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """Which items may be recommended, and how."""

    categories: tuple[str, ...] = ()
    max_price: float | None = None
    in_stock: bool = False
    exclude_bought: bool = False
    diversity: float = 0.0
    """0..1: how much score is given up for items that differ from one another."""
    explain: bool = False
    """Every addend of a score, not the strongest three."""


EVERYTHING = Wishes()


async def recommend(
    runtime: Runtime, workspace: str, profile_id: str, k: int, wishes: Wishes = EVERYTHING
) -> ItemList:
    """Recommend up to `k` items, from the profile's newest events in the store.

    A profile without events gets what is popular among those with its traits. Raises NotFound (also for an
    erased profile), InvalidInput for a price limit or a diversity that is none, and
    `indexing.errors.SnapshotMissing`.
    """
    if not 0 <= wishes.diversity <= 1:  # NaN too
        raise InvalidInput(f"diversity is {wishes.diversity}: give 0 (by score alone) to 1 (most unlike)")
    if wishes.max_price is not None and not wishes.max_price >= 0:  # NaN too, which compares with nothing
        raise InvalidInput(f"max_price is {wishes.max_price}: give 0 or more, or leave it out")
    profile = await get_profile(runtime, workspace, profile_id)
    async with runtime.database.read() as session:
        events = await EventStore(session, workspace).newest(profile_id, LIVE_EVENTS)
    snapshot = await runtime.snapshot(workspace)

    def ranked(count: int) -> "list[Recommendation]":
        from indexing.recommend import Filters

        filters = Filters(
            categories=wishes.categories,
            max_price=wishes.max_price,
            in_stock=wishes.in_stock,
            exclude_bought=wishes.exclude_bought,
        )
        now = max([snapshot.manifest.as_of, *(event.occurred_at for event in events)])
        history = live_history(snapshot, events)
        return _recommender(snapshot).recommend(
            history,
            count,
            filters,
            traits=profile.traits,
            now=now,
            diversity=wishes.diversity,
            explain=wishes.explain,
        )

    return await _listed(runtime, workspace, snapshot, ranked, k)


async def similar_items(
    runtime: Runtime, workspace: str, item_id: str, k: int, *, in_stock: bool = False
) -> ItemList:
    """List up to `k` items like this one. Raises NotFound and `indexing.errors.SnapshotMissing`."""
    snapshot = await runtime.snapshot(workspace)

    def ranked(count: int) -> "list[Recommendation]":
        from indexing.recommend import Filters

        row = snapshot.item_row(item_id)
        return _recommender(snapshot).similar_items(row, count, Filters(in_stock=in_stock))

    return await _listed(runtime, workspace, snapshot, ranked, k)


async def profiles_for_item(
    runtime: Runtime, workspace: str, item_id: str, k: int, *, exclude_buyers: bool = False
) -> ProfileList:
    """List up to `k` profiles an item suits best, erased ones left out. Raises NotFound."""
    snapshot = await runtime.snapshot(workspace)

    def ranked() -> "list[ProfileMatch]":
        row = snapshot.item_row(item_id)
        return _recommender(snapshot).profiles_for_item(row, k + SPARE, exclude_buyers=exclude_buyers)

    matches = await runtime.run(ranked)
    erased = await erased_profiles(runtime, workspace, [match.profile_id for match in matches])
    results = [
        RecommendedProfile(
            profile_id=match.profile_id,
            score=match.score,
            reasons=tuple(Why(kind=why.kind, text=why.text, weight=why.weight) for why in match.reasons),
        )
        for match in matches
        if match.profile_id not in erased
    ]
    return ProfileList(results=results[:k], as_of=snapshot.manifest.as_of, snapshot=snapshot.version)


def live_history(snapshot: "Snapshot", events: tuple[Event, ...]) -> "History":
    """Turn a profile's events into a history over the snapshot's items; CPU work."""
    import numpy as np

    from indexing.recommend import History

    named = [event for event in events if event.item_id is not None]
    times = [event.occurred_at.replace(tzinfo=None) for event in named]
    return History(
        items=snapshot.item_rows([str(event.item_id) for event in named]),
        types=tuple(event.type for event in named),
        times=np.array(times, dtype="datetime64[us]"),
    )


def _recommender(snapshot: "Snapshot") -> "BlendRecommender":
    from indexing.recommend import BlendRecommender

    return BlendRecommender(snapshot)


async def _listed(
    runtime: Runtime,
    workspace: str,
    snapshot: "Snapshot",
    ranked: "Callable[[int], list[Recommendation]]",
    k: int,
) -> ItemList:
    """Pair the recommendations with the items as they are now; those the catalogue has lost are left out.

    `ranked(count)` gives the best so many; it is asked for more where too many of them are gone.
    """
    count = k + SPARE
    while True:
        found = await runtime.run(ranked, count)
        items = await _still_there(runtime, workspace, [each.item_id for each in found])
        left = [each for each in found if each.item_id in items]
        if len(left) >= k or len(found) < count:
            break
        count *= MORE
    results = [
        RecommendedItem(
            item=items[each.item_id],
            score=each.score,
            reasons=tuple(Why(kind=why.kind, text=why.text, weight=why.weight) for why in each.reasons),
        )
        for each in left[:k]
    ]
    return ItemList(results=results, as_of=snapshot.manifest.as_of, snapshot=snapshot.version)


async def _still_there(runtime: Runtime, workspace: str, ids: list[str]) -> dict[str, Item]:
    items: dict[str, Item] = {}
    async with runtime.database.read() as session:
        for start in range(0, len(ids), IDS_AT_ONCE):
            items |= await ItemStore(session, workspace).get_many(ids[start : start + IDS_AT_ONCE])
    return items
