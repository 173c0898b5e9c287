"""Computed traits by plain Python loops, from their definitions: the oracle of the property test."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import mean, median
from typing import Any
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)


def plain_traits(
    events: list[list[dict[str, Any]]],
    items: list[dict[str, Any]],
    as_of: datetime,
    zone: ZoneInfo,
    weights: dict[str, float],
) -> list[dict[str, Any]]:
    """Per profile what it has; `events`: `type`, `time`, `value`, `item` (row or none), perhaps `channel`."""
    people = [_one([e for e in mine if e["time"] <= as_of], items, as_of, zone, weights) for mine in events]
    for score, name, sign in (
        ("recency_score", "recency_days", -1),
        ("frequency_score", "frequency", 1),
        ("monetary_score", "monetary", 1),
    ):
        buyers = [sign * one[name] for one in people if name in one]
        for one in people:
            if name in one:
                worse = sum(other < sign * one[name] for other in buyers)
                one[score] = 1 + min(4, 5 * worse // len(buyers))
    for one in people:
        if "frequency" in one:
            one["rfm"] = f"{one['recency_score']}{one['frequency_score']}{one['monetary_score']}"
    return people


def _one(
    events: list[dict[str, Any]],
    items: list[dict[str, Any]],
    as_of: datetime,
    zone: ZoneInfo,
    weights: dict[str, float],
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    bought = [event for event in events if event["type"] == "purchase"]
    if bought:
        days = sorted({event["time"].astimezone(zone).date() for event in bought})
        found["recency_days"] = round((as_of - max(event["time"] for event in bought)) / DAY, 6)
        found["frequency"] = len(days)
        found["monetary"] = round(sum(event["value"] or 0 for event in bought), 6)
        gaps = [(later - earlier).days for earlier, later in pairwise(days)]
        if len(gaps) >= 2:
            found["cadence_days"] = median(gaps)
            found["overdue"] = round((as_of.astimezone(zone).date() - days[-1]).days / median(gaps), 6)
        levels = [level for event in bought if (level := _level(event["item"], items)) is not None]
        if levels:
            found["price_level"] = round(mean(levels), 6)
    speaking = [event for event in events if weights.get(event["type"], 0) > 0]
    if speaking:
        hours = Counter(event["time"].astimezone(zone).hour for event in speaking)
        smooth = [2 * hours[h] + hours[(h + 1) % 24] + hours[(h - 1) % 24] for h in range(24)]
        found["preferred_hour"] = smooth.index(max(smooth))
    channels = Counter(event["channel"] for event in events if event.get("channel") is not None)
    if channels:
        found["preferred_channel"] = min(channels, key=lambda name: (-channels[name], name))
    recent = sum(as_of - event["time"] <= 30 * DAY for event in speaking)
    before = sum(30 * DAY < as_of - event["time"] <= 60 * DAY for event in speaking)
    if recent + before:
        found["trend"] = round((recent - before) / (recent + before + 2), 6)
    sums: dict[str, float] = defaultdict(float)
    for event in speaking:
        category = None if event["item"] is None else items[event["item"]]["category"]
        if category is not None:
            sums[category] += weights[event["type"]]
    ranked = sorted(sums, key=lambda name: (-round(sums[name], 6), name))
    found |= dict(zip(("favourite_category", "second_category"), ranked, strict=False))
    return found


def _level(row: int | None, items: list[dict[str, Any]]) -> float | None:
    if row is None or items[row]["price"] is None:
        return None
    of_kind = [
        item["price"]
        for item in items
        if item["price"] is not None and item["category"] == items[row]["category"]
    ]
    below = sum(price < items[row]["price"] for price in of_kind)
    equal = sum(price == items[row]["price"] for price in of_kind)
    return (below + (equal + 1) / 2 - 0.5) / len(of_kind)
