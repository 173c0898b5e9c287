import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.errors import SlotError
from prompts.merge_tags import FIRST_NAME, Literal, MergeTag, fill, longest, parse, tags, validate


def test_a_text_is_cut_into_plain_pieces_tags_and_literals() -> None:
    text = f'Hi {FIRST_NAME}, {{{{ "{{" }}}}{{ 7*7 }}}}'
    pieces = parse(text)
    assert pieces[0] == "Hi "
    assert pieces[1] == MergeTag(name="first_name", default="there", span=(3, 3 + len(FIRST_NAME)))
    assert isinstance(pieces[3], Literal)
    assert fill(text, {}) == "Hi there, {{ 7*7 }}"


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ({"first_name": "Ada"}, "Hi Ada!"),
        ({}, "Hi there!"),
        ({"first_name": None}, "Hi there!"),
        ({"first_name": "  "}, "Hi there!"),
        ({"first_name": FIRST_NAME}, f"Hi {FIRST_NAME}!"),
        ({"first_name": "{{ 7*7 }} {% raw %}"}, "Hi {{ 7*7 }} {% raw %}!"),
    ],
)
def test_a_profile_fills_a_tag_once(profile: dict[str, str | None], expected: str) -> None:
    assert fill(f"Hi {FIRST_NAME}!", profile) == expected


@given(st.text(max_size=60))
def test_a_value_is_text_whatever_it_holds(value: str) -> None:
    assert fill(f"<{FIRST_NAME}>", {"first_name": value}) == f"<{value.strip() or 'there'}>"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Hi {{ first_name }}", "{{ first_name }}"),
        ("Hi {{first_name}}", "{{first_name}}"),
        ('Hi {{ first_name | default: "a {{ b" }}', "default"),
        ("Hi {{ first_name | default: “there” }}", "default"),
        ("Hi {{ first_name | upcase }}", "upcase"),
        ('Hi {{ surname | default: "x" }}', "unknown merge tag 'surname'"),
        ("{% if x %}", "{% if x %}"),
        ("broken {{ first", "{{ first"),
        ("{{{{", "{{{{"),
        ("{{ 7*7 }}", "7*7"),
        ('{{ x.__class__ | default: "x" }}', "__class__"),
    ],
)
def test_anything_else_in_braces_is_refused_with_its_place(text: str, place: str) -> None:
    with pytest.raises(SlotError) as refused:
        validate(text)
    assert place in str(refused.value)


@given(st.text(alphabet=st.sampled_from(list("{}%|: \"'first_namedefault")), max_size=50))
def test_reading_ends_and_loses_nothing(text: str) -> None:
    try:
        pieces = parse(text)
    except SlotError:
        return
    whole = "".join(piece if isinstance(piece, str) else text[slice(*piece.span)] for piece in pieces)
    assert whole == text


def test_lengths_are_counted_with_the_longer_of_default_and_assumed_value() -> None:
    assert len(longest(FIRST_NAME)) == 12
    assert len(longest('{{ first_name | default: "gardening friend" }}')) == 16


def test_single_quotes_are_liquid_too() -> None:
    assert tags("{{ first_name | default: 'you' }}")[0].default == "you"


def test_a_tag_may_stand_without_a_default_only_where_nobody_lacks_it() -> None:
    (tag,) = parse("{{ city }}", ("city",), ("city",))
    assert tag == MergeTag(name="city", default=None, span=(0, 10))
    with pytest.raises(SlotError, match="has no default, and not everybody has 'city'"):
        parse("{{ city }}", ("city",), ())
    with pytest.raises(SlotError, match="unknown merge tag 'town'"):
        parse("{{ town }}", ("city",), ("city",))


def test_an_empty_default_is_a_default() -> None:
    (tag,) = tags('{{ first_name | default: "" }}')
    assert tag.default == ""
    assert fill('Hi{{ first_name | default: "" }}', {}) == "Hi"
