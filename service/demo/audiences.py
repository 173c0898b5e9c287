"""The demo's three audiences: by meaning, by rule and by example."""

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from indexing.snapshot import Snapshot


class AudiencePlan(msgspec.Struct, frozen=True, kw_only=True):
    """An audience to be made."""

    name: str
    by: str
    definition: dict[str, Any]


EXAMPLE_CATEGORY = "Kitchen & Table"
EXAMPLES = 10
"""Customers the third audience starts from: the best of that category."""

LAPSED: dict[str, Any] = {
    "all": [
        {"affinity": "Trail & Camp", "at_least": 0.25},
        {"event": "purchase", "op": "ge", "value": 2},
        {"event": "purchase", "aggregate": "recency_days", "op": "ge", "value": 45},
    ]
}


def plan_audiences(snapshot: "Snapshot") -> tuple[AudiencePlan, ...]:
    """Define the audiences over a snapshot; CPU work."""
    cooks = {"profiles": list(best_customers(snapshot, EXAMPLE_CATEGORY))}
    return (
        AudiencePlan(name="gardeners", by="like", definition={"like": "gardening", "top": 300}),
        AudiencePlan(name="lapsed-walkers", by="rule", definition=LAPSED),
        AudiencePlan(name="like-our-cooks", by="example", definition={"similar_to": cooks, "top": 200}),
    )


def best_customers(snapshot: "Snapshot", category: str, n: int = EXAMPLES) -> tuple[str, ...]:
    """Find the ids of the profiles who bought most often in a category, ties by id."""
    import polars as pl

    items = snapshot.items.with_row_index("item").select("item", "category")
    profiles = snapshot.profiles.with_row_index("profile").select("profile", "id")
    bought = (
        snapshot.events.filter(pl.col("type") == "purchase")
        .join(items, on="item")
        .filter(pl.col("category") == category)
        .group_by("profile")
        .len()
        .join(profiles, on="profile")
        .sort(["len", "id"], descending=[True, False])
    )
    return tuple(bought["id"].head(n).to_list())
