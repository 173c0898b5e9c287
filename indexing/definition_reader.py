"""Reads an audience definition from JSON and says, with a path, what is wrong with it."""

import difflib
import re
from collections.abc import Iterable
from typing import Any, TypeGuard, cast, get_args

import msgspec

from indexing.definition import (
    MAX_NODES,
    MAX_NUMBER,
    RULES,
    Aggregate,
    AllOf,
    AnyOf,
    CompareOp,
    Definition,
    LikeRule,
    NotOf,
    Rule,
    SimilarRule,
    TraitOp,
    TraitRule,
)
from indexing.errors import DefinitionError

BRANCHES = ("all", "any", "not")
CHOICES: dict[str, dict[str, tuple[str, ...]]] = {
    "trait": {"op": get_args(TraitOp)},
    "event": {"op": get_args(CompareOp), "aggregate": get_args(Aggregate)},
}
"""Per kind of rule, the fields that take one of a few words."""
MAX_TEXT = 1000
MAX_CHOICES = 1000
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
"""What neither a database nor an encoder takes: NUL, and half of a surrogate pair."""


class Reader:
    """Reads one definition, counting its nodes; use a fresh one for each."""

    def __init__(self, *, max_depth: int) -> None:
        self._max_depth = max_depth
        self._nodes = 0

    def read(self, obj: object) -> Definition:
        """Return the definition, or raise `DefinitionError`."""
        return self._node(obj, "$", 1)

    def _node(self, obj: object, path: str, depth: int) -> Definition:
        if depth > self._max_depth:
            reached = depth + _depth_below(obj)
            raise DefinitionError(
                f"{_short(path)}: nested {reached} levels deep, at most {self._max_depth} are read; "
                'make the inner part a segment of its own and refer to it by {"segment": NAME}'
            )
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise DefinitionError(f"{path}: more than {MAX_NODES} nodes; split the definition into segments")
        node = _object(obj, path)
        key = _telling_key(node, path)
        if key in BRANCHES:
            return self._branch(key, node, path, depth)
        return _rule(key, node, path)

    def _branch(self, key: str, node: dict[str, object], path: str, depth: int) -> Definition:
        _only({key}, node, path)
        below = f"{path}.{key}"
        if key == "not":
            return NotOf(part=self._node(node[key], below, depth + 1))
        parts = node[key]
        if not isinstance(parts, list | tuple):
            raise DefinitionError(f"{below}: expected a list of definitions, got {_quote(parts)}")
        listed = enumerate(cast("list[object]", parts))
        read = tuple(self._node(part, f"{below}[{place}]", depth + 1) for place, part in listed)
        return AllOf(parts=read) if key == "all" else AnyOf(parts=read)


def _rule(key: str, node: dict[str, object], path: str) -> Rule:
    kind = RULES[key]
    _only(set(kind.__struct_fields__), node, path)
    for field, words in CHOICES.get(key, {}).items():
        if field in node and node[field] not in words:
            near, label = _near(node[field], words), "operator" if field == "op" else field
            raise DefinitionError(
                f"{path}.{field}: no {label} {_quote(node[field])}; known: {', '.join(words)}{near}"
            )
    try:
        rule = msgspec.convert(node, kind)
    except msgspec.ValidationError as error:
        raise DefinitionError(_explained(str(error), node, path)) from None
    _whole_texts(node, path)
    if isinstance(rule, LikeRule) and not rule.like.strip():
        raise DefinitionError(f"{path}.like: {_quote(rule.like)} says nothing; name what members like")
    if isinstance(rule, TraitRule):
        return _checked_trait(rule, path)
    if isinstance(rule, SimilarRule):
        seeds = rule.similar_to
        if (seeds.profiles is None) == (seeds.segment is None):
            raise DefinitionError(
                f"{path}.similar_to: give either `profiles` (a list of ids) or `segment` (a name)"
            )
    return rule


def _whole_texts(value: object, path: str) -> None:
    """Refuse a text that holds no text; call it with a rule that fitted its type, which bounds the depth."""
    if isinstance(value, str) and _NO_TEXT.search(value):
        raise DefinitionError(f"{path}: {_quote(value)} holds a NUL or half a character; leave that out")
    if _is_object(value):
        for name, inner in value.items():
            _whole_texts(inner, f"{path}.{name}")
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(cast("list[object]", value)):
            _whole_texts(inner, f"{path}[{place}]")


