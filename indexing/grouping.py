"""One chunk of profiles' items grouped into interests; `indexing.profiles` says what an interest is.

Which interest an item joins is decided with short sketches of the vectors, the interests themselves are
made of the whole vectors: the decisions need seven dot products per item, each of which would otherwise
cost as much as adding the item to its interest.
"""

from __future__ import annotations

from collections.abc import Generator
from importlib import import_module
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from indexing.embedder import Vectors
from indexing.ordering import FALLING_BITS, Ints, bits_for, falling_bits, ranges, run_starts, stable_order

_faiss: Any = import_module("faiss")
_sparse: Any = import_module("scipy.sparse")

Floats = npt.NDArray[np.float32]

SKETCH_DIMENSIONS = 64
BLOCK_ROWS = 2_048

_SAMPLED_ROWS = 4_096
_SMALLEST_NORM = 1e-6


class ItemTable(msgspec.Struct, frozen=True):
    """Item vectors with what decisions are made of."""

    vectors: Vectors
    """float32[n_items, dim], unit rows or zero."""
    sketches: Vectors
    """float32[n_items, d], d at most `SKETCH_DIMENSIONS`."""
    residuals: Floats
    """float32[n_items]: 1 - |sketch|²."""
    present: npt.NDArray[np.bool_]
    """bool[n_items]: whether there is a vector."""

    @staticmethod
    def of(vectors: Vectors, basis: Vectors | None = None) -> ItemTable:
        """Sketch `vectors` by `basis`, by default their own."""
        vectors = np.ascontiguousarray(vectors, np.float32)
        basis = sketch_basis(vectors) if basis is None else basis
        sketches = np.ascontiguousarray(vectors @ basis, np.float32)
        residuals = 1 - np.einsum("nd,nd->n", sketches, sketches)
        return ItemTable(vectors, sketches, residuals, np.any(vectors != 0, axis=1))


