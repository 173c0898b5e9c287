"""Traits compared with values of a kind they never have: `age > "blue"` would match nobody in silence."""

from collections.abc import Iterator, Mapping
from typing import Literal

from indexing.definition import Definition, Scalar, TraitRule, reachable
from indexing.population import Population, SnapshotColumns

Kind = Literal["number", "text", "flag"]

_PLURAL: dict[str, str] = {"number": "numbers", "text": "texts", "flag": "true and false"}


def kind_of(value: Scalar) -> Kind:
    """Name the kind of a value: numbers compare with numbers, texts with texts, truth with truth."""
    return "flag" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"


def mismatched_values(
    definition: Definition,
    snapshot: SnapshotColumns,
    segments: Mapping[str, Definition] | None = None,
) -> tuple[str, ...]:
    """Say in a sentence each which comparisons cannot hold, of the definition and those it refers to.

    A trait may change its kind with the next snapshot, so this is a warning and no error.
    """
    return tuple(dict.fromkeys(_sentences(definition, snapshot, segments or {})))


def _sentences(
    definition: Definition, snapshot: SnapshotColumns, segments: Mapping[str, Definition]
) -> Iterator[str]:
    people = Population.of(snapshot)
    for node in reachable(definition, segments):
        if not isinstance(node, TraitRule) or node.value is None or node.op == "exists":
            continue
        rows = people.trait_rows(node.trait)
        held = [kind for kind in _PLURAL if rows[kind].null_count() < rows.height]
        values = node.value if isinstance(node.value, tuple) else (node.value,)
        if held and not any(kind_of(value) in held for value in values):
            whom = "everybody" if node.op == "ne" else "nobody"
            yield (
                f"trait {node.trait!r} holds {' and '.join(_PLURAL[kind] for kind in held)}, and is compared "
                f"with {values[0]!r}: that matches {whom}"
            )
