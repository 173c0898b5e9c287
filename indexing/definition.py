"""What an audience is: a tree of rules, as typed values and as pleasant JSON.

Every node is a JSON object named by its one telling key: `all`, `any`, `not`, `trait`, `event`,
`affinity`, `like`, `similar_to`, `nearest`, `segment`. What a rule means is written beside its type here;
`audience.py` evaluates it. `parse_definition` reads JSON, `to_json` writes it back in its shortest form,
`definition_schema` describes it.
"""

import hashlib
import inspect
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from indexing.errors import DefinitionError

MAX_DEPTH = 20
"""Levels of nesting; `{"like": "tea"}` has one."""
MAX_NODES = 500
MAX_TOP = 1_000_000
MAX_SEEDS = 10_000
MAX_SETS = 200
MAX_SET_ITEMS = 50
MAX_NUMBER = 10**15

TraitOp = Literal["eq", "ne", "lt", "le", "gt", "ge", "in", "contains", "exists"]
CompareOp = Literal["eq", "ne", "lt", "le", "gt", "ge"]
Aggregate = Literal["count", "value", "recency_days"]
Scalar: TypeAlias = str | int | float | bool

Name = Annotated[str, Meta(min_length=1, max_length=200)]
ItemSet = Annotated[tuple[Name, ...], Meta(min_length=1, max_length=MAX_SET_ITEMS)]
Top = Annotated[int, Meta(ge=1, le=MAX_TOP)]
Days = Annotated[int, Meta(ge=1, le=36_500)]
Number = (
    Annotated[int, Meta(ge=-MAX_NUMBER, le=MAX_NUMBER)]
    | Annotated[float, Meta(ge=-MAX_NUMBER, le=MAX_NUMBER)]
)


class AllOf(msgspec.Struct, frozen=True, kw_only=True):
    """Everyone whom each of the parts matches; no parts at all match everyone."""

    parts: "tuple[Definition, ...]" = msgspec.field(name="all")


class AnyOf(msgspec.Struct, frozen=True, kw_only=True):
    """Everyone whom at least one of the parts matches; no parts at all match nobody."""

    parts: "tuple[Definition, ...]" = msgspec.field(name="any")


class NotOf(msgspec.Struct, frozen=True, kw_only=True):
    """Everyone whom the part does not match."""

    part: "Definition" = msgspec.field(name="not")


class TraitRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Compares one trait.

    Numbers compare with numbers, texts with texts, true and false with each other; values of two kinds are
    never equal and never in order. A missing trait (or null) matches only `exists: false` and `ne`, so that
    `ne` is always the complement of `eq`. `contains` looks for a text inside a text and ignores case; `in`
    takes a list; `exists` takes true (what it means alone) or false.
    """

    trait: Name
    op: TraitOp = "eq"
    value: Scalar | tuple[Scalar, ...] | None = None


class EventRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Compares what the profile's events of one type (`*`: of any) add up to.

    `count` is their number, `value` the sum of their values (an unknown value counts nothing),
    `recency_days` the days from the newest to the reference time, fractions included. Someone without such an
    event has count 0, value 0 and no recency: that matches `ne` only. Sums are compared to six decimals.
    `within_days` takes events of the last so many times 24 hours, both ends included; events after the
    reference time never count.
    """

    event: Name
    item: Name | None = None
    category: Name | None = None
    aggregate: Aggregate = "count"
    op: CompareOp = "ge"
    value: Number = 1
    within_days: Days | None = None


class AffinityRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Matches when the category has at least this share of the profile's weighted events.

    The share is the category's sum of event weights over the sum for all items; types of weight 0 or less
    and events without an item are left out. Someone with no such event has no share and is not matched.
    """

    affinity: Name
    at_least: Annotated[float, Meta(gt=0, le=1)] = 0.25
    within_days: Days | None = None


class LikeRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Matches profiles who like items close to a text: the mean similarity of the three closest.

    With `top` the so many most similar profiles of the whole workspace, ties by id; with `min_similarity`
    those at least so similar (cosine, -1..1); with neither those above `DEFAULT_SIMILARITY`; with both, both.
    """

    like: Annotated[str, Meta(min_length=1, max_length=1000)]
    min_similarity: Annotated[float, Meta(ge=-1, le=1)] | None = None
    top: Top | None = None


class Seeds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Examples: ids of profiles, or a segment's members; exactly one of the two."""

    profiles: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=MAX_SEEDS)] | None = None
    segment: Name | None = None


class SimilarRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Matches the `top` profiles whose interests are most like the seeds', the seeds themselves left out."""

    similar_to: Seeds
    top: Top = 100


class NearestRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Matches profiles who like, on the whole, what is nearer to the items `nearest` than to other sets.

    Each set, by item ids, stands for a kind of taste; `among` lists the others. Nobody without likes is
    matched; items no longer in the catalogue are passed over.
    """

    nearest: ItemSet
    among: Annotated[tuple[ItemSet, ...], Meta(max_length=MAX_SETS)] = ()


class SegmentRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Matches the members of another segment, by its name or id."""

    segment: Name


Rule: TypeAlias = TraitRule | EventRule | AffinityRule | LikeRule | SimilarRule | NearestRule | SegmentRule
Definition: TypeAlias = AllOf | AnyOf | NotOf | Rule

RULES: dict[str, type[Rule]] = {
    "trait": TraitRule,
    "event": EventRule,
    "affinity": AffinityRule,
    "like": LikeRule,
    "similar_to": SimilarRule,
    "nearest": NearestRule,
    "segment": SegmentRule,
}
"""Leaf types by the key that names them."""


