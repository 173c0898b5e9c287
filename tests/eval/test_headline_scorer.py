"""The headline scorer: which line it reads, what it is compared with, and when it has nothing to say."""

import msgspec
import pytest

from eval.errors import ProxyError
from eval.proxies.headline.model import HeadlineProxy
from eval.scorers import headline
from eval.scorers.headline import first_line
from eval.scorers.registry import broken, merit, rank, score_variants
from indexing.embedder import Embedder
from indexing.errors import EmbedderError
from prompts.brief import Brief
from prompts.variant import CONTROL, Score, Unscored, Variant
from tests.eval.written import MakeVariant

TOLD = "She asked her class one question, and the answers will stay with you"
PLAIN = "The new school year begins with a lunch menu"


def named(variant: Variant, name: str) -> Variant:
    return msgspec.structs.replace(variant, id=name)


def test_the_first_line_is_what_a_reader_meets_first(make_variant: MakeVariant) -> None:
    email = make_variant({"subject": "Hello there", "body": "Long text."})
    assert first_line(email) == "Hello there"
    assert first_line(make_variant({"headlines": ["One", "Two"]})) == "One"
    assert (
        first_line(make_variant({"text": f"Short opening here. {'And much more. ' * 20}"}))
        == "Short opening here."
    )
    assert len(first_line(make_variant({"text": "word " * 100}))) == 120
    assert first_line(make_variant(None)) == ""


def test_variants_are_compared_with_each_other_or_with_the_text_in_use(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    told, plain = (make_variant({"title": text, "body": "Come by."}) for text in (TOLD, PLAIN))
    first, second = headline.score(brief, [told, plain], embedder)
    assert isinstance(first, Score)
    assert isinstance(second, Score)
    assert first.value > 0.5 > second.value
    assert first.value + second.value == pytest.approx(1)
    assert (first.low or 1) < first.value < (first.high or 0)
    assert "than the draft's others" in first.reason
    assert first.evidence
    alone, control = headline.score(brief, [told, named(plain, CONTROL)], embedder)
    assert isinstance(alone, Score)
    assert alone.value == pytest.approx(first.value)
    assert "than the text in use today" in alone.reason
    assert control is None


def test_it_says_why_it_has_no_number(brief: Brief, make_variant: MakeVariant, embedder: Embedder) -> None:
    lone, none = headline.score(brief, [make_variant({"title": TOLD}), make_variant(None)], embedder)
    assert isinstance(lone, Unscored)
    assert isinstance(none, Unscored)
    assert not lone.failed
    short, _ = headline.score(brief, [make_variant({"title": "Hi"}), make_variant({"title": TOLD})], embedder)
    assert isinstance(short, Unscored)
    assert short.reason == "don't know: fewer than 3 words"


@pytest.mark.parametrize(
    "error",
    [ProxyError("made for another encoder than the one at hand"), EmbedderError("no encoder here")],
)
def test_a_proxy_that_cannot_be_loaded_is_a_broken_scorer_and_is_counted(
    brief: Brief,
    make_variant: MakeVariant,
    embedder: Embedder,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    def refused() -> HeadlineProxy:
        raise error

    monkeypatch.setattr(headline, "_loaded", {})
    monkeypatch.setattr(HeadlineProxy, "load", refused)
    written = [make_variant({"title": TOLD}), make_variant({"title": PLAIN})]
    scored = score_variants(brief, written, embedder, {"headline": headline.score})
    assert [entry.reason for variant in scored for entry in variant.unscored] == [str(error)] * 2
    assert broken(scored) == {"headline": 2}


def scored(variant: Variant, **scores: float) -> Variant:
    return msgspec.structs.replace(
        variant, scores=tuple(Score(name=name, value=value) for name, value in scores.items())
    )


def test_odds_of_a_half_and_none_at_all_rank_alike(make_variant: MakeVariant) -> None:
    plain = make_variant({"title": PLAIN})
    assert merit(scored(plain, headline=0.5)) == merit(scored(plain)) == 0
    better, worse, unknown = scored(plain, headline=0.7), scored(plain, headline=0.3), scored(plain)
    assert rank([worse, unknown, better]) == [better, unknown, worse]


def test_clicks_already_hold_the_headlines_share(make_variant: MakeVariant) -> None:
    plain = make_variant({"title": PLAIN})
    assert merit(scored(plain, headline=0.9, clicks=0.6)) == pytest.approx(merit(scored(plain, clicks=0.6)))
