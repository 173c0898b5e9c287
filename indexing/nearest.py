"""Who likes, on the whole, what is nearer to some items than to any of several other sets of items."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from indexing.definition import NearestRule
from indexing.embedder import Vectors
from indexing.errors import DefinitionError
from indexing.population import Outcome, Population
from indexing.similarity import DECIMALS
from indexing.slices import Slice, for_slices

_TASTES_AT_ONCE = 262_144


def nearest_outcome(rule: NearestRule, people: Population) -> Outcome:
    """Compare how near what everyone likes is to the rule's items, and to the other sets.

    With c(S) the normalised mean of the vectors of the items of S, and the mean taken over the items with
    text that p likes, each once, p passes where

        margin_p = mean <v_i, c(nearest)> - max over S in among of mean <v_i, c(S)>  >=  0

    Profiles that like nothing do not pass. Items that the catalogue lacks, or that have no text, are left
    out, and sets of only such items. Raises `DefinitionError` when `nearest` is one of these.
    """
    centres = [centre_of(items, people) for items in (rule.nearest, *rule.among)]
    if centres[0] is None:
        shown = ", ".join(map(repr, rule.nearest[:3]))
        raise DefinitionError(f"nearest: no item of {shown} with a text is in the snapshot; name others")
    known = [centre for centre in centres if centre is not None]
    tastes, vectors = people.tastes, people.item_vectors
    near = np.stack([np.einsum("ij,j->i", vectors, centre, dtype=np.float64) for centre in known])
    with_text = np.any(vectors != 0, axis=1)
    margins = np.full(people.size, np.nan)

    def compare(part: Slice) -> None:
        offsets = np.asarray(tastes.offsets[part.profiles.start : part.profiles.stop + 1])
        owning = np.flatnonzero(np.diff(offsets))
        if not len(owning):
            return
        items, starts = tastes.items[part.rows], offsets[owning] - offsets[0]
        counts = np.add.reduceat(with_text[items].astype(np.int64), starts)
        best = np.full(len(owning), -np.inf)
        for others in near[1:]:
            np.maximum(best, np.add.reduceat(others[items], starts), out=best)
        own = np.add.reduceat(near[0][items], starts)
        ahead = np.where(np.isfinite(best), own - best, np.inf) / np.maximum(counts, 1)
        margins[part.profiles][owning] = np.where(counts > 0, np.minimum(ahead, 2.0), np.nan)

    for_slices(tastes.offsets, compare, rows_at_once=_TASTES_AT_ONCE)
    margins = np.round(margins, DECIMALS)
    return Outcome(margins >= 0, lambda: pl.Series("actual", margins))


def centre_of(item_ids: Sequence[str], people: Population) -> Vectors | None:
    """Average the vectors of the items that are here: float32[dim], a unit vector; none without any."""
    rows = np.flatnonzero(people.items["id"].is_in(list(item_ids)).to_numpy())
    total = np.asarray(people.item_vectors[rows]).sum(axis=0, dtype=np.float64)
    norm = float(np.linalg.norm(total))
    return (total / norm).astype(np.float32) if norm > 1e-6 else None