def parse_definition(obj: object, *, max_depth: int = MAX_DEPTH) -> Definition:
    """Read a definition from JSON values.

    Raises `DefinitionError` with the JSON path, the bad value and what is allowed there.
    """
    from indexing.definition_reader import Reader  # the reader needs the types above

    return Reader(max_depth=max_depth).read(obj)


def to_json(definition: Definition) -> dict[str, Any]:
    """Write a definition as JSON values, defaults left out; `parse_definition` reads it back as it was."""
    match definition:
        case AllOf(parts=parts):
            return {"all": [to_json(part) for part in parts]}
        case AnyOf(parts=parts):
            return {"any": [to_json(part) for part in parts]}
        case NotOf(part=part):
            return {"not": to_json(part)}
        case _:
            return msgspec.json.decode(msgspec.json.encode(definition), type=dict[str, Any])


def digest(definition: Definition) -> str:
    """Return 16 hex digits that equal definitions share, whatever the order of keys they were written in."""
    return hashlib.sha256(msgspec.json.encode(to_json(definition), order="sorted")).hexdigest()[:16]


def closure_digest(definition: Definition, segments: Mapping[str, Definition]) -> str:
    """Return 16 hex digits of the definition and all it refers to; references must have been checked."""
    parts, waiting, seen = [digest(definition)], list(references(definition)), set[str]()
    while waiting:
        name = waiting.pop(0)
        if name not in seen:
            seen.add(name)
            parts.append(f"{name}\n{digest(segments[name])}")
            waiting.extend(references(segments[name]))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def walk(definition: Definition) -> Iterator[Definition]:
    """Yield the node and everything below it, in the order it was written."""
    yield definition
    match definition:
        case AllOf(parts=parts) | AnyOf(parts=parts):
            for part in parts:
                yield from walk(part)
        case NotOf(part=part):
            yield from walk(part)
        case _:
            return


def references(definition: Definition) -> tuple[str, ...]:
    """Return the names or ids of the segments a definition refers to, each once, in order."""
    named: dict[str, None] = {}
    for node in walk(definition):
        if isinstance(node, SegmentRule):
            named[node.segment] = None
        elif isinstance(node, SimilarRule) and node.similar_to.segment is not None:
            named[node.similar_to.segment] = None
    return tuple(named)


def reachable(definition: Definition, segments: Mapping[str, Definition]) -> Iterator[Definition]:
    """Yield every node of a definition and of those it refers to, directly or not, each of those once.

    Names that `segments` does not hold are passed over, and so is the second turn of a circle.
    """
    waiting, seen = [definition], set[str]()
    while waiting:
        current = waiting.pop(0)
        yield from walk(current)
        fresh = [name for name in references(current) if name in segments and name not in seen]
        seen.update(fresh)
        waiting.extend(segments[name] for name in fresh)


def check_references(definition: Definition, segments: Mapping[str, Definition], name: str = "") -> None:
    """Refuse a definition that refers to an unknown segment or, over others, to itself.

    `name` is the segment being defined, when it has one already. Raises `DefinitionError` naming the cycle.
    """
    done: set[str] = set()

    def visit(current: Definition, trail: tuple[str, ...]) -> None:
        for reference in references(current):
            if reference in trail:
                cycle = " -> ".join([*trail[trail.index(reference) :], reference])
                raise DefinitionError(f"segments refer to each other in a circle: {cycle}; take one link out")
            if reference not in segments:
                known = ", ".join(repr(key) for key in sorted(segments)[:10]) or "none yet"
                raise DefinitionError(f"no segment {reference!r}; known segments: {known}")
            if len(trail) > MAX_DEPTH:
                raise DefinitionError(
                    f"segments refer to each other over more than {MAX_DEPTH} steps: {trail}"
                )
            if reference not in done:
                visit(segments[reference], (*trail, reference))
                done.add(reference)

    visit(definition, (name,) if name else ())


def definition_schema(rules: Collection[str] = tuple(RULES)) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a definition: `$defs` and the root's reference.

    `rules`: the keys of the leaves it knows; all of them unless fewer are named.
    """
    kinds = [RULES[key] for key in rules]
    _, leaves = msgspec.json.schema_components(kinds)
    for leaf in leaves.values():
        leaf["description"] = inspect.cleandoc(leaf["description"])
    tree = {"$ref": "#/$defs/Definition"}

    def node(key: str, value: dict[str, Any], description: str) -> dict[str, Any]:
        return {
            "type": "object",
            "description": description,
            "properties": {key: value},
            "required": [key],
            "additionalProperties": False,
        }

    branches = {
        "AllOf": node("all", {"type": "array", "items": tree}, "Everyone whom each part matches."),
        "AnyOf": node("any", {"type": "array", "items": tree}, "Everyone whom at least one part matches."),
        "NotOf": node("not", tree, "Everyone whom the part does not match."),
    }
    names = [*branches, *(kind.__name__ for kind in kinds)]
    union = {
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in names],
        "description": f"An audience definition: at most {MAX_DEPTH} levels and {MAX_NODES} nodes.",
        "examples": [EXAMPLE],
    }
    return {"$defs": {"Definition": union, **branches, **leaves}, **tree}


EXAMPLE: dict[str, Any] = {
    "all": [
        {"trait": "country", "op": "eq", "value": "GB"},
        {"event": "purchase", "op": "ge", "value": 2, "within_days": 90},
        {"like": "gardening", "min_similarity": 0.3},
    ]
}
"""A definition as documentation shows it."""
