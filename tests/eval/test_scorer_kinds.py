"""What each scorer answers: audience, voice, facts, harm, repetition, ease."""

import math

import msgspec
import pytest

from eval.scorers import audience, checks, diversity, readability, voice
from eval.scorers.copy_text import as_read, own_words
from eval.scorers.meaning import meanings
from indexing.embedder import Embedder
from prompts.brand import Brand, Trait
from prompts.brief import Audience, Brief, Example, Offer
from prompts.checks.rules import run_checks
from prompts.variant import CheckResult, Fields, Finding, Score, Unscored, Variant
from tests.eval.written import MakeVariant


def only(answers: "list[Score | Unscored] | list[Score | Unscored | None] | list[Score | None]") -> Score:
    [answer] = answers
    assert isinstance(answer, Score), answer
    return answer


def why_not(answers: "list[Score | Unscored] | list[Score | Unscored | None]") -> str:
    [answer] = answers
    assert isinstance(answer, Unscored)
    assert not answer.failed
    return answer.reason


def checked(brief: Brief, fields: Fields, make_variant: MakeVariant) -> Variant:
    return msgspec.structs.replace(make_variant(fields), checks=run_checks(brief, fields))


def test_own_words_are_what_is_left_without_facts_and_merge_tags(
    brief: Brief, make_variant: MakeVariant
) -> None:
    offered = msgspec.structs.replace(brief, offer=Offer(text="20% off", code="SOW20"))
    variant = make_variant(
        {
            "title": "Copper Watering Can",
            "body": 'Morning {{ first_name | default: "you" }}! Beans love a long spout. 20% off with SOW20.',
        }
    )
    assert own_words(offered, variant) == "Morning ! Beans love . with ."
    assert own_words(brief, make_variant({"title": "Dig", "body": "Sow"})) == "Dig\nSow"
    assert own_words(brief, make_variant(None)) == ""