def _checked_trait(rule: TraitRule, path: str) -> TraitRule:
    """Refuse a value that its operator cannot compare."""
    value = rule.value
    if value is None and rule.op == "exists":
        return msgspec.structs.replace(rule, value=True)
    if value is None:
        raise DefinitionError(f"{path}.value: missing; {rule.op!r} compares the trait with a value")
    wanted = _wanted(rule)
    if wanted:
        given = list(value) if isinstance(value, tuple) else value
        raise DefinitionError(f"{path}.value: {rule.op!r} takes {wanted}, got {_quote(given)}")
    for single in value if isinstance(value, tuple) else (value,):
        if isinstance(single, str) and len(single) > MAX_TEXT:
            raise DefinitionError(f"{path}.value: a text of more than {MAX_TEXT} characters; shorten it")
        if isinstance(single, int | float) and not abs(single) <= MAX_NUMBER:
            raise DefinitionError(f"{path}.value: {_quote(single)} is no number within {MAX_NUMBER}")
    return rule


def _wanted(rule: TraitRule) -> str | None:
    value = rule.value
    match rule.op:
        case "in":
            fits = isinstance(value, tuple) and 1 <= len(value) <= MAX_CHOICES
            return None if fits else f"a list of 1 to {MAX_CHOICES} values"
        case "contains":
            return None if isinstance(value, str) and value else "a text"
        case "exists":
            return None if isinstance(value, bool) else "true or false"
        case "lt" | "le" | "gt" | "ge":
            fits = isinstance(value, str | float | int) and not isinstance(value, bool)
            return None if fits else "a number or a text"
        case _:
            return "one value (`in` takes a list)" if isinstance(value, tuple) else None


def _telling_key(node: dict[str, object], path: str) -> str:
    known = (*BRANCHES, *RULES)
    found = [key for key in known if key in node]
    if len(found) == 1:
        return found[0]
    if not found:
        near = next((hint for key in node if (hint := _near(key, known))), "")
        given = ", ".join(_quote(key) for key in list(node)[:5]) or "an empty object"
        raise DefinitionError(
            f"{path}: no kind of rule in {given}; one of these is needed: {', '.join(known)}{near}"
        )
    raise DefinitionError(
        f'{path}: {" and ".join(map(repr, found))} in one object; put them into a list under "all" or "any"'
    )


def _only(allowed: set[str], node: dict[str, object], path: str) -> None:
    for key in node:
        if key not in allowed:
            near = _near(key, allowed)
            raise DefinitionError(
                f"{path}: unknown key {_quote(key)}; allowed here: {', '.join(sorted(allowed))}{near}"
            )


def _near(given: object, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(given), list(known), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _explained(message: str, node: dict[str, object], path: str) -> str:
    """Turn msgspec's message into ours: our path, its expectation, the value that is there."""
    text, _, where = message.partition(" - at `$")
    where = where.rstrip("`")
    if text.startswith("Object contains unknown field"):
        return f"{path}{where}: unknown key {text.split('`')[1]!r}"
    value: Any = node
    for name, place in re.findall(r"\.([A-Za-z_]+)|\[(\d*)\]", where):
        try:
            value = value[name] if name else value[int(place)]
        except (KeyError, IndexError, TypeError, ValueError):
            break
    return (
        f"{path}{where}: {text[0].lower()}{text[1:].split(', got')[0].replace('`', '')}, got {_quote(value)}"
    )


def _object(obj: object, path: str) -> dict[str, object]:
    if not _is_object(obj):
        raise DefinitionError(
            f'{_short(path)}: expected an object such as {{"like": "tea"}}, got {_quote(obj)}'
        )
    return obj


def _is_object(obj: object) -> TypeGuard[dict[str, object]]:
    return isinstance(obj, dict)


def _depth_below(obj: object) -> int:
    """Count the levels under a node without recursion, so that a hostile depth costs nothing."""
    deepest, waiting = 0, [(obj, 0)]
    while waiting:
        current, depth = waiting.pop()
        deepest = max(deepest, depth)
        if not _is_object(current):
            continue
        for key in BRANCHES:
            below = current.get(key)
            parts = cast("list[object]", below) if isinstance(below, list) else [below]
            waiting.extend((part, depth + 1) for part in parts if part is not None)
    return deepest


def _quote(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _short(path: str) -> str:
    return path if len(path) <= 120 else f"{path[:117]}..."
