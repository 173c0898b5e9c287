"""Copy filled for one profile, and the longest it gets for anybody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.channels import find_channel
from prompts.counting import septets
from prompts.errors import LengthError, SlotError
from prompts.measure import Length, measure
from prompts.personal import Value, fill_copy, read_copy, refuse_too_long, value_text, worst_case
from prompts.variant import Fields
from tests.prompts.readers import readers

KNOWN = readers([{"first_name": "Ada", "city": "Bath"}])
NAME = '{{ first_name | default: "there" }}'


def sms(text: str) -> Fields:
    return {"text": text}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Ada", "Ada"),
        ("  Ada\r\nBcc: x\t", "Ada Bcc: x"),
        ("", None),
        (" \u200b ", None),
        (None, None),
        (True, "true"),
        (False, None),
        (3, "3"),
        (3.0, "3"),
        (2.5, "2.5"),
        (-0.0, "0"),
        (1e300, "1e+300"),
        (2**60, "1.152921504606847e+18"),
    ],
)
def test_a_trait_is_written_as_copy_shows_it(value: Value, shown: str | None) -> None:
    assert value_text(value) == shown


def test_copy_is_filled_once_and_lists_keep_their_shape() -> None:
    copy = read_copy("push", {"title": f"Hi {NAME}", "body": '{{ city }}, {{ "{" }}{ 7*7 }}'}, KNOWN)
    assert copy.names == ("city", "first_name")
    hostile = "{{ city }} {% raw %}"
    filled = fill_copy(copy, {"first_name": hostile, "city": "Bath"})
    assert filled == {"title": f"Hi {hostile}", "body": "Bath, {{ 7*7 }}"}
    social = read_copy("social", {"text": "a", "hashtags": ["#b", "#c"]}, KNOWN)
    assert fill_copy(social, {}) == {"text": "a", "hashtags": ["#b", "#c"]}


@pytest.mark.parametrize(
    ("channel", "text", "told"),
    [
        ("sms", "{{ surname }}", "text: unknown merge tag 'surname'"),
        ("sms", "{{ city | upcase }}", "text: cannot read"),
        ("sms", "{% if city %}", "text: cannot read"),
        ("sms", "{{ 7*7 }}", "text: cannot read"),
        ("social", NAME, "no one reader"),
    ],
)
def test_a_tag_that_cannot_be_filled_is_refused_with_its_place(channel: str, text: str, told: str) -> None:
    with pytest.raises(SlotError, match=told):
        read_copy(channel, {"text": text, "hashtags": []}, KNOWN)


def test_a_tag_with_neither_value_nor_default_is_refused() -> None:
    copy = read_copy("sms", sms("Hello {{ city }}"), KNOWN)
    with pytest.raises(SlotError, match="text: the profile has no 'city'"):
        fill_copy(copy, {"city": " "})


def test_the_worst_case_counts_as_the_medium_does() -> None:
    copy = read_copy("sms", sms(f"Hi {NAME}"), KNOWN)
    # One letter outside GSM 03.38 makes the whole message UCS-2, so the shorter name is the longer message.
    people = [{"first_name": "Zoé Abcdef"}, {"first_name": "Łukasz"}, {"first_name": None}]
    assert [(each.counting, each.length, each.hard) for each in worst_case(copy, readers(people))] == [
        ("sms", 21, False),
        ("characters", 13, True),
    ]
    assert septets("Hi Łukasz") == 21 > septets("Hi Zoé Abcdef") == 13


@given(st.lists(st.text(max_size=30), min_size=1, max_size=8))
def test_nobody_reads_a_longer_text_than_the_worst_case(names: list[str]) -> None:
    copy = read_copy("push", {"title": f"Hi {NAME}", "body": "b"}, KNOWN)
    people = [{"first_name": value_text(name)} for name in names]
    worst = {(each.field, each.counting): each.length for each in worst_case(copy, readers(people))}
    lengths = [measure(find_channel("push"), fill_copy(copy, person)) for person in people]
    for each in (length for filled in lengths for length in filled):
        assert each.length <= worst[each.field, each.counting]
    assert set(worst.values()) <= {each.length for filled in lengths for each in filled}


def test_copy_without_tags_is_measured_once_for_all() -> None:
    copy = read_copy("sms", sms("Hello"), KNOWN)
    assert [each.length for each in worst_case(copy, readers([]))] == [5, 5]


def test_only_a_hard_limit_is_refused() -> None:
    soft = Length(field="text", counting="sms", length=161, limit=160, hard=False)
    refuse_too_long([soft], whose="for this profile")
    hard = Length(field="text", counting="characters", length=1601, limit=1600, hard=True)
    with pytest.raises(LengthError, match=r"text has 1601 characters for this profile.*takes 1600"):
        refuse_too_long([soft, hard], whose="for this profile")
