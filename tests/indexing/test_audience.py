"""Evaluating definitions: against plain Python, against explanations, against one profile's own rows."""

import gc
import weakref

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexing.audience import evaluate, explain
from indexing.definition import Definition, EventRule, parse_definition, to_json
from indexing.errors import DefinitionError, EmbedderError
from indexing.evaluation import Evaluation
from indexing.population import Outcome, Population
from indexing.rules import event_outcome
from tests.indexing.definitions import SEGMENTS, TREES
from tests.indexing.people import AS_OF, CornerEmbedder, people
from tests.indexing.plain_audience import plain_members
from tests.indexing.plain_embedder import PlainEmbedder

WORLD = people(seed=3)
EMBEDDER = CornerEmbedder()
PATIENT = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _members(definition: Definition) -> set[int]:
    return set(evaluate(definition, WORLD, EMBEDDER, SEGMENTS).rows.tolist())


@PATIENT
@given(TREES)
def test_members_are_those_plain_python_finds(tree: dict) -> None:
    definition = parse_definition(tree)
    assert _members(definition) == plain_members(definition, WORLD, SEGMENTS)


@PATIENT
@given(TREES, st.integers(0, WORLD.profiles.height - 1))
def test_explaining_one_profile_agrees_with_membership_and_score(tree: dict, row: int) -> None:
    definition = parse_definition(tree)
    members = evaluate(definition, WORLD, EMBEDDER, SEGMENTS)
    found = explain(definition, WORLD, EMBEDDER, SEGMENTS, row=row)
    place = np.flatnonzero(members.rows == row)
    assert found.matched == bool(len(place))
    if found.matched and found.score is not None:
        assert members.scores is not None
        assert found.score == pytest.approx(float(members.scores[place[0]]), abs=1e-5)


