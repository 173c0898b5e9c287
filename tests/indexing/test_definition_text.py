"""Definitions as people write them: read, written, and pointed at where they cannot be read."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexing.definition import MAX_DEPTH, parse_definition, to_json
from indexing.definition_parser import read_text
from indexing.definition_text import CALLS, PLURALS, WORDS, to_text
from indexing.errors import DefinitionError, DefinitionTextError
from tests.indexing.definitions import TREES

HARD = [
    *WORDS,
    *CALLS,
    *PLURALS,
    "a b",
    "a.b",
    "3d",
    "Größe",
    '"',
    "\\",
    "a\nb",
    "\u2028",
    "=",
    "*",
    "x" * 200,
]
NAMES = st.sampled_from(HARD) | st.text(min_size=1, max_size=9)
SCALARS = NAMES | st.booleans() | st.integers(-(10**15), 10**15) | st.floats(-1e15, 1e15)


def _shape(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(fields).map(lambda rule: {k: v for k, v in rule.items() if v is not None})


ODD = st.one_of(
    _shape(trait=NAMES, op=st.sampled_from(["eq", "ne"]), value=SCALARS),
    _shape(trait=NAMES, op=st.just("in"), value=st.lists(SCALARS, min_size=1, max_size=3)),
    _shape(
        event=NAMES,
        aggregate=st.sampled_from(["count", "value", "recency_days"]),
        item=st.none() | NAMES,
        category=st.none() | NAMES,
        value=st.integers(-(10**15), 10**15) | st.floats(-1e15, 1e15),
        within_days=st.none() | st.integers(1, 36_500),
    ),
    _shape(affinity=NAMES, at_least=st.floats(0, 1, exclude_min=True)),
    _shape(like=NAMES, min_similarity=st.none() | st.floats(-1, 1), top=st.none() | st.integers(1, 10**6)),
    _shape(similar_to=_shape(profiles=st.lists(NAMES, min_size=1, max_size=3)), top=st.integers(1, 9)),
    _shape(
        nearest=st.lists(NAMES, min_size=1, max_size=3),
        among=st.lists(st.lists(NAMES, min_size=1), max_size=2),
    ),
    _shape(segment=NAMES),
)
TRIES = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check_round_trip(tree: dict[str, Any]) -> None:
    try:
        definition = parse_definition(tree)
    except DefinitionError:  # a text that says nothing, half a character
        return
    text = to_text(definition)
    assert "\n" not in text
    read = read_text(text)
    assert repr(to_json(read)) == repr(to_json(definition))  # repr tells 1, 1.0 and true apart
    assert read == definition


@TRIES
@given(TREES | ODD)
def test_what_is_written_reads_back_as_the_same_tree(tree: dict[str, Any]) -> None:
    check_round_trip(tree)


@pytest.mark.slow
@settings(TRIES, max_examples=2_000)
@given(TREES | ODD)
def test_what_is_written_reads_back_as_the_same_tree_often(tree: dict[str, Any]) -> None:
    check_round_trip(tree)


def _place(text: str) -> tuple[int, int] | None:
    """Where a text cannot be read; none where it can, and then reads back."""
    try:
        definition = read_text(text)
    except DefinitionTextError as error:
        return error.line, error.column
    assert read_text(to_text(definition)) == definition
    return None


@TRIES
@given(st.text(alphabet='ab1.9d"\\\n =!<>()[],*', max_size=30) | st.text(max_size=30))
def test_any_text_is_read_or_pointed_at(text: str) -> None:
    place = _place(text)
    if place is not None:
        lines = text.split("\n")
        assert 1 <= place[0] <= len(lines)
        assert 1 <= place[1] <= len(lines[place[0] - 1]) + 1


READ: list[tuple[str, dict[str, Any]]] = [
    (
        'country = "DE" and purchases(90d) >= 2 and like("minimal design")',
        {
            "all": [
                {"trait": "country", "value": "DE"},
                {"event": "purchase", "value": 2, "within_days": 90},
                {"like": "minimal design"},
            ]
        },
    ),
    (
        "a = 1 or b = 2 and not c = 3",
        {
            "any": [
                {"trait": "a", "value": 1},
                {"all": [{"trait": "b", "value": 2}, {"not": {"trait": "c", "value": 3}}]},
            ]
        },
    ),
    (
        'age>=18 and (plan in ["free", "gold"] or email missing)',
        {
            "all": [
                {"trait": "age", "op": "ge", "value": 18},
                {
                    "any": [
                        {"trait": "plan", "op": "in", "value": ["free", "gold"]},
                        {"trait": "email", "op": "exists", "value": False},
                    ]
                },
            ]
        },
    ),
    ("purchases()", {"event": "purchase"}),
    (
        'days_since(add_to_cart, category = "Tea") < 7.5',
        {"event": "add_to_cart", "aggregate": "recency_days", "category": "Tea", "op": "lt", "value": 7.5},
    ),
    (
        "value(*, 30d) > 100",
        {"event": "*", "aggregate": "value", "op": "gt", "value": 100, "within_days": 30},
    ),
    ('similar_to(segment = "best", top = 50)', {"similar_to": {"segment": "best"}, "top": 50}),
    ('trait("first name") contains "ann"', {"trait": "first name", "op": "contains", "value": "ann"}),
    ("all()", {"all": []}),
    ("any(vip = true)", {"any": [{"trait": "vip", "value": True}]}),
]


@pytest.mark.parametrize(("text", "tree"), READ, ids=[text for text, _ in READ])
def test_a_text_is_the_tree_it_stands_for(text: str, tree: dict[str, Any]) -> None:
    assert read_text(text) == parse_definition(tree)


REFUSED = [
    (
        "age > blue",
        7,
        'expected a number, a text in double quotes, true or false, got blue; quote a text: "blue"',
    ),
    ("age > true", 7, "'gt' takes a number or a text, got True"),
    ('country = "DE" and', 19, "got the end"),
    ("", 1, "expected a rule"),
    ('lke("tea")', 1, "did you mean 'like'?"),
    ('like("tea", top = 0)', 19, ">= 1, got 0"),
    ('like("tea", topp = 3)', 20, "did you mean 'top'?"),
    ('like("tea", top = 3, top = 4)', 22, "top is given twice"),
    ("like(tea)", 9, "or tea in double quotes"),
    ("purchases(90) > 2", 11, "days such as 90d"),
    ("purchases(view) > 2", 15, 'expected "=" after view'),
    ('purchases("view") > 2', 1, "takes no type: it is 'purchase'"),
    ('purchases(90d) > "x"', 18, 'expected a number, got "x"'),
    ("purchases(0d)", 11, ">= 1, got 0"),
    ('x in ("a")', 6, 'a list such as ["DE", "FR"], got ('),
    ('a = "x', 5, "no closing double quote"),
    ("a = 'x'", 5, "texts stand in double quotes"),
    ('a = "\\q"', 6, "no such escape"),
    ("a = 1 b = 2", 7, 'expected "and", "or" or the end, got b'),
    ("(a = 1", 7, 'expected "and", "or" or ")"'),
    ("a = 1\nand b ~ 2", 7, "line 2, column 7: '~' means nothing here"),
    ("a = " + "9" * 5000, 5, "5000 digits is too long"),
    ("similar_to()", 1, "give either `profiles`"),
    ("(" * 100_000, 21, f"nested more than {MAX_DEPTH} levels"),
    ("not " * 100_000, 81, f"nested more than {MAX_DEPTH} levels"),
    ("a = 1 and " * 600_000, 5001, "more than 500 rules"),
    ('nearest("i", among = ' + "[" * 100_000, 42, f"nested more than {MAX_DEPTH} levels"),
]


@pytest.mark.parametrize(("text", "column", "told"), REFUSED, ids=[text[:30] for text, _, _ in REFUSED])
def test_an_error_says_where_and_what_was_expected(text: str, column: int, told: str) -> None:
    with pytest.raises(DefinitionTextError) as caught:
        read_text(text)
    message = str(caught.value)
    assert caught.value.column == column
    assert told in message
    _, line, caret = message.rsplit("\n", 2)
    assert len(message) < 500
    place = caret.index("^")
    rest = text.split("\n")[caught.value.line - 1][column - 1 :]
    assert line[place:] == rest[:50]


def test_a_deep_tree_of_ands_and_ors_has_one_limit_in_both_forms() -> None:
    text = "a = 1"
    for _ in range(MAX_DEPTH // 2):
        text = f"(a = 1 or b = 2 and {text})"
    with pytest.raises(DefinitionTextError, match="at most 20"):
        read_text(text)