def sketch_basis(vectors: Vectors) -> Vectors:
    """Find the principal directions of a catalogue: float32[dim, d], orthonormal columns.

    The d first eigenvectors of V'V keep dot products with the least squared error of all projections
    (Eckart, Young, "The approximation of one matrix by another of lower rank", Psychometrika 1936). At
    most 4,096 rows, evenly spread, are looked at. Vectors that are short already stay as they are.
    """
    dim = vectors.shape[1]
    if dim <= SKETCH_DIMENSIONS:
        return np.eye(dim, dtype=np.float32)
    sample = vectors[:: max(-(-len(vectors) // _SAMPLED_ROWS), 1)]
    _, directions = np.linalg.eigh((sample.T @ sample).astype(np.float64))
    return np.ascontiguousarray(directions[:, -SKETCH_DIMENSIONS:], np.float32)


class Groups(msgspec.Struct, frozen=True):
    """A chunk's interests, before their vectors are added up."""

    counts: Ints
    """int64[n_profiles]: interests."""
    weights: Floats
    """float32[m]; those of one profile sum to 1, largest first."""
    items: npt.NDArray[np.int32]
    """int32[n]: by interest, strongest first."""
    tastes: Floats
    """float32[n]: how much each item counts."""
    starts: Ints
    """int64[m + 1]: interest k is made of items starts[k]:starts[k + 1]."""

    def blocks(self, vectors: Vectors) -> Generator[Vectors]:
        """Add up the interests: unit rows, float32[n, dim], a block that fits a cache at a time."""
        for first in range(0, len(self.weights), BLOCK_ROWS):
            bounds = self.starts[first : first + BLOCK_ROWS + 1]
            part = slice(int(bounds[0]), int(bounds[-1]))
            yield _unit_means(self.items[part], self.tastes[part], bounds - bounds[0], vectors)


class _Chunk(msgspec.Struct, frozen=True):
    """Entries of profiles that have any: strongest first within a profile."""

    counts: Ints
    starts: Ints
    owners: Ints
    items: Ints
    weights: Floats

    @staticmethod
    def of(counts: Ints, items: Ints, weights: Floats) -> _Chunk:
        starts = np.cumsum(counts) - counts
        return _Chunk(counts, starts, np.repeat(np.arange(len(counts)), counts), items, weights)


def group_items(
    counts: Ints,
    items: npt.NDArray[np.int32],
    weights: Floats,
    table: ItemTable,
    *,
    max_interests: int,
    similarity: float,
) -> Groups:
    """Group a chunk: `counts` int64[n_profiles], `items` int32[n] and `weights` float32[n] by profile."""
    people = np.flatnonzero(counts)
    chunk = _Chunk.of(counts[people], items.astype(np.int64), weights)
    chosen = _join_leaders(chunk, table, max_interests, similarity)
    groups = np.maximum.reduceat(chosen, chunk.starts) + 1 if len(people) else people
    undecided = np.flatnonzero((groups > 1) & (groups < chunk.counts))  # an item alone is its group's mean
    if len(undecided):
        members = ranges(chunk.starts[undecided], chunk.counts[undecided])
        part = _Chunk.of(chunk.counts[undecided], chunk.items[members], chunk.weights[members])
        chosen[members] = _join_centres(part, table, chosen[members], max_interests)
    return _finish(chunk, chosen, people, len(counts), max_interests)


def _join_leaders(chunk: _Chunk, table: ItemTable, max_interests: int, similarity: float) -> Ints:
    """Choose for each entry the number (0-based) of its profile's leader it is closest to: int64[n]."""
    leading = np.repeat(chunk.items[chunk.starts], chunk.counts)
    closest = _dots(table.sketches, chunk.items, table.sketches, leading)
    closest[chunk.starts] = np.inf
    chosen = np.zeros(len(chunk.items), np.int64)
    for number in range(1, max_interests):
        free = np.flatnonzero(closest < similarity)
        if not len(free):
            break
        firsts = run_starts(chunk.owners[free])
        leads = free[firsts]
        led = chunk.owners[leads]
        members = ranges(chunk.starts[led], chunk.counts[led])
        leading = np.repeat(chunk.items[leads], chunk.counts[led])
        near = _dots(table.sketches, chunk.items[members], table.sketches, leading)
        before = closest[members]
        nearer = near > before
        moved = members[nearer]
        closest[moved] = near[nearer]
        chosen[moved] = number
        closest[leads] = np.inf
        chosen[leads] = number
    return chosen


def _join_centres(chunk: _Chunk, table: ItemTable, chosen: Ints, max_interests: int) -> Ints:
    """Choose for each entry the number of its profile's group whose mean it is closest to: int64[n]."""
    labels, order = _by_label(chunk, chosen, max_interests)
    firsts = run_starts(labels)
    items, weights = chunk.items[order], chunk.weights[order]
    sums = _sum_rows(items, weights, np.append(firsts, len(items)), table.sketches)
    norms = _norms(sums, items, weights, firsts, table.residuals)
    centres = sums / norms[:, None]
    own = np.empty(len(items), np.float32)
    spread = np.repeat(norms, np.diff(firsts, append=len(items)))
    own[order] = weights * table.residuals[items] / spread
    owners = labels[firsts] // max_interests
    groups = np.bincount(owners, minlength=len(chunk.counts))
    rows = np.cumsum(groups) - groups
    numbers = labels[firsts] % max_interests
    closest = np.full(len(items), -np.inf, np.float32)
    best = chosen.copy()
    for place in range(max_interests):
        led = np.flatnonzero(groups > place)
        if not len(led):
            break
        members = ranges(chunk.starts[led], chunk.counts[led])
        row = np.repeat(rows[led] + place, chunk.counts[led])
        near = _dots(table.sketches, chunk.items[members], centres, row)
        number = numbers[row]
        near += own[members] * (chosen[members] == number)
        nearer = near > closest[members]
        moved = members[nearer]
        closest[moved] = near[nearer]
        best[moved] = number[nearer]
    return best


def _finish(chunk: _Chunk, chosen: Ints, people: Ints, n_profiles: int, max_interests: int) -> Groups:
    """Make the interests: largest first within a profile, ties by number."""
    labels, order = _by_label(chunk, chosen, max_interests)
    firsts = run_starts(labels)
    lengths = np.diff(firsts, append=len(labels))
    totals = _sums(chunk.weights[order], firsts).astype(np.float32)
    owners = labels[firsts] // max_interests
    keys = (owners << FALLING_BITS) | falling_bits(totals)
    _, ranked = stable_order(keys, bits_for(len(people)) + FALLING_BITS)
    owners, totals, lengths = owners[ranked], totals[ranked], lengths[ranked]
    order = order[ranges(firsts[ranked], lengths)]
    whole = np.bincount(owners, weights=totals, minlength=len(people))
    counts = np.zeros(n_profiles, np.int64)
    counts[people] = np.bincount(owners, minlength=len(people))
    return Groups(
        counts=counts,
        weights=(totals / whole[owners]).astype(np.float32),
        items=chunk.items[order].astype(np.int32),
        tastes=chunk.weights[order],
        starts=np.concatenate(([0], np.cumsum(lengths))),
    )


def _unit_means(items: npt.NDArray[np.integer], weights: Floats, bounds: Ints, vectors: Vectors) -> Vectors:
    sums = _sum_rows(items, weights, bounds, vectors)
    norms = np.empty(len(sums), np.float32)
    _faiss.fvec_norms_L2(_pointer(norms), _pointer(sums), sums.shape[1], len(sums))
    cancelled = norms < _SMALLEST_NORM * weights[bounds[:-1]]  # opposite items: the strongest stands for all
    if cancelled.any():
        sums[cancelled] = vectors[items[bounds[:-1][cancelled]]]
        norms[cancelled] = np.linalg.norm(sums[cancelled], axis=1)
    sums *= (1 / norms)[:, None]
    return sums


def _by_label(chunk: _Chunk, chosen: Ints, max_interests: int) -> tuple[Ints, Ints]:
    bits = bits_for(max(len(chunk.counts), 1) * max_interests)
    return stable_order(chunk.owners * max_interests + chosen, bits)


def _dots(left: Vectors, left_rows: Ints, right: Vectors, right_rows: Ints) -> Floats:
    """left[left_rows[k]] . right[right_rows[k]] for each k, without copying the rows: float32[n]."""
    out = np.empty(len(left_rows), np.float32)
    if len(out):
        pointers = (_pointer(array) for array in (left, left_rows, right, right_rows, out))
        _faiss.pairwise_indexed_inner_product(left.shape[1], len(out), *pointers)
    return out


def _pointer(array: npt.NDArray[Any]) -> Any:
    return _faiss.swig_ptr(array)


def _sum_rows(items: npt.NDArray[np.integer], weights: Floats, bounds: Ints, rows: Vectors) -> Vectors:
    """Sum weight * rows[item] over each group: float32[m, d]."""
    entries = (weights, items.astype(np.int32, copy=False), bounds.astype(np.int32))
    return _sparse.csr_matrix(entries, shape=(len(bounds) - 1, len(rows)), copy=False) @ rows


def _sums(values: npt.NDArray[np.floating], firsts: Ints) -> npt.NDArray[np.float64]:
    return np.add.reduceat(values.astype(np.float64), firsts) if len(firsts) else np.zeros(0)


def _norms(sums: Vectors, items: Ints, weights: Floats, firsts: Ints, residuals: Floats) -> Floats:
    """Estimate the whole sums' norms from the sketched: what a sketch lacks of v.v is known exactly."""
    squares = np.einsum("nd,nd->n", sums, sums) + _sums(weights * weights * residuals[items], firsts)
    totals = _sums(weights, firsts)
    return np.sqrt(np.maximum(squares, (_SMALLEST_NORM * totals) ** 2)).astype(np.float32)
