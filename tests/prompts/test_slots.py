import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts import merge_tags
from prompts.brief import Offer, Product, RewriteRequest
from prompts.errors import SlotError
from prompts.slots import (
    HINT_EDGES,
    clean,
    escape_facts,
    fact_slots,
    fill,
    given_slots,
    hint,
    product_name,
    unfill,
)
from tests.prompts.briefs import GREETING, brief

NASTY = st.text(alphabet=st.sampled_from(list("{}%|\"' ab\n\t.first_name")), max_size=40)


def test_a_brief_gives_its_facts_and_no_others() -> None:
    assert fact_slots(brief()) == {
        "product": "Fernhill Stoneware Planter",
        "offer": "15% off with code GROW15",
        "ends": "30 April",
        "benefit_1": "a frost-proof glaze",
        "benefit_2": "a drainage hole",
        "link": "https://fernhill.example/planter",
    }
    assert fact_slots(brief(offer=None, product=Product(id="1", title="Cup"))) == {"product": "Cup"}


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Fernhill Stoneware Planter", "Fernhill Stoneware Planter"),
        ("Cup - Blue", "Cup - Blue"),
        ("Amazon Gift Card - Print - Thank You (Chalkboard)", "Amazon Gift Card"),
        ("Amazon.com $25 Gift Cards, Pack of 10 (Classic Black Card)", "Amazon.com $25 Gift Cards"),
        (
            "Wonder: the novel of the year for readers of every age",
            "Wonder: the novel of the year for readers of every age",
        ),
        ("Carrabba's Italian Grill Gift Card with Free Appetizer", "Carrabba's Italian Grill Gift Card"),
        ("Amazon.com Gift Card in a Plaid Gift Box (Amazon Kindle Card Design)", "Amazon.com Gift Card"),
        ("NASCAR Ride Along at Las Vegas Motor Speedway with NASCAR", "NASCAR Ride Along"),
        ("Anglepoise desk lamp in brushed steel [refurbished]", "Anglepoise desk lamp"),
        ("Recycled Pencil With Rabbit Eraser", "Recycled Pencil With Rabbit Eraser"),
        ("Gap Gift Cards - E-mail Delivery", "Gap Gift Cards"),
        ("Afternoon tea at the Ritz for two", "Afternoon tea at the Ritz for two"),
        ("Tea - 100 bags of smoked leaf", "Tea - 100 bags of smoked leaf"),
        ("Cake tin with lid, for birthdays in the park or at home", "Cake tin with lid"),
        (
            "Acme in a box of forty-eight pieces for the table",
            "Acme in a box of forty-eight pieces for the table",
        ),
        ("Acme - Ladder, folding, four metres and a half long", "Acme - Ladder"),
    ],
)
def test_a_long_title_is_called_by_what_stands_before_its_details(title: str, name: str) -> None:
    assert product_name(Product(id="1", title=title)) == name
    assert fact_slots(brief(product=Product(id="1", title=title)))["product"] == name


def test_a_tight_channel_asks_for_the_benefits_it_has_room_for() -> None:
    long = Product(
        id="1",
        title="Fernhill Stoneware Planter",
        benefits=("a glaze that stands up to any frost", "a drainage hole", "a saucer"),
    )
    assert {name for name in fact_slots(brief("email", product=long)) if "benefit" in name} == {
        "benefit_1",
        "benefit_2",
    }
    banner = fact_slots(brief("banner", product=long, offer=None))
    assert {name: value for name, value in banner.items() if "benefit" in name} == {
        "benefit_1": "a glaze that stands up to any frost"
    }
    crowded = fact_slots(
        brief("banner", product=long, offer=Offer(text="a third off everything you order", ends="30 April"))
    )
    assert not [name for name in crowded if "benefit" in name]
    short = Product(id="1", title="Planter", benefits=("a saucer", "a drain"))
    asked = {channel: fact_slots(brief(channel, product=short)) for channel in ("banner", "push")}
    assert "benefit_2" not in asked["banner"], "a banner that tells of an offer has room for one"
    assert "benefit_2" in asked["push"]
    assert "benefit_2" in fact_slots(brief("banner", product=short, offer=None))
    endless = Product(id="1", title="Cup", benefits=("x" * 60, "a saucer"))
    assert fact_slots(brief("email", product=endless))["benefit_1"] == "a saucer"


