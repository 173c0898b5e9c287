"""What a definition may name: the commonest first, and no value that tells one person from another."""

from typing import Any

import msgspec
import polars as pl

from indexing.vocabulary import MOST_NAMES, SHARED_BY, Vocabulary, vocabulary
from indexing.world import PROFILE_COLUMNS
from tests.indexing.people import AS_OF, people

WORLD = people(n_profiles=60)


def known(*traits: dict[str, Any]) -> Vocabulary:
    rows = [
        {"id": f"p{place:03}", "traits": msgspec.json.encode(held).decode(), "created_at": AS_OF}
        for place, held in enumerate(traits)
    ]
    return vocabulary(msgspec.structs.replace(WORLD, profiles=pl.DataFrame(rows, schema=PROFILE_COLUMNS)))


def test_values_are_shown_that_several_share_and_kinds_of_the_others():
    crowd = [
        {"plan": "free" if place % 3 else "gold", "email": f"person{place}@mail.example", "age": place}
        | {"vip": place % 2 == 0, "note": "blue", "mixed": place if place % 2 else "many"}
        for place in range(30)
    ]
    found = known(*crowd[:-1], {**crowd[-1], "plan": "staff", "rare": "only mine"}, {"shoe": None})
    assert found.traits == {
        "plan": ("free", "gold"),
        "email": "texts",
        "age": "numbers",
        "vip": "true or false",
        "note": ("blue",),
        "mixed": "numbers and texts",
        "rare": "texts",
    }


def test_a_value_needs_enough_people_to_be_shown():
    few, enough = ({"city": "Ayr"},) * (SHARED_BY - 1), ({"city": "Leeds"},) * SHARED_BY
    assert known(*few, *enough).traits == {"city": ("Leeds",)}


def test_names_come_the_commonest_first_and_are_bounded():
    found = vocabulary(WORLD)
    counted = WORLD.events["type"].value_counts().sort("count", descending=True)["type"].to_list()
    assert sorted(found.event_types) == sorted(counted)
    assert found.event_types[0] == counted[0]
    assert found.categories == ("Garden", "Kitchen")
    many = known({f"t{place}": 1 for place in range(MOST_NAMES + 50)}, {"t149": 1})
    assert len(many.traits) == MOST_NAMES
    assert next(iter(many.traits)) == "t149"
    assert vocabulary(people(n_profiles=3, n_events=0)).event_types == ()
