"""Groups found among the profiles, as proposals for segments: a name, a description, a definition."""

from collections.abc import Collection, Sequence
from typing import Literal, cast

import msgspec
import numpy as np
import numpy.typing as npt

from indexing.audience import Members
from indexing.clustering import Grouping, assign
from indexing.definition import NearestRule
from indexing.describe import Description, describe_observed
from indexing.embedder import Vectors
from indexing.errors import GroupingError
from indexing.nearest import centre_of
from indexing.observed import Observed, observe
from indexing.population import Population, SnapshotColumns
from indexing.sentences import plain
from indexing.stability import PATTERN, STABLE, Progress

TYPICAL = 8
"""So many items stand for a group; more bring the definition's members nearer to the group's, and length."""
LONGEST_NAME = 60
NAMELESS = "mixed interests"

Standing = Literal["stable", "pattern", "doubtful"]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """One group of profiles, ready to become a segment."""

    name: str
    """A few words from its categories, or its most typical item; no two groups share one."""
    size: int
    share: float
    """Of everyone."""
    stability: float
    """Mean Jaccard with the group most like it among groups of other draws of the profiles."""
    standing: Standing
    """`stable` from .75 on, `pattern` from .6 on: a group whose edges are unsure."""
    description: Description
    definition: NearestRule
    """Selects nearly the same profiles: those nearer to this group's most typical items than to others'."""
    overlap: float
    """Jaccard of the definition's members with the group's."""


def propose(
    grouping: Grouping, snapshot: SnapshotColumns, *, progress: Progress | None = None
) -> tuple[Group, ...]:
    """Name, describe and define every group, the largest first.

    Raises `GroupingError` when no item has a text, so that nothing can stand for a group.
    """
    people = Population.of(snapshot)
    observed = observe(people)
    typical = typical_items(people, grouping.centres)
    definitions = [_definition(group, typical, people) for group in range(grouping.k)]
    overlaps = _overlaps(grouping, definitions, people)
    descriptions: list[Description] = []
    for group in range(grouping.k):
        if progress is not None:
            progress("groups", group, grouping.k)
        descriptions.append(_described(grouping.rows[grouping.labels == group], observed, snapshot))
    if progress is not None:
        progress("groups", grouping.k, grouping.k)
    names = _names(descriptions, [str(people.items["title"][items[0]]) for items in typical])
    return tuple(
        Group(
            name=name,
            size=description.size,
            share=description.share,
            stability=stability,
            standing=standing(stability),
            description=description,
            definition=definition,
            overlap=overlap,
        )
        for name, description, stability, definition, overlap in zip(
            names, descriptions, grouping.stability, definitions, overlaps, strict=True
        )
    )


def _definition(group: int, typical: list[list[int]], people: Population) -> NearestRule:
    sets = [tuple(cast("list[str]", people.items["id"].gather(rows).to_list())) for rows in typical]
    return NearestRule(nearest=sets[group], among=tuple(sets[:group] + sets[group + 1 :]))


def _overlaps(grouping: Grouping, definitions: Sequence[NearestRule], people: Population) -> list[float]:
    centres = [centre_of(definition.nearest, people) for definition in definitions]
    selected = assign(
        people.tastes,
        people.item_vectors,
        grouping.rows,
        np.stack([each for each in centres if each is not None]),
    )
    same = np.bincount(grouping.labels[selected == grouping.labels], minlength=grouping.k)
    either = np.bincount(selected, minlength=grouping.k) + np.bincount(grouping.labels) - same
    return np.round(same / either, 4).tolist()


def standing(stability: float) -> Standing:
    """Put a group's stability in a word, as Hennig reads it."""
    return "stable" if stability >= STABLE else "pattern" if stability >= PATTERN else "doubtful"


def typical_items(people: Population, centres: Vectors) -> list[list[int]]:
    """Choose items whose mean is nearest to each centre, greedily: rows, the most telling first.

    Starting from nothing, again and again the item is put to the set that brings the normalised sum of its
    vectors closest to the centre: matching pursuit with equal weights, since a definition has room for ids
    and not for numbers. Raises `GroupingError` without any item with text.
    """
    vectors = np.asarray(people.item_vectors)
    with_text = np.flatnonzero(np.any(vectors != 0, axis=1))
    if not len(with_text):
        raise GroupingError("no item has a text: groups cannot be told apart by items; give items titles")
    vectors = vectors[with_text]
    return [with_text[_pursue(vectors, centre)].tolist() for centre in centres]


def _pursue(vectors: Vectors, centre: Vectors) -> list[int]:
    near = vectors @ centre
    total = np.zeros_like(centre)
    chosen: list[int] = []
    for _ in range(min(TYPICAL, len(vectors))):
        lengths = np.sqrt(np.maximum(1 + 2 * (vectors @ total) + total @ total, 1e-12))
        closeness = (near + total @ centre) / lengths
        closeness[chosen] = -np.inf
        chosen.append(int(np.argmax(closeness)))
        total = total + vectors[chosen[-1]]
    return chosen


def _described(rows: npt.NDArray[np.int64], observed: Observed, snapshot: SnapshotColumns) -> Description:
    members = Members(
        rows=rows.astype(np.uint32),
        scores=None,
        population=observed.people.size,
        as_of=snapshot.manifest.as_of,
        snapshot_version=snapshot.manifest.version,
    )
    return describe_observed(members, observed)


def _names(descriptions: Sequence[Description], typical: Sequence[str]) -> list[str]:
    """Name groups by their strongest category, with the item that is most theirs where several share one.

    `typical` are titles of the items nearest to the groups' centres, for groups that nothing else sets apart.
    Where even that is the same for two, a number tells them apart.
    """
    kinds = [plain(each.categories[0].name) if each.categories else "" for each in descriptions]
    names: list[str] = []
    for kind, description, title in zip(kinds, descriptions, typical, strict=True):
        item = plain(description.items[0].name if description.items else title)
        name = kind if kind and kinds.count(kind) == 1 else f"{kind}: {item}" if kind else item
        names.append(free_name(shorten(name or NAMELESS), names))
    return names


def shorten(name: str) -> str:
    """Cut a name that is too long."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 3].rstrip()}..."


def free_name(name: str, taken: Collection[str]) -> str:
    """Put a number to a name that is taken, whatever its case."""
    known = {each.casefold() for each in taken}
    numbered = (f"{name} {number}" for number in range(2, len(known) + 3))
    return next(each for each in (name, *numbered) if each.casefold() not in known)