def test_an_answer_may_hold_the_briefs_facts_and_where_it_greets_the_readers_name() -> None:
    facts = ["product", "offer", "ends", "link", "benefit_1", "benefit_2"]
    assert given_slots(brief()) == facts
    assert given_slots(brief(personalise=True)) == [*facts, "first_name"]
    rewrite = RewriteRequest(instruction="shorter", fields={"subject": "Hello"})
    assert given_slots(brief(rewrite=rewrite)) == [*facts, "first_name"]


def test_a_code_the_offer_already_names_is_not_said_twice() -> None:
    slots = fact_slots(brief(offer=Offer(text="20% off with code BREW20", code="BREW20")))
    assert slots["offer"] == "20% off with code BREW20"


def test_facts_are_one_clean_line() -> None:
    assert clean("  A\r\nBcc: x\u202e\x00 cup\t") == "A Bcc: x cup"


@pytest.mark.parametrize(
    ("slot", "length", "expected"),
    [
        ("product", 1, 8),
        ("product", 8, 8),
        ("product", 9, 11),
        ("product", 46, 50),
        ("product", 200, 90),
        ("offer", 27, 30),
        ("benefit_2", 13, 16),
        ("ends", 12, 12),
        ("link", 25, 32),
        ("link", 99, 64),
    ],
)
def test_a_hint_rounds_up_to_an_edge(slot: str, length: int, expected: int) -> None:
    assert hint(slot, "x" * length) == expected


def test_the_edges_are_those_the_pocket_model_is_trained_on() -> None:
    assert HINT_EDGES["product"] == (8, 11, 14, 17, 20, 23, 26, 30, 35, 40, 45, 50, 60, 75, 90)
    assert HINT_EDGES["offer"] == (8, 11, 14, 18, 22, 26, 30, 40, 50)
    assert HINT_EDGES["benefit"] == (12, 16, 20, 24, 28, 34, 40, 50)


def test_a_slot_without_a_kind_has_no_hint() -> None:
    with pytest.raises(SlotError, match="'category'"):
        hint("category", "x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Enjoy {{offer}}.", "Enjoy a free gift."),
        ("{{offer}} awaits.", "A free gift awaits."),
        ("Hello. {{offer}}!", "Hello. A free gift!"),
        ("One\n\n{{offer}}", "One\n\nA free gift"),
        ("Psst: {{ offer }}", "Psst: a free gift"),
        ("{{product}} is here.", "iPhone case is here."),
        ("{{link}}", "https://x.example/a"),
        ("From {{brand}}.", "From Quill & Co."),
    ],
)
def test_a_slot_reads_well_where_it_stands(text: str, expected: str) -> None:
    slots = {
        "offer": "a free gift",
        "product": "iPhone case",
        "link": "https://x.example/a",
        "brand": "Quill & Co.",
    }
    assert fill(text, slots) == expected


def test_a_name_becomes_the_merge_tag_it_stands_for() -> None:
    assert fill("Hi {{first_name}}!", {}, {"first_name": merge_tags.FIRST_NAME}) == f"Hi {GREETING}!"


def test_an_unknown_slot_is_refused_by_name() -> None:
    with pytest.raises(SlotError, match=r"'\{\{ends\}\}'.*offer, product"):
        fill("Until {{ends}}", {"product": "Cup", "offer": "15% off"})


@given(NASTY, NASTY)
def test_what_is_filled_in_is_never_read_again(first: str, second: str) -> None:
    filled = fill("x {{product}}! y {{offer}}! z", {"product": first, "offer": second})
    assert not any(isinstance(piece, merge_tags.MergeTag) for piece in merge_tags.parse(filled))
    assert merge_tags.fill(filled, {"first_name": "Ada"}) == f"x {first}! y {second}! z"


@given(NASTY)
def test_a_fact_quoted_in_full_is_text_even_when_it_looks_like_a_tag(fact: str) -> None:
    written = escape_facts(f"Buy {fact}, do.", [fact])
    if "{{" in fact or "{%" in fact:
        assert merge_tags.fill(written, {"first_name": "Ada"}) == f"Buy {fact}, do."


def test_unfill_turns_facts_back_into_slots() -> None:
    slots = fact_slots(brief())
    text = "Meet {{product}}. {{offer}} until {{ends}}: {{link}}"
    assert unfill(fill(text, slots), slots) == text
    assert unfill("meet FERNHILL STONEWARE PLANTER", slots) == "meet {{product}}"
    assert unfill("nothing", {}) == "nothing"
