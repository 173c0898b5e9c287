import math
from collections.abc import Sequence

import msgspec
import pytest

from eval.scorers import diversity, readability
from eval.scorers.copy_text import parts, whole
from eval.scorers.registry import SCORERS, broken, merit, rank, score_drafts, score_variants
from indexing.embedder import Embedder, Vectors
from prompts.brief import Audience, Brief
from prompts.variant import Score, Variant
from tests.eval.written import MakeVariant


def value(variant: Variant, name: str) -> float | None:
    return next((score.value for score in variant.scores if score.name == name), None)


def test_the_text_of_a_variant_is_its_fields_lists_included(make_variant: MakeVariant) -> None:
    variant = make_variant({"headlines": ["One ", "Two"], "descriptions": ["", "Three"]})
    assert parts(variant) == ["One", "Two", "Three"]
    assert whole(variant) == "One\nTwo\nThree"
    assert whole(make_variant(None)) == ""


def test_copy_about_the_audience_is_closer_and_ranks_first(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    close = make_variant(
        {"title": "For your vegetable beds", "body": "Water seedlings gently in the garden."}
    )
    far = make_variant({"title": "Level up tonight", "body": "The fastest console for serious gamers."})
    scored = score_variants(brief, [far, close], embedder)
    closeness = [value(variant, "audience") or 0.0 for variant in scored]
    assert closeness[1] > closeness[0] + 0.1
    assert [variant.fields for variant in rank(scored)] == [close.fields, far.fields]


def test_nobody_in_particular_is_no_audience(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    import msgspec

    anyone = msgspec.structs.replace(brief, audience=Audience(name="everyone"))
    scored = score_variants(anyone, [make_variant({"title": "Hello", "body": "All of you."})], embedder)
    assert value(scored[0], "audience") is None


def test_a_failed_check_lowers_the_share_and_is_named(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    scored = score_variants(brief, [make_variant({"title": "Hi"}, failed=("facts.product",))], embedder)
    checks = next(score for score in scored[0].scores if score.name == "checks")
    assert checks.value == pytest.approx(5 / 6)
    assert "facts.product" in checks.reason


def test_a_malformed_variant_scores_nothing_and_ranks_last(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    malformed, failed = make_variant(None), make_variant({"title": "Off topic"}, failed=("length.hard",))
    scored = score_variants(brief, [malformed, failed], embedder)
    assert {score.name: score.value for score in scored[0].scores} == {"checks": 0.0}
    assert [variant.status for variant in rank(scored)] == ["failed", "malformed"]


def test_a_failed_variant_never_ranks_above_a_passed_one(make_variant: MakeVariant) -> None:
    import msgspec

    good = Score(name="audience", value=0.9)
    failed = msgspec.structs.replace(make_variant({"title": "a"}, failed=("length.hard",)), scores=(good,))
    passed = make_variant({"title": "b"})
    assert merit(failed) > merit(passed)
    assert rank([failed, passed])[0] is passed


def test_distinct_2_counts_word_pairs_within_texts() -> None:
    assert diversity.words("Don't stop: it's café_time, 20% off!") == [
        "don't",
        "stop",
        "it's",
        "café",
        "time",
        "20",
        "off",
    ]
    assert diversity.distinct_2(["a b a b"]) == pytest.approx(2 / 3)
    assert diversity.distinct_2(["a b", "b c"]) == 1.0
    assert diversity.distinct_2(["one"]) == 0.0


def test_repeated_copy_is_less_distinct_and_more_alike(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    same = {"title": "Water your garden", "body": "A long spout reaches every pot."}
    other = {"title": "Slow mornings outside", "body": "Fill it, pour it, watch the beans climb."}
    alike = score_variants(brief, [make_variant(same), make_variant(same)], embedder)
    varied = score_variants(brief, [make_variant(same), make_variant(other)], embedder)
    assert value(alike[0], "distinct_2") == 0.0
    assert value(varied[0], "distinct_2") == 1.0
    assert value(alike[0], "self_similarity") == pytest.approx(1.0, abs=1e-4)
    assert (value(varied[0], "self_similarity") or 1.0) < 0.9
    assert value(score_variants(brief, [make_variant(same)], embedder)[0], "self_similarity") is None


def test_reading_ease_follows_its_formula() -> None:
    # "The cat sat on the mat.": 6 words, 1 sentence, 6 syllables
    assert readability.reading_ease(["The cat sat on the mat."]) == pytest.approx(206.835 - 1.015 * 6 - 84.6)
    assert readability.reading_ease(["", "!!"]) is None


@pytest.mark.parametrize(("word", "count"), [("cat", 1), ("make", 1), ("table", 2), ("garden", 2), ("tv", 1)])
def test_syllables(word: str, count: int) -> None:
    assert readability.syllables(word) == count


def test_hard_copy_reads_worse_and_other_languages_are_not_judged(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    import msgspec

    easy = make_variant({"title": "Pour with care", "body": "It fits your hand. It holds a lot."})
    hard = make_variant(
        {"title": "Horticultural irrigation", "body": "Unparalleled ergonomic functionality."}
    )
    scored = score_variants(brief, [easy, hard], embedder)
    assert (value(scored[0], "readability") or 0) > (value(scored[1], "readability") or 0)
    german = msgspec.structs.replace(brief, language="de-AT")
    assert value(score_variants(german, [easy], embedder)[0], "readability") is None


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [Score(name="x", value=math.nan)],
        [Score(name="x", value=0.5, low=-math.inf, high=0.6)],
        [Score(name="x", value=0.5, low=0.4, high=math.nan)],
        [Score(name="x", value=1.0), Score(name="x", value=1.0)],
    ],
)
def test_what_is_no_score_is_refused_and_stated(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder, answers: list[Score | None]
) -> None:
    scorers = {"x": lambda *_: answers, "readability": readability.score}
    [scored] = score_variants(brief, [make_variant({"title": "A fine day"})], embedder, scorers)
    assert [score.name for score in scored.scores] == ["readability"]
    [missing] = scored.unscored
    assert (missing.name, missing.failed) == ("x", True)
    assert missing.reason.startswith("scorer 'x' answered ")
    assert broken([scored, scored]) == {"x": 2}


def test_a_scorer_that_raises_takes_nothing_down_and_says_what_it_was(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    def broke(*_: object) -> list[Score | None]:
        raise ZeroDivisionError("division\nby zero")

    variants = [make_variant({"title": "A fine day"}), make_variant({"title": "A worse one"})]
    scored = score_variants(brief, variants, embedder, {"broke": broke, **SCORERS})
    for variant in scored:
        assert {score.name for score in variant.scores} >= {"checks", "audience", "readability"}
        [missing] = [entry for entry in variant.unscored if entry.failed]
        assert missing.name == "broke"
        assert missing.reason == "the scorer failed: ZeroDivisionError: division by zero"
    assert [variant.fields for variant in scored] == [variant.fields for variant in variants]


def test_scoring_again_leaves_nothing_of_the_scores_before(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    once = score_variants(brief, [make_variant({"title": "A fine day"})], embedder)
    assert score_variants(brief, once, embedder) == once


def test_every_scorer_answers_for_copy_it_cannot_read(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    nothing, facts = make_variant(None), make_variant({"title": "Copper Watering Can", "body": "42"})
    for variant in score_variants(brief, [nothing, facts], embedder):
        assert not broken([variant])
        named = [score.name for score in variant.scores] + [entry.name for entry in variant.unscored]
        assert len(named) == len(set(named))
        assert {"audience", "voice"} <= {entry.name for entry in variant.unscored}


@pytest.mark.parametrize(
    "odd",
    [
        "Pour slowly and well. " * 5_000,
        "x" * 110_000,
        "Купите лейку сегодня. Она стоит у двери.",
        "浇水壶今天就在门口等你。慢慢浇水。",
        "\u202eanother way round\u202c \U0001f33f\U0001f33f",
    ],
    ids=["100 kB", "one word of 100 kB", "cyrillic", "chinese", "marks and pictures"],
)
def test_odd_copy_is_scored_or_stated_by_every_scorer_and_spoils_no_other(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder, odd: str
) -> None:
    plain = make_variant({"title": "A fine day", "body": "Water your beans before breakfast."})
    strange, beside = score_variants(
        brief, [make_variant({"title": "A fine day", "body": odd}), plain], embedder
    )
    for variant in (strange, beside):
        assert not broken([variant])
        assert {score.name for score in variant.scores} | {entry.name for entry in variant.unscored} == set(
            SCORERS
        )
        assert all(math.isfinite(score.value) for score in variant.scores)
    assert {score.name for score in beside.scores} >= {"audience", "readability", "distinct_2"}


def test_each_text_is_encoded_once_per_draft(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    asked: list[str] = []

    class Counting:
        name, dim, digest = embedder.name, embedder.dim, embedder.digest

        def encode(self, texts: Sequence[str]) -> Vectors:
            asked.extend(texts)
            return embedder.encode(texts)

    score_variants(brief, [make_variant({"title": "one"}), make_variant({"title": "two"})], Counting())
    assert len(asked) == len(set(asked)) == 3


def test_drafts_scored_together_are_encoded_at_once_and_scored_as_each_by_itself(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    asked: list[list[str]] = []

    class Counting:
        name, dim, digest = embedder.name, embedder.dim, embedder.digest

        def encode(self, texts: Sequence[str]) -> Vectors:
            asked.append(list(texts))
            return embedder.encode(texts)

    everyone = msgspec.structs.replace(brief, audience=Audience(name="Everyone"))
    some, other = make_variant({"title": "Water gently"}), make_variant({"title": "Level up tonight"})
    drafts = [(brief, [some]), (everyone, [some]), (everyone, [some, other]), (brief, [])]
    together = score_drafts(drafts, Counting())
    assert together == [score_variants(brief, variants, embedder) for brief, variants in drafts]
    assert len(asked) == 1


def test_a_lone_variant_for_everyone_is_not_encoded(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    class Silent:
        name, dim, digest = embedder.name, embedder.dim, embedder.digest

        def encode(self, texts: Sequence[str]) -> Vectors:
            raise AssertionError(f"no scorer has a use for {texts}")

    everyone = msgspec.structs.replace(brief, audience=Audience(name="Everyone"))
    assert not broken(score_variants(everyone, [make_variant({"title": "Hello"})], Silent()))


def test_nothing_is_scored_for_no_variants(brief: Brief, embedder: Embedder) -> None:
    assert score_variants(brief, [], embedder) == []
