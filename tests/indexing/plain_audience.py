"""The same definitions evaluated by plain Python loops: the oracle of the property test."""

import math
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np

from indexing.definition import (
    AffinityRule,
    AllOf,
    AnyOf,
    Definition,
    EventRule,
    LikeRule,
    NearestRule,
    NotOf,
    SegmentRule,
    SimilarRule,
    TraitRule,
)
from indexing.similarity import DEFAULT_SIMILARITY, group_similarity, seed_prototypes
from tests.indexing.people import AS_OF, WEIGHTS, Columns, corner


def plain_members(definition: Definition, world: Columns, segments: dict[str, Definition]) -> set[int]:
    """Rows of the profiles a definition selects."""
    everyone = set(range(world.profiles.height))
    match definition:
        case AllOf(parts=parts):
            return everyone.intersection(*(plain_members(part, world, segments) for part in parts))
        case AnyOf(parts=parts):
            return set().union(*(plain_members(part, world, segments) for part in parts))
        case NotOf(part=part):
            return everyone - plain_members(part, world, segments)
        case SegmentRule(segment=name):
            return plain_members(segments[name], world, segments)
        case LikeRule():
            return _like(definition, world)
        case SimilarRule():
            return _similar(definition, world, segments)
        case NearestRule():
            return _nearest(definition, world)
        case TraitRule():
            traits = [msgspec.json.decode(text) for text in world.profiles["traits"]]
            return {row for row in everyone if _trait_holds(definition, traits[row].get(definition.trait))}
        case EventRule() | AffinityRule():
            events = world.events.to_dicts()
            test: Any = _event_holds if isinstance(definition, EventRule) else _affinity_holds
            return {
                row for row in everyone if test(definition, [e for e in events if e["profile"] == row], world)
            }


def _kind(value: object) -> str:
    return "flag" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"


def _trait_holds(rule: TraitRule, actual: Any) -> bool:
    wanted: Any = rule.value
    if rule.op == "exists":
        return (actual is not None) == wanted
    if actual is None:
        return rule.op == "ne"
    if rule.op == "in":
        return any(_kind(actual) == _kind(choice) and actual == choice for choice in wanted)
    if rule.op == "contains":
        return isinstance(actual, str) and wanted.lower() in actual.lower()
    if _kind(actual) != _kind(wanted):
        return rule.op == "ne"
    return _ordered(actual, rule.op, wanted)


def _ordered(left: Any, op: str, right: Any) -> bool:
    return {
        "eq": left == right,
        "ne": left != right,
        "lt": left < right,
        "le": left <= right,
        "gt": left > right,
        "ge": left >= right,
    }[op]


def _in_window(event: dict[str, Any], within_days: int | None) -> bool:
    if event["time"] > AS_OF:
        return False
    return within_days is None or event["time"] >= AS_OF - timedelta(days=within_days)


def _category(event: dict[str, Any], world: Columns) -> str | None:
    return None if event["item"] is None else world.items["category"][event["item"]]


def _event_holds(rule: EventRule, events: list[dict[str, Any]], world: Columns) -> bool:
    matching = [
        event
        for event in events
        if _in_window(event, rule.within_days)
        and rule.event in ("*", event["type"])
        and (
            rule.item is None or (event["item"] is not None and world.items["id"][event["item"]] == rule.item)
        )
        and (rule.category is None or _category(event, world) == rule.category)
    ]
    if rule.aggregate == "recency_days":
        if not matching:
            return rule.op == "ne"
        age = AS_OF - max(event["time"] for event in matching)
        return _ordered(round(age / timedelta(days=1), 6), rule.op, rule.value)
    if rule.aggregate == "count":
        return _ordered(len(matching), rule.op, rule.value)
    values = [event["value"] for event in matching if event["value"] is not None]
    return _ordered(round(sum(v for v in values if not math.isnan(v)), 6), rule.op, rule.value)


def _affinity_holds(rule: AffinityRule, events: list[dict[str, Any]], world: Columns) -> bool:
    total = inside = 0.0
    for event in events:
        weight = WEIGHTS.get(event["type"], 0.0)
        if event["item"] is None or weight <= 0 or not _in_window(event, rule.within_days):
            continue
        total += weight
        inside += weight * (_category(event, world) == rule.affinity)
    return total > 0 and round(inside / total, 6) >= rule.at_least


def _best(scores: dict[int, float], top: int | None) -> set[int]:
    ranked = sorted(scores, key=lambda row: (-scores[row], row))
    return set(ranked[:top])


def _like(rule: LikeRule, world: Columns) -> set[int]:
    query = corner(rule.like)
    scores: dict[int, float] = {}
    for row in range(world.profiles.height):
        first, last = world.tastes.offsets[row : row + 2]
        vectors = [world.item_vectors[item] for item in world.tastes.items[first:last]]
        near = sorted((float(np.dot(vector, query)) for vector in vectors if vector.any()), reverse=True)[:3]
        if near:
            scores[row] = round(sum(near) / len(near), 5)
    least = rule.min_similarity
    if least is None:
        least = DEFAULT_SIMILARITY if rule.top is None else -1.0
    return _best({row: score for row, score in scores.items() if score >= least}, rule.top)


def _similar(rule: SimilarRule, world: Columns, segments: dict[str, Definition]) -> set[int]:
    if rule.similar_to.segment is not None:
        seeds = plain_members(segments[rule.similar_to.segment], world, segments)
    else:
        seeds = {row for row, name in enumerate(world.profiles["id"]) if name in rule.similar_to.profiles}
    prototypes, shares = seed_prototypes(world.interests, np.array(sorted(seeds), dtype=np.int64))
    scores = group_similarity(world.interests, prototypes, shares)
    known = {
        row: float(score) for row, score in enumerate(scores) if not math.isnan(score) and row not in seeds
    }
    return _best(known, rule.top)


def _nearest(rule: NearestRule, world: Columns) -> set[int]:
    centres: list[Any] = []
    for ids in (rule.nearest, *rule.among):
        vectors = [world.item_vectors[row] for row, item in enumerate(world.items["id"]) if item in ids]
        total = np.sum([*vectors, np.zeros(world.item_vectors.shape[1])], axis=0)
        if np.linalg.norm(total) > 1e-6:
            centres.append(total / np.linalg.norm(total))
    chosen: set[int] = set()
    for row in range(world.profiles.height):
        first, last = world.tastes.offsets[row : row + 2]
        liked = [v for item in world.tastes.items[first:last] if (v := world.item_vectors[item]).any()]
        near = [float(np.mean([np.dot(v, centre) for v in liked])) for centre in centres] if liked else []
        if near and near[0] - max(near[1:], default=-1.0) >= -5e-6:
            chosen.add(row)
    return chosen
