"""Profiles built a chunk at a time: the same as all at once, and memory that does not grow with the world."""

import tracemalloc
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.benchmarks.world import draw_world
from indexing import profile_building
from indexing.ordering import falling_bits, ranges, run_starts, stable_order
from indexing.profile_building import ArrayFile, build_profiles, event_weights
from indexing.profiles import TasteParameters, ages_in_days, group_interests, measure_tastes
from indexing.world import World
from tests.indexing.small_world import make_world, without

PARAMETERS = TasteParameters()


def vectors_for(world: World, dim: int = 48) -> np.ndarray:
    vectors = np.random.default_rng(1).standard_normal((world.items.height, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[-1] = 0
    return vectors


def at_once(world: World, vectors: np.ndarray):
    events = world.events.filter(pl.col("item").is_not_null())
    tastes = measure_tastes(
        events["profile"].to_numpy(),
        events["item"].to_numpy(),
        event_weights(events["type"], world.event_weights),
        ages_in_days(events["time"].dt.replace_time_zone(None).to_numpy(), world.as_of),
        n_profiles=world.profiles.height,
        parameters=PARAMETERS,
    )
    return tastes, group_interests(tastes, vectors, PARAMETERS)


@pytest.mark.parametrize("events_at_once", [1, 7, 64, 1_000_000])
def test_chunks_give_what_the_whole_gives(
    events_at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(40, seed=3)
    nameless = pl.int_range(pl.len()) % 11 == 0
    events = world.events.with_columns(pl.when(~nameless).then("item").alias("item"))
    world = msgspec.structs.replace(world, events=events.filter(~pl.col("profile").is_in([0, 17, 39])))
    vectors = vectors_for(world)
    expected = at_once(world, vectors)
    monkeypatch.setattr(profile_building, "CHUNK_EVENTS", events_at_once)
    seen: list[tuple[int, int]] = []
    found = build_profiles(
        world, vectors, PARAMETERS, folder=tmp_path, progress=lambda done, total: seen.append((done, total))
    )
    for name, whole, parts in zip(("tastes", "interests"), expected, found, strict=True):
        for field in whole.__struct_fields__:
            array = getattr(parts, field)
            assert array.dtype == getattr(whole, field).dtype
            assert np.allclose(array, getattr(whole, field), atol=1e-6), (name, field)
            assert np.array_equal(np.load(tmp_path / f"{name}.{field}.npy"), array)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1] == (40, 40)


@pytest.mark.parametrize("frames", [(), ("profiles",), ("items", "profiles")])
def test_an_empty_world_gives_empty_files(frames: tuple[str, ...], tmp_path: Path) -> None:
    world = without(make_world(5), *frames)
    vectors = np.zeros((world.items.height, 8), np.float32)
    tastes, interests = build_profiles(world, vectors, PARAMETERS, folder=tmp_path)
    assert tastes.offsets.tolist() == [0] * (world.profiles.height + 1)
    assert interests.offsets.tolist() == [0] * (world.profiles.height + 1)
    assert interests.vectors.shape == (0, 8)


def test_memory_is_bounded_by_a_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_building, "CHUNK_EVENTS", 1_024)
    peaks: list[int] = []
    for n_profiles in (1_000, 6_000):
        world = draw_world(profiles=n_profiles, items=40, events=20 * n_profiles, seed=4)
        vectors = vectors_for(world, 16)
        folder = tmp_path / str(n_profiles)
        folder.mkdir()
        build_profiles(world, vectors, PARAMETERS, folder=folder)  # what is loaded once is not counted
        runs: list[int] = []
        for _ in range(3):  # other threads of the process allocate now and then, too
            tracemalloc.start()
            build_profiles(world, vectors, PARAMETERS, folder=folder)
            runs.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        peaks.append(min(runs))
    assert peaks[1] < 1.3 * peaks[0]  # a byte per event or eight per profile would show


def test_a_profile_with_a_hundred_thousand_events_keeps_its_strongest_items() -> None:
    rng = np.random.default_rng(2)
    items, weights = rng.integers(30_000, size=100_000), rng.choice([1.0, 3.0], 100_000)
    tastes = measure_tastes(
        np.zeros(100_000, np.int64),
        items,
        weights,
        np.zeros(100_000),
        n_profiles=1,
        parameters=TasteParameters(),
    )
    sums = np.bincount(items, weights=weights)
    expected = np.lexsort((np.arange(len(sums)), -sums))[:200]
    assert tastes.items.tolist() == expected.tolist()
    assert tastes.weights.tolist() == sums[expected].tolist()


def test_a_file_that_grows_is_a_plain_array(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).random((25, 3)).astype(np.float32)
    with ArrayFile(tmp_path / "a.npy", np.float32, 3) as file:
        for start in range(0, 25, 4):
            file.append(rows[start : start + 4])
        with pytest.raises(TypeError, match=r"float64 \(1, 3\) do not fit"):
            file.append(np.zeros((1, 3)))
    assert np.array_equal(np.load(tmp_path / "a.npy"), rows)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2**40), max_size=50), st.sampled_from([41, 58, 63]))
def test_a_stable_order_is_that_of_a_stable_sort(keys: list[int], bits: int) -> None:
    array = np.array(keys, np.int64)
    ordered, places = stable_order(array, bits)
    assert places.tolist() == np.argsort(array, kind="stable").tolist()
    assert ordered.tolist() == sorted(keys)
    assert run_starts(ordered).tolist() == [
        place for place, key in enumerate(ordered) if place == 0 or key != ordered[place - 1]
    ]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 2.0**100, width=32), min_size=1, max_size=30))
def test_falling_bits_sort_the_other_way_round(values: list[float]) -> None:
    array = np.array(values, np.float32)
    assert (
        np.argsort(falling_bits(array), kind="stable").tolist() == np.argsort(-array, kind="stable").tolist()
    )
    assert falling_bits(array).min() >= 0


def test_ranges_are_joined() -> None:
    assert ranges(np.array([5, 0, 9]), np.array([2, 0, 3])).tolist() == [5, 6, 9, 10, 11]