@PATIENT
@given(TREES)
def test_members_and_scores_do_not_depend_on_how_people_are_sliced(tree: dict) -> None:
    definition = parse_definition(tree)
    whole = evaluate(definition, WORLD, EMBEDDER, SEGMENTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("indexing.rules._EVENTS_AT_ONCE", 7)
        patch.setattr("indexing.similarity._TASTES_AT_ONCE", 5)
        patch.setattr("indexing.similarity._CHUNK", 3)
        sliced = evaluate(definition, WORLD, EMBEDDER, SEGMENTS)
    np.testing.assert_array_equal(sliced.rows, whole.rows)
    np.testing.assert_array_equal(sliced.scores, whole.scores)


@PATIENT
@given(TREES)
def test_a_definition_reads_back_as_it_was_written(tree: dict) -> None:
    definition = parse_definition(tree)
    assert parse_definition(to_json(definition)) == definition


def test_rows_are_sorted_and_report_their_reference_time() -> None:
    members = evaluate(parse_definition({"like": "3", "top": 12}), WORLD, EMBEDDER)
    assert members.rows.dtype == np.uint32
    assert members.rows.tolist() == sorted(members.rows.tolist())
    assert members.size == 12
    assert members.scores is not None
    assert members.scores.dtype == np.float32
    assert (members.as_of, members.snapshot_version) == (WORLD.manifest.as_of, WORLD.manifest.version)


def test_a_place_among_the_top_is_the_same_alone_as_among_everyone() -> None:
    definition = parse_definition({"like": "7", "top": 9})
    everyone = Evaluation(Population.of(WORLD), EMBEDDER, {})
    inside = set(np.flatnonzero(everyone.select(definition)[0]).tolist())
    alone = {
        row
        for row in range(WORLD.profiles.height)
        if Evaluation(everyone.people.one(row), EMBEDDER, {}, whole=everyone).select(definition)[0][0]
    }
    assert inside == alone
    assert len(inside) == 9


def test_reasons_give_the_actual_values_and_what_was_needed() -> None:
    definition = parse_definition(
        {
            "all": [
                {"event": "purchase", "op": "ge", "value": 2, "within_days": 90},
                {"not": {"trait": "country", "op": "eq", "value": "FR"}},
                {"like": "3", "top": 5},
                {"segment": "nested"},
            ]
        }
    )
    reasons = explain(definition, WORLD, EMBEDDER, SEGMENTS, row=0).reasons
    events = WORLD.events.filter(pl.col("time") <= AS_OF)
    count = events.filter(profile=0, type="purchase").height
    assert [reason.path for reason in reasons] == ["$.all[0]", "$.all[1].not", "$.all[2]", "$.all[3]"]
    assert reasons[0].words == f"purchase events in the last 90 days: {count}, needs at least 2"
    assert reasons[1].negated
    assert reasons[1].words.startswith("country is ")
    assert "nearest item" in reasons[2].words
    assert "among the top 5" in reasons[2].words
    assert [inner.path for inner in reasons[3].reasons] == ["$.any[0]", "$.any[1].not"]


def test_a_segment_that_matches_nobody_is_empty_and_no_error() -> None:
    members = evaluate(parse_definition({"trait": "country", "op": "eq", "value": "XX"}), WORLD, EMBEDDER)
    assert members.size == 0
    assert members.population == 40


def test_a_world_without_items_events_or_interests_is_evaluated() -> None:
    bare = people(n_profiles=3, n_events=1)
    empty = type(bare)(
        items=bare.items.clear(),
        profiles=bare.profiles,
        events=bare.events.clear(),
        item_vectors=bare.item_vectors[:0],
        interests=type(bare.interests)(
            vectors=bare.item_vectors[:0], weights=np.zeros(0, np.float32), offsets=np.zeros(4, np.int64)
        ),
        tastes=type(bare.tastes)(
            items=np.zeros(0, np.int32), weights=np.zeros(0, np.float32), offsets=np.zeros(4, np.int64)
        ),
    )
    for tree in (
        {"like": "tea"},
        {"affinity": "Garden"},
        {"similar_to": {"profiles": ["p000"]}},
        {"event": "view", "category": "Garden"},
    ):
        assert evaluate(parse_definition(tree), empty, EMBEDDER).size == 0
        assert not explain(parse_definition(tree), empty, EMBEDDER, row=0).matched


def test_segments_in_a_circle_are_refused_by_name() -> None:
    segments = {
        "a": parse_definition({"segment": "b"}),
        "b": parse_definition({"not": {"similar_to": {"segment": "a"}}}),
    }
    with pytest.raises(DefinitionError, match="circle: a -> b -> a"):
        evaluate(parse_definition({"segment": "a"}), WORLD, EMBEDDER, segments)


def test_an_unknown_segment_is_quoted_with_the_known_ones() -> None:
    with pytest.raises(DefinitionError, match="no segment 'Brits'; known segments: 'British'"):
        evaluate(parse_definition({"segment": "Brits"}), WORLD, EMBEDDER, SEGMENTS)


def test_seeds_of_whom_none_is_known_are_refused() -> None:
    with pytest.raises(DefinitionError, match="no profile of 'x', 'y' is in the snapshot"):
        evaluate(parse_definition({"similar_to": {"profiles": ["x", "y"]}}), WORLD, EMBEDDER)


def test_a_leaf_that_occurs_often_is_evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rules: list[object] = []

    def counted(rule: EventRule, people: Population) -> Outcome:
        rules.append(rule)
        return event_outcome(rule, people)

    monkeypatch.setattr("indexing.evaluation.event_outcome", counted)
    leaf = {"event": "view", "op": "ge", "value": 2}
    many = {"any": [{"all": [leaf, {"not": leaf}]}] * 120}
    segments = {"0": parse_definition(many)}
    for level in range(1, 20):
        segments[str(level)] = parse_definition({"all": [{"segment": str(level - 1)}] * 100})
    definition = parse_definition({"segment": "19"})
    assert evaluate(definition, WORLD, EMBEDDER, segments).size == 0
    assert len(rules) == 1
    found = explain(definition, WORLD, EMBEDDER, segments, row=0)
    assert not found.matched
    assert len(rules) == 2  # one more for the profile alone


def test_leaves_of_another_segment_are_given_where_it_is_first_named() -> None:
    tree = {"any": [{"segment": "nested"}, {"not": {"segment": "nested"}}, {"segment": "British"}]}
    first, again, inside = explain(parse_definition(tree), WORLD, EMBEDDER, SEGMENTS, row=0).reasons
    assert [len(reason.reasons) for reason in (first, again, inside)] == [2, 0, 0]
    assert first.reasons[0].reasons[0].words.startswith("country is ")
    assert again.matched == first.matched
    assert again.words.endswith("in segment 'nested'")


def test_an_encoder_of_another_dimension_is_refused() -> None:
    with pytest.raises(EmbedderError, match="8 dimensions, the snapshot holds 16: rebuild"):
        evaluate(parse_definition({"like": "tea"}), WORLD, PlainEmbedder(dim=8))


def test_seeds_are_not_among_those_similar_to_them() -> None:
    members = evaluate(parse_definition({"similar_to": {"profiles": ["p001"]}, "top": 40}), WORLD, EMBEDDER)
    assert 1 not in members.rows
    assert members.size > 20


def test_nearest_needs_an_item_that_is_still_there() -> None:
    with pytest.raises(DefinitionError, match="no item of 'gone', 'i4' with a text"):
        evaluate(parse_definition({"nearest": ["gone", "i4"]}), WORLD, EMBEDDER)


def test_nearest_says_by_how_much() -> None:
    rule = parse_definition({"nearest": ["i0"], "among": [["i1"], ["i2"]]})
    members = evaluate(rule, WORLD, EMBEDDER)
    assert 0 < members.size < WORLD.profiles.height
    row = int(members.rows[0])
    (reason,) = explain(rule, WORLD, EMBEDDER, row=row).reasons
    assert reason.words.startswith('tastes nearest to "Item 0": nearer by 0.')


def test_an_evaluation_that_nobody_holds_is_gone_at_once() -> None:
    evaluation = Evaluation(Population.of(WORLD), EMBEDDER, {})
    evaluation.select(
        parse_definition({"any": [{"like": "7", "top": 2}, {"event": "view", "op": "ge", "value": 1}]})
    )
    left = weakref.ref(evaluation)
    gc.disable()  # which would find it as well, some day
    try:
        del evaluation
        assert left() is None
    finally:
        gc.enable()
