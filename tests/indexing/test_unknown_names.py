"""What a definition names and the snapshot does not hold is said, with what it may have meant."""

from indexing.definition import parse_definition
from indexing.mismatched_values import mismatched_values
from indexing.unknown_names import in_words, unknown_names
from tests.indexing.people import people

WORLD = people(seed=3)
DEFINITION = parse_definition(
    {
        "all": [
            {"trait": "contry", "op": "eq", "value": "GB"},
            {"trait": "age", "op": "ge", "value": 30},
            {"not": {"event": "purchases", "category": "Gardn"}},
            {"event": "*", "item": "i99"},
            {"affinity": "Kitchen"},
            {"similar_to": {"profiles": ["p001", "p999"]}},
            {"nearest": ["i0", "i77"], "among": [["i1"], ["i88"]]},
            {"segment": "other"},
        ]
    }
)
OTHER = parse_definition({"any": [{"trait": "hight", "value": 1}, {"segment": "other"}]})


def test_every_name_that_is_not_there_is_found_once_with_its_nearest() -> None:
    found = {(name.kind, name.name): name.nearest for name in unknown_names(DEFINITION, WORLD)}
    assert set(found) == {
        ("trait", "contry"),
        ("event type", "purchases"),
        ("category", "Gardn"),
        ("item", "i99"),
        ("item", "i77"),
        ("item", "i88"),
        ("profile", "p999"),
    }
    assert found["trait", "contry"] == ("country",)
    assert found["event type", "purchases"] == ("purchase",)
    assert found["category", "Gardn"] == ("Garden",)


def test_definitions_referred_to_are_looked_through_even_in_a_circle() -> None:
    names = [name.name for name in unknown_names(DEFINITION, WORLD, {"other": OTHER}) if name.kind == "trait"]
    assert names == ["contry", "hight"]


def test_a_definition_of_known_names_is_silent() -> None:
    known = parse_definition({"all": [{"event": "view", "item": "i0"}, {"trait": "vip", "op": "exists"}]})
    assert unknown_names(known, WORLD) == ()
    assert in_words(()) == ()


def test_words_are_one_sentence_per_kind_and_bounded() -> None:
    many = parse_definition({"similar_to": {"profiles": [f"x{number}" for number in range(500)]}})
    (sentence,) = in_words(unknown_names(many, WORLD))
    assert sentence.startswith("the snapshot holds no profile 'x0', 'x1'")
    assert sentence.endswith("'x9' and 490 more")


def test_a_world_without_events_knows_no_event_type() -> None:
    empty = people(n_events=0)
    wanted = parse_definition({"event": "view", "category": "Garden"})
    assert [name.kind for name in unknown_names(wanted, empty)] == ["event type"]


def test_a_trait_compared_with_what_it_never_is_is_said_once() -> None:
    blue = {"trait": "country", "op": "gt", "value": 5}
    tree = parse_definition(
        {
            "any": [
                blue,
                {"not": blue},
                {"trait": "country", "op": "ne", "value": True},
                {"trait": "country", "op": "in", "value": [3, "GB"]},
                {"trait": "country", "op": "exists"},
                {"trait": "vip", "value": 1},
                {"trait": "nowhere", "value": 1},
                {"segment": "other"},
            ]
        }
    )
    other = parse_definition({"trait": "age", "value": True})
    assert mismatched_values(tree, WORLD, {"other": other}) == (
        "trait 'country' holds texts, and is compared with 5: that matches nobody",
        "trait 'country' holds texts, and is compared with True: that matches everybody",
        "trait 'age' holds numbers and texts, and is compared with True: that matches nobody",
    )
