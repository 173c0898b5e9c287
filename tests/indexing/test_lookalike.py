"""Curves of size against similarity: monotone, agreeing with the rule, and honest about worth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexing.audience import evaluate
from indexing.definition import parse_definition
from indexing.embedder import Embedder
from indexing.evaluation import Evaluation
from indexing.lookalike import WORTH, Curve, cut_sizes, lookalike_curve, suggest
from indexing.population import Population
from indexing.snapshot import Snapshot, build
from tests.indexing.conftest import NOW
from tests.indexing.small_world import make_world

GARDENERS = parse_definition({"affinity": "garden", "at_least": 0.9})


@pytest.fixture(scope="module")
def crowd(embedder: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return build(make_world(400), embedder, tmp_path_factory.mktemp("crowd") / "snapshot", now=NOW)


def curve_of(tree: dict, crowd: Snapshot, embedder: Embedder) -> Curve | None:
    evaluation = Evaluation(Population.of(crowd), embedder, {"x": parse_definition({"like": "tea"})})
    return lookalike_curve(parse_definition(tree), evaluation)


def test_a_curve_falls_in_similarity_and_grows_in_size(crowd: Snapshot, embedder: Embedder) -> None:
    for tree in (
        {"like": "gardening tools"},
        {"similar_to": {"profiles": crowd.profiles["id"][::8].to_list()}},
    ):
        curve = curve_of(tree, crowd, embedder)
        assert curve is not None
        sizes = [point.size for point in curve.points]
        assert sizes == sorted(set(sizes))
        similarities = [point.similarity for point in curve.points]
        assert similarities == sorted(set(similarities), reverse=True)
        found = [point.found for point in curve.points]
        assert found[-1] == pytest.approx(1.0)
        assert curve.points[-1].lift == pytest.approx(1.0, abs=0.02)
        if "similar_to" in tree:
            assert all(wider is not None for wider in found)
            assert found == sorted(share for share in found if share is not None)


def test_a_cut_at_a_points_similarity_selects_so_many(crowd: Snapshot, embedder: Embedder) -> None:
    curve = curve_of({"all": [{"like": "gardening tools", "top": 20}]}, crowd, embedder)
    assert curve is not None
    assert curve.rule == {"like": "gardening tools", "top": 20}
    for point in curve.points:
        cut = parse_definition({"like": "gardening tools", "min_similarity": point.similarity})
        assert evaluate(cut, crowd, embedder).size == point.size


def test_seeds_of_one_kind_pay_until_their_kind_is_exhausted(crowd: Snapshot, embedder: Embedder) -> None:
    gardeners = evaluate(GARDENERS, crowd, embedder).rows
    seeds = crowd.profiles["id"].gather(gardeners[::4]).to_list()
    curve = curve_of({"similar_to": {"profiles": seeds}}, crowd, embedder)
    assert curve is not None
    assert curve.hidden == len(seeds)
    assert curve.suggested is None or curve.suggested.size <= len(gardeners)
    best = max(point.lift or 0 for point in curve.points)
    assert best > 1.5


def test_seeds_drawn_at_random_suggest_nothing(crowd: Snapshot, embedder: Embedder) -> None:
    seeds = [str(each) for each in np.random.default_rng(1).permutation(crowd.profiles["id"].to_numpy())[:90]]
    curve = curve_of({"similar_to": {"profiles": seeds}}, crowd, embedder)
    assert curve is not None
    assert curve.suggested is None or curve.suggested.size <= 40


def test_few_seeds_measure_nothing(crowd: Snapshot, embedder: Embedder) -> None:
    curve = curve_of({"similar_to": {"profiles": crowd.profiles["id"][:5].to_list()}}, crowd, embedder)
    assert curve is not None
    assert (curve.hidden, curve.suggested) == (0, None)
    assert {(point.found, point.lift) for point in curve.points} == {(None, None)}


def test_no_curve_without_a_rule_by_similarity(crowd: Snapshot, embedder: Embedder) -> None:
    assert curve_of({"trait": "country", "value": "GB"}, crowd, embedder) is None
    assert curve_of({"segment": "x"}, crowd, embedder) is None


def test_who_is_left_out_is_not_counted(crowd: Snapshot, embedder: Embedder) -> None:
    evaluation = Evaluation(Population.of(crowd), embedder, {})
    gone = np.zeros(crowd.profiles.height, dtype=np.bool_)
    gone[:100] = True
    whole = lookalike_curve(parse_definition({"like": "music"}), evaluation)
    rest = lookalike_curve(parse_definition({"like": "music"}), evaluation, left_out=gone)
    assert whole is not None
    assert rest is not None
    assert rest.points[-1].size == whole.points[-1].size - 100


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 8), min_size=1, max_size=60))
def test_cuts_hold_everyone_of_equal_similarity(drawn: list[int]) -> None:
    ranked = np.sort(np.array(drawn, dtype=np.float64))[::-1]
    sizes = cut_sizes(ranked)
    assert sizes[-1] == len(ranked)
    assert (np.diff(sizes) > 0).all()
    for size in sizes[:-1]:
        assert ranked[size - 1] > ranked[size]


def test_the_suggestion_stops_where_the_next_slice_is_not_worth_it() -> None:
    shares = np.array([0.1, 0.2, 0.3, 0.5, 1.0])
    assert suggest(shares, np.array([0.5, 0.8, 0.9, 1.0, 1.0])) == 1
    assert suggest(shares, np.array([0.1, 0.6, 0.9, 1.0, 1.0])) == 2  # a dent in a curve that pays as a whole
    assert suggest(shares, shares) is None
    assert WORTH == 2.0
