import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.errors import SlotError
from prompts.merge_tags import FIRST_NAME, Literal, MergeTag, fill, named, parse, stand_in
from tests.prompts.readers import readers


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
        parse(text)
    assert place in str(refused.value)


@given(st.text(alphabet=st.sampled_from(list("{}%|: \"'first_namedefault")), max_size=50))
def test_reading_ends_and_loses_nothing(text: str) -> None:
    try:
        pieces = parse(text)
    except SlotError:
        return
    whole = "".join(piece if isinstance(piece, str) else text[slice(*piece.span)] for piece in pieces)
    assert whole == text


def test_a_stand_in_is_as_long_as_the_default_and_no_shorter_than_a_name_may_be() -> None:
    assert len(stand_in(parse(FIRST_NAME))) == 12
    assert len(stand_in(parse('{{ first_name | default: "gardening friend" }}'))) == 16


def test_single_quotes_are_liquid_too() -> None:
    (tag,) = parse("{{ first_name | default: 'you' }}")
    assert isinstance(tag, MergeTag)
    assert tag.default == "you"


def test_a_tag_may_stand_without_a_default_only_where_nobody_lacks_it() -> None:
    (tag,) = parse("{{ city }}", readers([{"city": "Bath"}, {"city": "Ely"}]))
    assert tag == MergeTag(name="city", default=None, span=(0, 10))
    with pytest.raises(SlotError, match="has no default, and 1 of 2 profiles of segment 'x' have no 'city'"):
        parse("{{ city }}", readers([{"city": "Bath"}, {"city": None}]))
    with pytest.raises(SlotError, match="no profiles of segment 'x' to show that nobody lacks 'city'"):
        parse("{{ city }}", readers([], names=("city",)))


def test_an_unknown_tag_is_refused_with_the_nearest_known_one() -> None:
    known = readers([{"city": "Bath", "country": "UK"}])
    with pytest.raises(SlotError, match=r"unknown merge tag 'contry'.*did you mean 'country'.*city, country"):
        parse('{{ contry | default: "x" }}', known)
    many = readers([{f"trait_{place:02}": "x" for place in range(20)}])
    with pytest.raises(SlotError, match=r"Known here: trait_00, .*, trait_11 and 8 more$"):
        parse("{{ zzz }}", many)


def test_an_empty_default_is_a_default() -> None:
    (tag,) = parse('{{ first_name | default: "" }}')
    assert isinstance(tag, MergeTag)
    assert tag.default == ""
    assert fill('Hi{{ first_name | default: "" }}', {}) == "Hi"


def test_the_names_of_tags_are_found_before_it_is_known_whether_they_may_be_used() -> None:
    assert named("""{{ city }}{{ "{{ no }}" }} {{ plan | default: 'x' }}{% if x %}{{ late }}""") == {
        "city",
        "plan",
    }
    assert named("nothing { here }") == frozenset()


@given(st.text(alphabet=st.sampled_from(list("{}%|: \"'_cityfirst_namedefault")), max_size=50))
def test_whatever_is_read_was_named(text: str) -> None:
    try:
        pieces = parse(text, readers([dict.fromkeys((*named(text), "first_name"), "x")]))
    except SlotError:
        return
    assert {piece.name for piece in pieces if isinstance(piece, MergeTag)} == named(text)
