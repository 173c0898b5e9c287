"""Reading definitions: what is accepted, and what is said about the rest."""

from typing import Any

import msgspec
import pytest

from indexing.definition import (
    EXAMPLE,
    MAX_DEPTH,
    AllOf,
    LikeRule,
    TraitRule,
    check_references,
    closure_digest,
    definition_schema,
    digest,
    parse_definition,
    references,
    to_json,
)
from indexing.errors import DefinitionError


def _nested(depth: int) -> dict[str, Any]:
    tree: dict[str, Any] = {"like": "tea"}
    for _ in range(depth - 1):
        tree = {"not": tree}
    return tree


def test_the_documented_example_reads_into_the_tree() -> None:
    definition = parse_definition(EXAMPLE)
    assert isinstance(definition, AllOf)
    assert definition.parts[0] == TraitRule(trait="country", op="eq", value="GB")
    assert definition.parts[2] == LikeRule(like="gardening", min_similarity=0.3)
    assert parse_definition(msgspec.json.decode(msgspec.json.encode(to_json(definition)))) == definition


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ([], '$: expected an object such as {"like": "tea"}, got []'),
        ({}, "$: no kind of rule in an empty object"),
        ({"lik": "tea"}, "$: no kind of rule in 'lik'; one of these is needed: all, any, not, trait"),
        ({"lik": "tea"}, "did you mean 'like'?"),
        ({"like": "a", "any": []}, "$: 'any' and 'like' in one object"),
        ({"all": {"like": "a"}}, "$.all: expected a list of definitions, got {'like': 'a'}"),
        ({"all": [{"like": "a"}, {"not": 3}]}, "$.all[1].not: expected an object"),
        (
            {"all": [{"like": "a"}, {"trait": "x", "op": "equals", "value": 1}]},
            "$.all[1].op: no operator 'equals'; known: eq, ne, lt, le, gt, ge, in, contains, exists",
        ),
        ({"trait": "x", "op": ["eq"], "value": 1}, "$.op: no operator ['eq']"),
        ({"trait": "x"}, "$.value: missing; 'eq' compares the trait with a value"),
        ({"trait": "x", "op": "gt", "value": True}, "$.value: 'gt' takes a number or a text, got True"),
        ({"trait": "x", "op": "in", "value": []}, "$.value: 'in' takes a list of 1 to 1000 values, got []"),
        ({"trait": "x", "value": [1]}, "$.value: 'eq' takes one value (`in` takes a list), got [1]"),
        ({"trait": "x", "op": "in", "value": ["a", None]}, "$.value[1]: expected"),
        ({"trait": "x", "op": "exists", "value": "yes"}, "$.value: 'exists' takes true or false, got 'yes'"),
        ({"trait": "x", "value": 10**400}, "is no number within 1000000000000000"),
        ({"trait": "x", "value": "a" * 1001}, "$.value: a text of more than 1000 characters"),
        ({"trait": "", "value": 1}, "$.trait: expected str of length >= 1, got ''"),
        ({"event": "buy", "agregate": "count"}, "unknown key 'agregate'; allowed here: aggregate"),
        ({"event": "buy", "aggregate": "sum"}, "$.aggregate: no aggregate 'sum'; known: count, value"),
        ({"event": "buy", "within_days": 0}, "$.within_days: expected int >= 1, got 0"),
        ({"event": "buy", "value": float("inf")}, "$.value: expected float <= "),
        ({"affinity": "Garden", "at_least": 1.5}, "$.at_least: expected float <= 1.0, got 1.5"),
        ({"like": "a", "top": 10**9}, "$.top: expected int <= 1000000, got 1000000000"),
        ({"like": "a", "min_similarity": float("nan")}, "$.min_similarity: expected float >= -1.0, got nan"),
        ({"like": " \t"}, "$.like: ' \\t' says nothing; name what members like"),
        ({"like": "a" * 1001}, "$.like: expected str of length <= 1000, got 'aaa"),
        ({"similar_to": {}}, "$.similar_to: give either `profiles` (a list of ids) or `segment`"),
        ({"similar_to": {"profiles": ["a"], "segment": "b"}}, "$.similar_to: give either"),
        ({"similar_to": {"profiles": ["a", 3]}}, "$.similar_to.profiles[1]: expected str, got 3"),
        ({"similar_to": {"profile": ["a"]}}, "$.similar_to: unknown key 'profile'"),
        ({"like": "a\x00b"}, "$.like: 'a\\x00b' holds a NUL or half a character"),
        ({"similar_to": {"profiles": ["p", "\ud800"]}}, "$.similar_to.profiles[1]: '\\ud800' holds"),
        ({"nearest": []}, "$.nearest: expected array of length >= 1, got []"),
        ({"nearest": ["a"], "among": [["b"], []]}, "$.among[1]: expected array of length >= 1, got []"),
        ({"segment": None}, "$.segment: expected str, got None"),
        ({"any": [{"like": "a"}] * 500}, "more than 500 nodes"),
    ],
)
def test_a_refusal_names_the_path_the_value_and_what_fits(tree: object, message: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        parse_definition(tree)
    assert message in str(refused.value)


def test_depth_is_refused_with_the_depth_and_the_limit() -> None:
    assert parse_definition(_nested(MAX_DEPTH))
    with pytest.raises(DefinitionError, match="nested 100 levels deep, at most 20 are read"):
        parse_definition(_nested(100))


def test_a_hostile_depth_is_refused_without_recursion() -> None:
    with pytest.raises(DefinitionError, match="nested 50000 levels deep"):
        parse_definition(_nested(50_000))


def test_exists_alone_means_true() -> None:
    assert parse_definition({"trait": "vip", "op": "exists"}) == TraitRule(
        trait="vip", op="exists", value=True
    )


def test_a_digest_ignores_the_order_of_keys_and_tells_values_apart() -> None:
    one = parse_definition({"trait": "age", "op": "gt", "value": 30})
    assert digest(one) == digest(parse_definition({"value": 30, "op": "gt", "trait": "age"}))
    assert digest(one) != digest(parse_definition({"trait": "age", "op": "gt", "value": 31}))


def test_the_digest_of_a_closure_changes_with_what_it_refers_to() -> None:
    outer = parse_definition({"any": [{"segment": "a"}, {"similar_to": {"segment": "b"}}]})
    assert references(outer) == ("a", "b")
    tea, coffee = parse_definition({"like": "tea"}), parse_definition({"like": "coffee"})
    assert closure_digest(outer, {"a": tea, "b": tea}) != closure_digest(outer, {"a": tea, "b": coffee})


def test_a_segment_that_refers_to_itself_over_another_is_refused_by_name() -> None:
    mine = parse_definition({"not": {"segment": "b"}})
    segments = {
        "a": mine,
        "b": parse_definition({"all": [{"segment": "c"}]}),
        "c": parse_definition({"segment": "a"}),
    }
    with pytest.raises(DefinitionError, match="circle: a -> b -> c -> a"):
        check_references(mine, segments, "a")


def test_segments_may_share_what_they_refer_to() -> None:
    segments = {"tea": parse_definition({"like": "tea"}), "b": parse_definition({"segment": "tea"})}
    check_references(parse_definition({"all": [{"segment": "tea"}, {"segment": "b"}]}), segments)


def test_a_long_chain_of_segments_is_refused() -> None:
    segments = {f"s{n}": parse_definition({"segment": f"s{n + 1}"}) for n in range(2000)}
    with pytest.raises(DefinitionError, match="over more than 20 steps"):
        check_references(parse_definition({"segment": "s0"}), segments)


def test_the_schema_describes_every_rule_and_refuses_other_keys() -> None:
    schema = definition_schema()
    names = {choice["$ref"].rpartition("/")[2] for choice in schema["$defs"]["Definition"]["oneOf"]}
    assert names >= {"AllOf", "AnyOf", "NotOf", "TraitRule", "EventRule", "LikeRule", "SimilarRule"}
    for name in names:
        assert schema["$defs"][name]["additionalProperties"] is False
        assert schema["$defs"][name]["description"]
