"""Groups found among the profiles, as proposals for segments: a name, a description, a definition."""

from collections.abc import Sequence
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
"""So many items stand for a group; at eight, about nineteen of twenty members are the same (see the README)."""
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
    found: list[Group] = []
    for group in range(grouping.k):
        if progress is not None:
            progress("groups", group, grouping.k)
        rows = grouping.rows[grouping.labels == group]
        description = _described(rows, observed, snapshot)
        titles = [plain(str(people.items["title"][item])) for item in typical[group]]
        found.append(
            Group(
                name=_free_name(_words(description, titles), [each.name for each in found]),
                size=len(rows),
                share=round(len(rows) / people.size, 6),
                stability=grouping.stability[group],
                standing=standing(grouping.stability[group]),
                description=description,
                definition=definitions[group],
                overlap=overlaps[group],
            )
        )
    if progress is not None:
        progress("groups", grouping.k, grouping.k)
    return tuple(found)


def _definition(group: int, typical: list[list[int]], people: Population) -> NearestRule:
    sets = [tuple(cast("list[str]", people.items["id"].gather(rows).to_list())) for rows in typical]
    return NearestRule(nearest=sets[group], among=tuple(sets[:group] + sets[group + 1 :]))


def _overlaps(grouping: Grouping, definitions: Sequence[NearestRule], people: Population) -> list[float]:
    centres = [centre_of(definition.nearest, people) for definition in definitions]
    selected = assign(
        people.interests, grouping.rows, np.stack([each for each in centres if each is not None])
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


def _words(description: Description, titles: Sequence[str]) -> list[str]:
    """Words to make a name of, the most telling first."""
    return [plain(each.name) for each in description.categories] + list(titles) or [NAMELESS]


def _free_name(words: Sequence[str], taken: Sequence[str]) -> str:
    """Take the first word; where that is taken two together, and numbers at last."""
    pairs = [f"{words[0]} and {other}" for other in words[1:] if other != words[0]]
    numbered = [f"{words[0]} {number}" for number in range(2, len(taken) + 3)]
    names = [name for name in (words[0], *pairs, *numbered) if len(name) <= LONGEST_NAME]
    return next(name for name in names if name.casefold() not in {each.casefold() for each in taken})
