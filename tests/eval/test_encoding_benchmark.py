"""The encoding benchmark: what is counted and compared, on worlds small enough for a test."""

from pathlib import Path

import numpy as np
import pytest

from eval.benchmarks import encoding
from eval.benchmarks.encoding import compare, measure
from eval.benchmarks.world import make_world
from eval.figures import Figure
from indexing.embedder import Embedder
from indexing.embedding_cache import CachedEmbedder
from indexing.world import World
from tests.eval import recommend_worlds
from tests.indexing.distilled import small_tokenizer


@pytest.fixture(scope="module")
def cached(embedder: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return CachedEmbedder(embedder, tmp_path_factory.mktemp("cache"))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "_TIMED_TEXTS", 8)
    monkeypatch.setattr(encoding, "_ROUNDS", 1)
    monkeypatch.setattr(encoding, "read_tokenizer", lambda *_: small_tokenizer())


@pytest.mark.slow
def test_a_benchmark_world_gives_every_figure(quick: None, cached: Embedder, tmp_path: Path) -> None:
    bench = make_world(
        seed=3, items=150, profiles=2_000, events=60_000, embedder=cached, folder=tmp_path / "snapshot"
    )
    found = by_name(measure(bench, model="offline"))
    assert found["second_build_texts"].value == 2
    assert found["second_build_texts"].baseline_value == 150
    assert found["second_build_texts"].met is True
    assert found["texts_per_second"].ratio is not None
    assert found["texts_per_second"].ratio > 5
    assert found["speedup"].goal == ">= 50"
    assert found["held_out_cosine"].ratio is not None
    assert found["held_out_cosine"].ratio > 1
    assert found["cold_item_quality"].n == found["cold_item_profiles"].value
    assert found["cold_item_quality"].value == pytest.approx(found["cold_item_ndcg"].ratio)
    assert 0.3 < found["cold_item_quality_all_texts"].value < 2


def test_hidden_texts_are_not_read_by_what_is_measured(
    quick: None, cached: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[set[str]] = []
    distil = encoding.distil

    def spy(texts: list[str], *arguments: object, **options: object) -> object:
        read.append(set(texts))
        return distil(texts, *arguments, **options)  # pyright: ignore[reportArgumentType] - passed on as they come

    monkeypatch.setattr(encoding, "distil", spy)
    world = bought_at_random()
    compared = compare(world, cached, cached, small_tokenizer())
    whole, strict = read
    assert len(whole) == 40
    assert len(strict) == 36
    assert strict < whole
    found = by_name(compared.figures)
    assert (found["cold_item_quality"].goal, found["cold_item_quality"].met) == (None, None)
    assert found["cold_item_quality"].n == found["cold_item_profiles"].value
    few = found["cold_item_profiles"].value
    assert 0 < few < encoding.VERDICT_PROFILES
    assert compared.notes == (
        f"cold-item quality has no goal here: {few:.0f} test profiles bought a hidden item, a verdict takes "
        f"{encoding.VERDICT_PROFILES}",
    )
    monkeypatch.setattr(encoding, "VERDICT_PROFILES", few)
    enough = compare(world, cached, cached, small_tokenizer())
    assert by_name(enough.figures)["cold_item_quality"].goal == ">= 0.9"
    assert enough.notes == ()


def test_a_world_without_events_says_why_there_is_no_quality(quick: None, cached: Embedder) -> None:
    world = recommend_worlds.make_world([], n_profiles=3, items=recommend_worlds.make_items(30))
    compared = compare(world, cached, cached, small_tokenizer())
    assert "no cold-item quality" in compared.notes[0]
    found = by_name(compared.figures)
    assert "speedup" in found
    assert "cold_item_quality" not in found
    assert (found["cold_item_profiles"].value, found["cold_item_profiles"].baseline_value) == (0, 100)


def test_a_teacher_that_finds_nothing_leaves_nothing_to_compare_with(
    quick: None, cached: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "ndcg", lambda _, targets: np.zeros(len(targets)))
    compared = compare(bought_at_random(), cached, cached, small_tokenizer())
    assert "the teacher finds no hidden item" in compared.notes[0]
    assert "cold_item_quality" not in by_name(compared.figures)


def bought_at_random() -> World:
    random = np.random.default_rng(0)
    events = [
        (profile, int(item), float(day), "view")
        for profile in range(40)
        for day, item in enumerate(random.choice(40, 12, replace=False))
    ]
    return recommend_worlds.make_world(events, n_profiles=40, items=recommend_worlds.make_items(40))


def by_name(figures: tuple[Figure, ...]) -> dict[str, Figure]:
    return {entry.name.removeprefix("index.encode."): entry for entry in figures}
