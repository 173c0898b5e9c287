"""Random definitions over the names of `people.py`, for property tests."""

from hypothesis import strategies as st

from indexing.definition import parse_definition
from tests.indexing.people import TRAITS

SEGMENTS = {
    "British": parse_definition({"trait": "country", "op": "eq", "value": "GB"}),
    "buyers": parse_definition({"event": "purchase", "op": "ge", "value": 2}),
    "nested": parse_definition({"any": [{"segment": "British"}, {"not": {"segment": "buyers"}}]}),
    "nobody": parse_definition({"any": []}),
}
SCALARS = st.sampled_from(
    [v for values in TRAITS.values() for v in values if v is not None] + [True, 1, 0, 18.0]
)
COMPARE = st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"])
DAYS = st.none() | st.integers(1, 40)


def _rule(**fields: st.SearchStrategy) -> st.SearchStrategy:
    return st.fixed_dictionaries(fields).map(lambda rule: {k: v for k, v in rule.items() if v is not None})


TRAIT_NAMES = st.sampled_from([*TRAITS, "unknown"])
LEAVES = st.one_of(
    _rule(trait=TRAIT_NAMES, op=st.sampled_from(["eq", "ne"]), value=SCALARS),
    _rule(
        trait=TRAIT_NAMES,
        op=st.sampled_from(["lt", "le", "gt", "ge"]),
        value=SCALARS.filter(lambda value: not isinstance(value, bool)),
    ),
    _rule(trait=TRAIT_NAMES, op=st.just("in"), value=st.lists(SCALARS, min_size=1, max_size=3)),
    _rule(trait=TRAIT_NAMES, op=st.just("contains"), value=st.sampled_from(["g", "B", "i", '"', "ı"])),
    _rule(trait=TRAIT_NAMES, op=st.just("exists"), value=st.booleans()),
    _rule(
        event=st.sampled_from(["view", "purchase", "odd", "*", "never"]),
        item=st.none() | st.sampled_from(["i0", "i5", "gone"]),
        category=st.none() | st.sampled_from(["Garden", "Kitchen", "gone"]),
        aggregate=st.sampled_from(["count", "value", "recency_days"]),
        op=COMPARE,
        value=st.integers(0, 12) | st.sampled_from([0.1, 0.3, 5.3, 19.99, 40.18, 59.97]),
        within_days=DAYS,
    ),
    _rule(
        affinity=st.sampled_from(["Garden", "Kitchen", "gone"]),
        at_least=st.sampled_from([0.01, 0.25, 0.5, 1 / 3, 0.75, 1.0]),
        within_days=DAYS,
    ),
    _rule(
        like=st.sampled_from(["3", "7", "tea"]),
        min_similarity=st.none() | st.sampled_from([-1.0, 0.125, 0.25, 1.0]),
        top=st.none() | st.integers(1, 45),
    ),
    _rule(
        similar_to=st.sampled_from(
            [
                {"profiles": ["p001"]},
                {"profiles": ["p002", "p039", "gone"]},
                {"segment": "buyers"},
                {"segment": "nobody"},
            ]
        ),
        top=st.none() | st.integers(1, 45),
    ),
    _rule(
        nearest=st.sampled_from([["i0"], ["i1", "i2", "i4"], ["i3", "gone"]]),
        among=st.sampled_from([[], [["i5"]], [["i6", "i7"], ["i8"], ["i4", "gone"]]]),
    ),
    _rule(segment=st.sampled_from(list(SEGMENTS))),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: {"all": parts})
        | st.lists(inner, max_size=3).map(lambda parts: {"any": parts})
        | inner.map(lambda part: {"not": part})
    ),
    max_leaves=5,
)