def test_copy_is_held_against_other_audiences_without_what_the_product_says(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    facts = {"title": "Copper Watering Can", "body": "a long spout"}
    gardener = make_variant(
        {**facts, "title": "Sow beans in your garden beds. Copper Watering Can. Enjoy it."}
    )
    gamer = make_variant(
        {**facts, "title": "Copper Watering Can, the next boss fight. Grab your controller."}
    )
    answers = audience.score(brief, [gardener, gamer, make_variant(facts)], embedder)
    near, far, silent = answers
    assert isinstance(near, Score)
    assert isinstance(far, Score)
    assert near.value > far.value + 0.1
    assert (near.passed, far.passed) == (True, False)
    assert "19 others" in near.reason
    assert "gaming" in far.reason
    assert isinstance(silent, Unscored)
    assert silent.reason == "it says nothing but the brief's facts"


def test_a_copys_vector_is_that_of_its_own_words(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    copy = make_variant({"title": "Copper Watering Can", "body": "Tomatoes climb the fence all summer."})
    vector, nothing = meanings(brief, [copy, make_variant(None)], embedder)
    assert nothing is None
    assert vector == pytest.approx(embedder.encode(["Tomatoes climb the fence all summer."])[0], abs=1e-5)


def test_an_audience_in_its_own_words_is_not_held_against_its_own_interest(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    named = Audience(name="growers", interest="growing vegetables and flowers")
    copy = make_variant({"title": "Plants and flowers, seeds and greenhouses, all in one place."})
    answer = only(audience.score(msgspec.structs.replace(brief, audience=named), [copy], embedder))
    assert answer.passed
    assert "gardening (" not in answer.reason
    anyone = msgspec.structs.replace(brief, audience=Audience(name="everyone"))
    assert why_not(audience.score(anyone, [copy], embedder)) == "the brief is for everyone"


def voiced(brief: Brief, *, lines: int = 5) -> Brief:
    said = (
        "Come in, put the kettle on and stay a while.",
        "Our door is open, come on in, neighbour.",
        "Take your time, we're not going anywhere, and nor is the cake.",
        "The beans won't mind if you're late, and nor do we.",
        "Come and dig with us, rain or shine, and bring a friend.",
    )
    warm = Trait(adjective="warm", do=said[:lines], dont=("EVERYTHING MUST GO!!!",))
    return msgspec.structs.replace(brief, brand=Brand(traits=(warm,)))


KIND: Fields = {
    "title": "Come in, the kettle is on",
    "body": "Stay as long as you like, we're here, and so is the cake.",
}
LOUD: Fields = {"title": "EVERYTHING MUST GO!!!", "body": "Grab TWO before Friday!!!"}


def test_a_voice_is_how_it_is_written_and_the_reason_says_so(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    copy, loud = make_variant(KIND), make_variant(LOUD)
    assert why_not(voice.score(brief, [copy], embedder)) == "the brand has no lines of its own"
    branded = voiced(brief)
    near, far = voice.score(branded, [copy, loud], embedder)
    assert isinstance(near, Score)
    assert isinstance(far, Score)
    bar = voice.Voice.of(branded.brand.traits[0].do).bar()
    assert near.value > bar > far.value
    assert (near.passed, far.passed) == (True, False)
    assert near.evidence[0] in branded.brand.traits[0].do
    assert "many commas" in near.reason.split(", as in the brand's lines")[0]
    assert "fewer commas" in far.reason.split(" than in the brand's lines")[0]
    assert far.reason.endswith("more like what the brand does not say")
    accepted = Example(source="d/v", product="Can", audience="all", fields=KIND)
    shown = msgspec.structs.replace(brief, examples=(accepted,))
    assert only(voice.score(shown, [copy], embedder)).evidence == (KIND["body"],)


def test_copy_neither_passes_nor_fails_by_a_few_lines_and_fails_by_what_the_brand_does_not_say(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    few = only(voice.score(voiced(brief, lines=4), [make_variant(KIND)], embedder))
    assert few.passed is None
    assert few.reason.endswith("4 of the 5 lines it takes to pass or fail copy")
    own = voiced(brief)
    [warm] = own.brand.traits
    both = msgspec.structs.replace(warm, dont=(f"{KIND['title']}\n{KIND['body']}",))
    unwanted = msgspec.structs.replace(own, brand=Brand(traits=(both,)))
    refused = only(voice.score(unwanted, [make_variant(KIND)], embedder))
    assert refused.value > voice.Voice.of(warm.do).bar()
    assert refused.passed is False


def test_copy_much_shorter_than_the_lines_neither_passes_nor_fails(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    answer = only(voice.score(voiced(brief), [make_variant({"title": "Come in, neighbour."})], embedder))
    assert answer.passed is None
    assert answer.reason.endswith("too short beside the brand's lines to pass or fail")


def test_lines_that_are_much_alike_ask_more_of_copy() -> None:
    loose = voice.Voice.of(
        ("Go.", "The beans, however, are long; so is the summer, and so are the evenings.")
    )
    tight = voice.Voice.of(("Go now, and go far.", "Go now, and go fast."))
    assert tight.bar() > loose.bar()
    assert voice.Voice.of(("Go now.",)).bar() == voice.BAR / 2


def test_a_merge_tag_is_no_habit_and_a_fact_lends_no_letters(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    assert as_read(brief, make_variant({"title": 'Hi {{ first_name | default: "you" }}'})).count('"') == 0
    own = voiced(brief)
    tagged = make_variant({**KIND, "title": "Copper Watering Can. Come in, the kettle is on"})
    assert only(voice.score(own, [tagged], embedder)).passed is not None
    assert why_not(voice.score(own, [make_variant({"title": "Copper Watering Can"})], embedder)) == (
        "it says nothing but the brief's facts"
    )


def test_facts_and_harm_are_shares_of_their_rules_with_what_was_found(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    bad = checked(
        brief, {"title": "Damn cheap: 70% off", "body": "Guaranteed to cure backache."}, make_variant
    )
    facts = only(checks.faithfulness(brief, [bad], embedder))
    assert facts.passed is False
    assert facts.value < 1
    assert any("invented.percent" in each for each in facts.evidence)
    assert not any("words.profane" in each for each in facts.evidence)
    harm = only(checks.safety(brief, [bad], embedder))
    assert harm.passed is False
    assert any(each.startswith("words.profane: says 'Damn'") for each in harm.evidence)
    good = checked(brief, {"title": "Copper Watering Can", "body": "With a long spout."}, make_variant)
    assert only(checks.faithfulness(brief, [good], embedder)).value == 1
    assert only(checks.safety(brief, [good], embedder)).evidence == ()
    assert why_not(checks.faithfulness(brief, [make_variant(None)], embedder)) == "there is no copy"


def test_a_warning_costs_some_of_the_share_and_does_not_fail_it(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    finding = Finding(rule="facts.ends", severity="warning", field=None, span=None, reason="never says when")
    results = (
        CheckResult(rule="facts.ends", passed=True, findings=(finding,)),
        CheckResult(rule="facts.product", passed=True),
    )
    warned = msgspec.structs.replace(make_variant({"title": "a"}), checks=results)
    answer = only(checks.faithfulness(brief, [warned], embedder))
    assert (answer.value, answer.passed) == (0.5, True)
    assert answer.evidence == ("facts.ends: never says when",)


def test_bleu_follows_its_formula() -> None:
    text, reference = [["a", "b", "c", "d"]], [["a", "b", "x", "d"]]
    # 1-grams 3 of 4; 2-grams (1 + 1) of (3 + 1); 3-grams (0 + 1) of (2 + 1); 4-grams (0 + 1) of (1 + 1).
    expected = math.exp((math.log(3 / 4) + math.log(2 / 4) + math.log(1 / 3) + math.log(1 / 2)) / 4)
    assert diversity.bleu(text, [reference]) == pytest.approx(expected)
    assert diversity.bleu(text, [text, reference]) == pytest.approx(1.0)
    assert diversity.bleu(text, [[["x", "y"]]]) == 0.0
    # Half as long as its reference: every n-gram is in it, and brevity costs exp(1 - 4/2).
    assert diversity.bleu([["a", "b"]], [text]) == pytest.approx(math.exp(-1))
    # A word counts at most as often as in one reference; runs do not span parts.
    assert diversity.bleu([["a"], ["a"]], [[["a"], ["b"]]]) == pytest.approx((1 / 2) ** (1 / 4))


def test_copies_repeat_each_other_in_phrases_and_stand_apart_in_meaning(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    one: Fields = {"title": "Water your beans", "body": "A long spout reaches every pot you own."}
    other: Fields = {"title": "Slow mornings outside", "body": "Fill it, tip it, listen to the rain."}
    drafts = [make_variant(one), make_variant(one), make_variant(other), make_variant(None)]
    bleus = diversity.self_bleu(brief, drafts, embedder)
    apart = diversity.spread(brief, drafts, embedder)
    assert [answer and round(answer.value, 3) for answer in bleus[:2]] == [1.0, 1.0]
    assert bleus[2] is not None
    assert bleus[2].value < 0.2
    assert [answer and round(answer.value, 3) for answer in apart[:2]] == [0.0, 0.0]
    assert apart[2] is not None
    assert apart[2].value > 0.2
    assert apart[0] is not None
    assert apart[0].evidence == ("Water your beans",)
    assert (bleus[3], apart[3]) == (None, None)
    lone = [make_variant(one)]
    for scorer in (diversity.self_bleu, diversity.spread, diversity.distinct):
        assert scorer(brief, lone, embedder) == [None]


def test_ease_has_a_bar_and_is_not_read_from_another_script(
    brief: Brief, make_variant: MakeVariant, embedder: Embedder
) -> None:
    easy, hard = (
        {"title": "It holds a lot."},
        {"title": "Unparalleled horticultural irrigation functionality."},
    )
    assert only(readability.score(brief, [make_variant(easy)], embedder)).passed is True
    assert only(readability.score(brief, [make_variant(hard)], embedder)).passed is False
    assert "another script" in why_not(
        readability.score(brief, [make_variant({"title": "Купите лопату"})], embedder)
    )
    german = msgspec.structs.replace(brief, language="de")
    assert "'de'" in why_not(readability.score(german, [make_variant(easy)], embedder))
