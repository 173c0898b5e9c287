"""What is laid out about everyone, against plain Python over the same events and traits."""

import math
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexing.observed import observe
from indexing.population import Population
from tests.indexing.people import AS_OF, Columns, people


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000), st.sampled_from([1, 40, 400]), st.sampled_from([timedelta(), timedelta(days=9)])
)
def test_habits_are_those_of_each_profile_s_events(seed: int, n_events: int, earlier: timedelta) -> None:
    world = people(seed=seed, n_profiles=30, n_events=n_events)
    manifest = msgspec.structs.replace(world.manifest, as_of=AS_OF - earlier)
    world = msgspec.structs.replace(world, manifest=manifest)
    rows = observe(Population.of(world)).habits.to_dicts()
    expected = plain_habits(world)
    assert [row["profile"] for row in rows] == [row["profile"] for row in expected]
    for row, plain in zip(rows, expected, strict=True):
        assert row == pytest.approx(plain, nan_ok=True)


def plain_habits(world: Columns) -> list[dict[str, Any]]:
    by_profile: dict[int, list[dict[str, Any]]] = {}
    for event in world.events.iter_rows(named=True):
        if event["time"] <= world.manifest.as_of:
            by_profile.setdefault(event["profile"], []).append(event)
    habits: list[dict[str, Any]] = []
    for profile, events in sorted(by_profile.items()):
        days = [(world.manifest.as_of - event["time"]) / timedelta(days=1) for event in events]
        bought = [event["type"] == "purchase" for event in events]
        paid = [e["value"] for e, b in zip(events, bought, strict=True) if b and e["value"] is not None]
        spend = sum(value for value in paid if math.isnan(value) or value > 0)
        habits.append(
            {
                "profile": profile,
                "first_days": max(days),
                "event_days": min(days),
                "purchase_days": min((d for d, b in zip(days, bought, strict=True) if b), default=None),
                "cart_days": None,
                "purchases": sum(bought),
                "spend": spend or None,
            }
        )
    return habits


def test_traits_are_labelled_by_name_and_value_without_personal_ones() -> None:
    traits = [
        {"tier": "gold", "score": number, "email": f"{number}@x.org", "ref": f"no {100_000 + number}"}
        for number in range(40)
    ] + [{"tier": "basic", "vip": True} for _ in range(25)]
    world = people(n_profiles=len(traits))
    texts = pl.Series("traits", [msgspec.json.encode(each).decode() for each in traits])
    found = observe(
        Population.of(msgspec.structs.replace(world, profiles=world.profiles.with_columns(texts)))
    )
    held = found.traits.labels.with_columns(n=pl.Series(np.bincount(found.traits.things)))
    assert held.rows() == [
        ("score", "over 10 to 20", 10),
        ("score", "over 20 to 29", 9),
        ("score", "over 29", 10),
        ("score", "up to 10", 11),
        ("tier", "basic", 25),
        ("tier", "gold", 40),
        ("vip", "true", 25),
    ]
    basic = found.traits.profiles[found.traits.things == 4]
    assert basic.tolist() == list(range(40, 65))
