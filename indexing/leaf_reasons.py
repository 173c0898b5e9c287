"""Why one profile matches a definition or does not, leaf by leaf, in words with its actual values."""

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import polars as pl

from indexing.definition import (
    AffinityRule,
    AllOf,
    AnyOf,
    Definition,
    EventRule,
    LikeRule,
    NearestRule,
    NotOf,
    Rule,
    SegmentRule,
    SimilarRule,
    TraitRule,
    to_json,
)
from indexing.embedder import Vectors
from indexing.evaluation import Evaluation, least_similarity
from indexing.population import Population
from indexing.similarity import item_similarity

OPERATORS = {
    "eq": "exactly",
    "ne": "other than",
    "lt": "less than",
    "le": "at most",
    "gt": "more than",
    "ge": "at least",
    "in": "one of",
    "contains": "to contain",
}


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One leaf of a definition, seen from one profile."""

    path: str
    """JSON path of the leaf in the definition."""
    rule: dict[str, Any]
    matched: bool
    """Whether the leaf itself holds; under a `not` that speaks against membership."""
    negated: bool
    """Whether an odd number of `not` stands above it."""
    words: str
    """With the profile's actual value, e.g. `purchase events in the last 90 days: 4, needs at least 2`."""
    score: float | None = None
    reasons: "tuple[Reason, ...]" = ()
    """The leaves of the other segment, for the first `segment` rule that names it."""


def reasons(
    seen: Evaluation,
    definition: Definition,
    path: str = "$",
    negated: bool = False,
    opened: set[str] | None = None,
) -> Iterator[Reason]:
    """Yield a reason for every leaf, for the first profile of an evaluation.

    The leaves of another segment are given where it is first referred to: segments that refer twice to one
    that refers twice to one, and so on, would have more leaves than can be written down.
    """
    opened = set() if opened is None else opened
    match definition:
        case AllOf(parts=parts) | AnyOf(parts=parts):
            key = "all" if isinstance(definition, AllOf) else "any"
            for place, part in enumerate(parts):
                yield from reasons(seen, part, f"{path}.{key}[{place}]", negated, opened)
        case NotOf(part=part):
            yield from reasons(seen, part, f"{path}.not", not negated, opened)
        case _:
            yield _reason(seen, definition, path, negated, opened)


def _reason(seen: Evaluation, rule: Rule, path: str, negated: bool, opened: set[str]) -> Reason:
    outcome = seen.outcome(rule)
    actual, matched = outcome.actual[0], bool(outcome.passed[0])
    score, inner = None, ()
    match rule:
        case TraitRule():
            words = _trait_words(rule, actual)
        case EventRule():
            words = _event_words(rule, actual)
        case AffinityRule():
            share = "none" if actual is None else f"{actual:.0%}"
            window, least = _window(rule.within_days), f"{rule.at_least:.0%}"
            words = f"share of {rule.affinity}{window}: {share}, needs at least {least}"
        case LikeRule():
            score, words = _score(actual), _like_words(seen, rule, _score(actual))
        case SimilarRule():
            score, words = _score(actual), _similar_words(seen, rule, _score(actual))
        case NearestRule():
            words = _nearest_words(rule, seen.people, _score(actual))
        case SegmentRule(segment=name):
            if name not in opened:
                opened.add(name)
                inner = tuple(reasons(seen, seen.segments[name], opened=opened))
            words = f"{'' if matched else 'not '}in segment {name!r}"
    return Reason(
        path=path,
        rule=to_json(rule),
        matched=matched,
        negated=negated,
        words=words,
        score=score,
        reasons=inner,
    )


def _trait_words(rule: TraitRule, actual: str | None) -> str:
    is_now = f"{rule.trait} is {'missing' if actual is None else actual}"
    if rule.op == "exists":
        return f"{is_now}, needs {'a value' if rule.value else 'none'}"
    value = rule.value
    wanted = ", ".join(map(_plain, value)) if isinstance(value, tuple) else _plain(value)
    return f"{is_now}, needs {OPERATORS[rule.op]} {wanted}"


def _event_words(rule: EventRule, actual: float | None) -> str:
    what = "events" if rule.event == "*" else f"{rule.event} events"
    what += f" of item {rule.item!r}" if rule.item is not None else ""
    what += f" in {rule.category}" if rule.category is not None else ""
    what += _window(rule.within_days)
    subject = {"count": what, "value": f"value of {what}", "recency_days": f"days since the newest of {what}"}
    have = (
        "never"
        if actual is None
        else f"{actual:,.10g}"
        if rule.aggregate != "recency_days"
        else f"{actual:,.1f}"
    )
    return f"{subject[rule.aggregate]}: {have}, needs {OPERATORS[rule.op]} {rule.value:,g}"


def _nearest_words(rule: NearestRule, people: Population, margin: float | None) -> str:
    titles: list[str] = people.items.filter(pl.col("id").is_in(list(rule.nearest)))["title"].to_list()
    what = " and ".join(f'"{title}"' for title in titles[:2])
    if margin is None:
        return f"tastes nearest to {what}: no items known yet"
    side = "nearer" if margin >= 0 else "less near"
    return (
        f"tastes nearest to {what}: {side} by {abs(margin):.2f} than to the next of {len(rule.among)} others"
    )


def _like_words(seen: Evaluation, rule: LikeRule, score: float | None) -> str:
    if score is None:
        return f'like "{rule.like}": no items known yet'
    needs = (
        [f"needs at least {least_similarity(rule):.2f}"] if rule.top is None or rule.min_similarity else []
    )
    needs += _place_words(seen, rule, rule.top)
    nearest = nearest_item(seen.people, seen.query(rule.like))
    near = f', nearest item "{nearest}"' if nearest else ""
    return f'like "{rule.like}": similarity {score:.2f}{near}; {" and ".join(needs)}'


def _similar_words(seen: Evaluation, rule: SimilarRule, score: float | None) -> str:
    seeds = seen.seeds(rule).ids
    if rule.similar_to.segment is not None:
        named = f"segment {rule.similar_to.segment!r}"
    else:
        named = f"{len(seeds)} seed profile{'s' if len(seeds) > 1 else ''}"
    if str(seen.people.ids[0]) in seeds:
        return f"similar to {named}: is one of the seeds, which are left out"
    if score is None:
        return f"similar to {named}: no interests known yet"
    return f"similar to {named}: similarity {score:.2f}; {' and '.join(_place_words(seen, rule, rule.top))}"


def _place_words(seen: Evaluation, rule: Rule, top: int | None) -> list[str]:
    if top is None:
        return []
    cutoff = seen.cutoff(rule)
    begin = "" if cutoff is None else f", who begin at {cutoff.score:.2f}"
    return [f"needs to be among the top {top:,}{begin}"]


def nearest_item(person: Population, query: Vectors) -> str | None:
    """Return the title of the liked item that is most like `query`, float32[dim], for a population of one."""
    rows = np.unique(person.tastes.items).astype(np.int64)
    if not len(rows):
        return None
    near = item_similarity(person.item_vectors, rows, query)
    return str(person.items["title"][int(np.argmax(near))])


def _score(actual: float | None) -> float | None:
    return None if actual is None or np.isnan(actual) else round(float(actual), 5)


def _window(within_days: int | None) -> str:
    return "" if within_days is None else f" in the last {within_days:,} day{'s' if within_days > 1 else ''}"


def _plain(value: object) -> str:
    return (
        str(value).lower()
        if isinstance(value, bool)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
