import msgspec
import pytest

from prompts.brief import Product
from prompts.channels import PLAIN, channel_read, find_channel
from prompts.checks.rules import RULES
from prompts.errors import BriefError, OutputError
from prompts.revision import by_hand, gaps, recheck, revise
from prompts.variant import Fields
from tests.prompts.briefs import CLEAN, brief


def test_fields_that_do_not_change_stay_byte_for_byte() -> None:
    before: Fields = {"title": " kept, odd space and all ", "body": "old"}
    assert revise("push", before, {"body": " new "}) == {"title": before["title"], "body": "new"}
    assert before["body"] == "old"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"cta": "x"}, "unknown field 'cta'"),
        ({"body": 3}, "body must be a text"),
        ({"body": "a\x00b"}, "control character"),
        ({"title": "x" * 50_001}, "at most 50000"),
    ],
)
def test_what_a_field_cannot_hold_is_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(OutputError, match=told):
        revise("push", {"title": "a", "body": "b"}, changes)


def test_copy_that_lacks_a_field_is_not_made_whole() -> None:
    with pytest.raises(OutputError, match="lacks 'body'"):
        revise("push", {}, {"title": "a"})
    with pytest.raises(BriefError, match="fax"):
        revise("fax", {}, {"title": "a"})


def test_edited_copy_meets_the_rules_and_its_neighbours() -> None:
    copy = CLEAN["push"]
    fine = recheck(brief("push"), copy, [])
    assert all(check.passed for check in fine)
    shouted: Fields = {name: f"{str(text).upper()}!" for name, text in copy.items()}
    repeated = recheck(brief("push"), copy, [shouted])
    assert [check.rule for check in repeated if not check.passed] == ["duplicates.variants"]


def test_a_text_by_hand_meets_the_rules_and_says_who_made_it() -> None:
    made = by_hand(brief("push"), CLEAN["push"], "control")
    assert (made.id, made.status, made.provenance.engine) == ("control", "passed", "person")
    assert [check.rule for check in made.checks] == [rule.id for rule in RULES]
    assert gaps(brief("push"), made.fields) == ()
    failed = by_hand(brief("push"), {**CLEAN["push"], "title": "Save 70% today"}, "1")
    assert failed.status == "failed"


def test_a_part_of_a_piece_is_not_blamed_for_the_rest() -> None:
    part = by_hand(brief("email"), {"subject": "Meet your new planter"}, "1")
    assert part.status == "passed"
    rules = {check.rule for check in part.checks}
    assert "invented.percent" in rules
    assert not rules & {"length.items", "facts.product", "facts.offer", "brand.disclaimer", "words.required"}
    assert not [finding for check in part.checks for finding in check.findings]
    [gap] = gaps(brief("email"), part.fields)
    assert gap.reason == "only a part of the e-mail is there: without preheader, body, cta"
    assert gaps(brief("social"), {"text": "Hello"}) == ()


def test_without_a_product_nothing_is_held_against_facts_nobody_gave() -> None:
    bare = msgspec.structs.replace(
        brief("push"), channel="text", product=Product(id="", title=""), offer=None
    )
    made = by_hand(bare, {"text": "Half price,\n70% off!!"}, "1")
    assert not [check.rule for check in made.checks if check.rule.startswith(("facts.", "invented."))]
    assert [check.rule for check in made.checks if check.findings] == ["style.shouting"]
    offered = by_hand(msgspec.structs.replace(bare, offer=brief("push").offer), {"text": "Hello"}, "1")
    assert [check.rule for check in offered.checks if not check.passed] == ["facts.offer", "facts.code"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "the copy is empty"),
        ({"subject": " "}, "subject is empty"),
        ({"cta": "x"}, "unknown field 'cta'"),
    ],
)
def test_a_text_by_hand_that_the_channel_cannot_hold_is_refused(given: Fields, told: str) -> None:
    channel = "push" if "cta" in given else "email"
    with pytest.raises(OutputError, match=told):
        by_hand(brief(channel), given, "1")


def test_no_channel_is_written_for_plain_text() -> None:
    assert channel_read("text") is PLAIN
    with pytest.raises(BriefError, match="text"):
        find_channel("text")
