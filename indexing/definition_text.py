"""A definition as people write it: `country = "DE" and purchases(90d) >= 2 and like("minimal design")`.

    definition  all { "or" all }
    all         part { "and" part }
    part        "not" part | "(" definition ")" | rule
                | ("all" | "any") "(" [ definition { "," definition } ] ")"
    rule        trait ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) value | trait "in" "[" values "]"
                | trait "contains" TEXT | trait ( "exists" | "missing" )
                | totals [ comparison NUMBER ]
                | like(TEXT, min_similarity = N, top = N) | affinity(TEXT, 90d, at_least = N)
                | similar_to(ID, ..., top = N) | similar_to(segment = TEXT, top = N)
                | nearest(ID, ..., among = [[ID, ...], ...]) | segment(TEXT)
    trait       NAME | trait(TEXT)
    totals      count(TYPE, 90d, item = ID, category = TEXT), and so value(...) and days_since(...);
                purchases(90d, ...) is count(purchase, 90d, ...), events(...) is count(*, ...)

`and` binds closer than `or`. Texts stand in double quotes, with the escapes of JSON; a NAME is letters,
digits, `_` and `.`. What every rule means is written in `definition.py`. `to_text` writes;
`definition_parser.py` reads, and gives the same tree back.
"""

import json
import re
from collections.abc import Mapping

from indexing.definition import (
    AffinityRule,
    Aggregate,
    AllOf,
    AnyOf,
    CompareOp,
    Definition,
    EventRule,
    LikeRule,
    NearestRule,
    NotOf,
    Rule,
    Scalar,
    SegmentRule,
    SimilarRule,
    TraitOp,
    TraitRule,
)

SIGNS: dict[str, CompareOp] = {"=": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
TOTALS: dict[str, Aggregate] = {"count": "count", "value": "value", "days_since": "recency_days"}
PLURALS = {
    "events": "*",
    "views": "view",
    "clicks": "click",
    "purchases": "purchase",
    "impressions": "impression",
}
"""Short for `count` of a type."""
CALLS = ("like", "affinity", "similar_to", "nearest", "segment", "trait", "all", "any", *TOTALS, *PLURALS)
"""What may stand before a parenthesis."""
WORDS = frozenset(("and", "or", "not", "in", "contains", "exists", "missing", "true", "false"))
"""Names of the language: a trait of such a name is written `trait("in")`."""
NAME = re.compile(r"[^\W\d]\w*(?:\.\w+)*")

_OF_TYPE = {kind: plural for plural, kind in PLURALS.items()}
_SIGN_OF: dict[TraitOp, str] = {op: sign for sign, op in SIGNS.items()}
_TOTAL_OF = {aggregate: name for name, aggregate in TOTALS.items()}


def to_text(definition: Definition) -> str:
    """Write a definition as people do, in one line; `definition_parser.read_text` gives the same tree."""
    match definition:
        case AllOf(parts=parts):
            return _joined("all", " and ", parts)
        case AnyOf(parts=parts):
            return _joined("any", " or ", parts)
        case NotOf(part=part):
            return f"not {_enclosed(part)}"
        case TraitRule():
            return _trait(definition)
        case EventRule():
            return _totals(definition)
        case _:
            return _call(definition)


def _joined(name: str, word: str, parts: tuple[Definition, ...]) -> str:
    if len(parts) < 2:
        return f"{name}({', '.join(map(to_text, parts))})"
    return word.join(map(_enclosed, parts))


def _enclosed(part: Definition) -> str:
    text = to_text(part)
    return f"({text})" if isinstance(part, AllOf | AnyOf) and len(part.parts) > 1 else text


def _trait(rule: TraitRule) -> str:
    plain = NAME.fullmatch(rule.trait) and rule.trait not in WORDS
    name = rule.trait if plain else f"trait({_quoted(rule.trait)})"
    if rule.op == "exists":
        return f"{name} {'exists' if rule.value else 'missing'}"
    if isinstance(rule.value, tuple):
        return f"{name} in {_listed(rule.value)}"
    return f"{name} {_SIGN_OF.get(rule.op, rule.op)} {_quoted(rule.value)}"


def _totals(rule: EventRule) -> str:
    named = {"item": rule.item, "category": rule.category}
    if rule.aggregate == "count" and rule.event in _OF_TYPE:
        written = _arguments(_OF_TYPE[rule.event], (), rule.within_days, named)
    else:
        plain = rule.event == "*" or (NAME.fullmatch(rule.event) and rule.event not in WORDS)
        kind = rule.event if plain else _quoted(rule.event)
        written = _arguments(_TOTAL_OF[rule.aggregate], (kind,), rule.within_days, named)
    return f"{written} {_SIGN_OF[rule.op]} {_quoted(rule.value)}"


def _call(rule: Rule) -> str:
    match rule:
        case LikeRule():
            named = {"min_similarity": rule.min_similarity, "top": rule.top}
            return _arguments("like", (_quoted(rule.like),), None, named)
        case AffinityRule():
            named = {"at_least": rule.at_least}
            return _arguments("affinity", (_quoted(rule.affinity),), rule.within_days, named)
        case SimilarRule():
            seeds = tuple(map(_quoted, rule.similar_to.profiles or ()))
            return _arguments(
                "similar_to", seeds, None, {"segment": rule.similar_to.segment, "top": rule.top}
            )
        case NearestRule():
            items = ", ".join(map(_quoted, rule.nearest))
            among = f", among = [{', '.join(map(_listed, rule.among))}]" if rule.among else ""
            return f"nearest({items}{among})"
        case SegmentRule():
            return f"segment({_quoted(rule.segment)})"
        case TraitRule() | EventRule():
            return to_text(rule)


def _arguments(
    name: str, given: tuple[str, ...], within_days: int | None, named: Mapping[str, Scalar | None]
) -> str:
    days = () if within_days is None else (f"{within_days}d",)
    pairs = (f"{key} = {_quoted(value)}" for key, value in named.items() if value is not None)
    return f"{name}({', '.join((*given, *days, *pairs))})"


def _listed(values: tuple[Scalar, ...]) -> str:
    return f"[{', '.join(map(_quoted, values))}]"


def _quoted(value: object) -> str:
    """Write a text, a number or a truth value as JSON does."""
    return json.dumps(value, ensure_ascii=False)
