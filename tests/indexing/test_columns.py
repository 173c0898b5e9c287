"""Traits and events as columns: what was written comes back, whatever the names and however many."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexing.event_columns import map_columns, map_table, read_columns, with_coded_types
from indexing.population import Population
from indexing.traits import collect_traits, distinct_values
from indexing.world import EVENT_COLUMNS
from tests.indexing.people import people

SCALAR = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | st.text(max_size=5)
TRAITS = st.dictionaries(st.text(max_size=3), SCALAR | st.lists(st.integers(), max_size=2), max_size=5)


def _kind(value: object) -> str | None:
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else None


@settings(max_examples=80, deadline=None)
@given(st.lists(TRAITS | st.none(), max_size=8), st.integers(1, 4))
def test_traits_come_back_by_name_and_profile(drawn: list[dict | None], at_once: int) -> None:
    texts = [None if one is None else msgspec.json.encode(one).decode() for one in drawn]
    profiles = pl.DataFrame({"traits": texts}, schema={"traits": pl.String})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("indexing.traits._PROFILES_AT_ONCE", at_once)
        traits = collect_traits(profiles)
    told = [
        (name, row) for row, one in enumerate(drawn) for name, value in (one or {}).items() if _kind(value)
    ]
    assert traits.names == tuple(sorted({name for name, _ in told}, key=lambda name: name.encode()))
    assert traits.rows.height == len(told)
    for name in (*traits.names, "nobody has this"):
        found = traits.of(name).to_dicts()
        assert [entry["profile"] for entry in found] == [row for other, row in told if other == name]
        for entry in found:
            value = (drawn[entry["profile"]] or {})[name]
            kinds = {kind: entry[kind] for kind in ("number", "text", "flag")}
            assert kinds == {**dict.fromkeys(kinds), _kind(value): value}


def test_a_trait_of_everyone_is_null_where_it_is_not() -> None:
    world = people(seed=5)
    seen = Population.of(world).trait("vip")
    for row, text in enumerate(world.profiles["traits"]):
        value = msgspec.json.decode(text).get("vip")
        assert seen["flag"][row] == (value if isinstance(value, bool) else None)
        assert seen["text"][row] == (value if isinstance(value, str) else None)
    assert Population.of(world).trait("unknown")["text"].null_count() == world.profiles.height


@pytest.mark.parametrize("kinds", [1, 3, 300])
@pytest.mark.parametrize("untyped", [False, True])
def test_mapped_events_are_those_in_memory(tmp_path: Path, kinds: int, untyped: bool) -> None:
    n = 2 * kinds + 1
    events = pl.DataFrame(
        {
            "profile": [place // 2 for place in range(n)],
            "item": [None if place % 3 else place for place in range(n)],
            "type": [None if untyped and not place else f"kind {place % kinds}" for place in range(n)],
            "value": [None if place % 2 else float(place) for place in range(n)],
            "quantity": [1.0] * n,
            "time": [datetime(2026, 1, 1, 0, place % 60, tzinfo=UTC) for place in range(n)],
        },
        schema=EVENT_COLUMNS,
    )
    plain = read_columns(events, kinds + 1)
    with_coded_types(events).rechunk().write_ipc(tmp_path / "events.arrow", record_batch_size=n)
    mapped = map_columns(map_table(tmp_path / "events.arrow"), plain.offsets)
    assert mapped.type_names == plain.type_names
    for column in ("owners", "offsets", "types", "times"):
        assert getattr(mapped, column).tolist() == getattr(plain, column).tolist()
    expected = events.drop("quantity").select("profile", "item", "type", "value", "time")
    for columns in (plain, mapped):
        assert columns.frame().with_columns(pl.col("type").cast(pl.String)).equals(expected)
    assert mapped.of(1).frame()["time"].to_list() == events.filter(profile=1)["time"].to_list()
    assert mapped.of(1).owners.tolist() == [0] * events.filter(profile=1).height


def test_the_different_values_of_traits_are_counted_among_some_profiles() -> None:
    told: list[dict[str, object]] = [
        {"name": "Ada", "age": 3},
        {"name": "Ada", "age": 3.0},
        {"name": "Bo", "vip": False},
        {"age": 4.5},
        {},
        {"name": "Cy", "age": 1},
    ]
    texts = [msgspec.json.encode(traits).decode() for traits in told]
    traits = collect_traits(pl.DataFrame({"traits": texts}, schema={"traits": pl.String}))

    def found(names: list[str], profiles: list[int]) -> set[tuple[object, ...]]:
        rows = distinct_values(traits, names, np.array(profiles, np.uint32))
        return {(*values.values(), count) for values, count in rows}

    everyone = list(range(6))
    assert found(["name"], everyone) == {("Ada", 2), ("Bo", 1), ("Cy", 1), (None, 2)}
    assert found(["age", "name"], everyone) == {
        (3.0, "Ada", 2),
        (None, "Bo", 1),
        (4.5, None, 1),
        (None, None, 1),
        (1.0, "Cy", 1),
    }
    assert found(["vip"], [2, 4]) == {(False, 1), (None, 1)}
    assert found(["nobody has this"], [0, 1]) == {(None, 2)}
    assert found(["name"], []) == set()
