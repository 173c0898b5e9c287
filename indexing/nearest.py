"""Whose interests, taken together, are nearer to some items than to any of several other sets of items."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from indexing.clustering import group_vectors
from indexing.definition import NearestRule
from indexing.embedder import Vectors
from indexing.errors import DefinitionError
from indexing.population import Outcome, Population
from indexing.similarity import DECIMALS
from indexing.slices import Slice, for_slices

_INTERESTS_AT_ONCE = 65_536
_VECTORS_IN_CACHE = 1024


def nearest_outcome(rule: NearestRule, people: Population) -> Outcome:
    """Compare everyone's distance to the rule's items with that to the other sets.

    With v_p the profile's mean interest (`clustering.group_vectors`) and c(S) the normalised mean of the
    vectors of the items of S, p passes where

        margin_p = <v_p, c(nearest)> - max over S in among of <v_p, c(S)>  >=  0

    Profiles without interests do not pass. Items that the catalogue lacks, or that have no text, are left
    out, and sets of only such items. Raises `DefinitionError` when `nearest` is one of these.
    """
    centres = [centre_of(items, people) for items in (rule.nearest, *rule.among)]
    if centres[0] is None:
        shown = ", ".join(map(repr, rule.nearest[:3]))
        raise DefinitionError(f"nearest: no item of {shown} with a text is in the snapshot; name others")
    known = [centre for centre in centres if centre is not None]
    margins = np.full(people.size, np.nan, dtype=np.float32)
    interests = people.interests

    def compare(part: Slice) -> None:
        owning = np.flatnonzero(np.diff(interests.offsets[part.profiles.start : part.profiles.stop + 1]))
        for first in range(0, len(owning), _VECTORS_IN_CACHE):
            rows = owning[first : first + _VECTORS_IN_CACHE] + part.profiles.start
            vectors = group_vectors(interests, rows)
            near = [np.einsum("ij,j->i", vectors, centre) for centre in known]
            others = np.max(near[1:], axis=0) if len(near) > 1 else np.full(len(rows), -1, np.float32)
            margins[rows] = np.round(near[0] - others, DECIMALS)

    for_slices(interests.offsets, compare, rows_at_once=_INTERESTS_AT_ONCE)
    return Outcome(margins >= 0, lambda: pl.Series("actual", margins))


def centre_of(item_ids: Sequence[str], people: Population) -> Vectors | None:
    """Average the vectors of the items that are here: float32[dim], a unit vector; none without any."""
    rows = np.flatnonzero(people.items["id"].is_in(list(item_ids)).to_numpy())
    total = np.asarray(people.item_vectors[rows]).sum(axis=0, dtype=np.float64)
    norm = float(np.linalg.norm(total))
    return (total / norm).astype(np.float32) if norm > 1e-6 else None
