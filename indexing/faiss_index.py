"""FAISS behind the `VectorIndex` port: build by count and memory budget, update, open.

Douze et al., "The Faiss library" (2024), arXiv:2401.08281.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import msgspec
import numpy as np

from indexing.embedder import Vectors
from indexing.errors import SnapshotCorrupt, VectorError
from indexing.exact_index import StoredVectors, check_rows, check_vectors
from indexing.faiss_files import read_index
from indexing.flat_index import FlatIndex
from indexing.index import IndexInfo, Rows
from indexing.index_plan import DEFAULT_MEMORY_BYTES, IndexKind, plan_index
from indexing.index_tuning import sample_queries, tune
from indexing.inverted_lists import (
    Fill,
    clear_tails,
    fill_lists,
    opened_lists,
    train_lists,
    written_lists,
)
from indexing.ranked_index import RankedIndex, Width

_faiss: Any = faiss

FaissIndex = FlatIndex | RankedIndex

_DRIFT = 2.0
"""An index that grew or shrank by more than this factor since its quantiser was trained is trained anew."""
_UNTUNED = Width(probes=64, reranked=200)


def build_faiss(
    vectors: Vectors,
    rows: Rows | None = None,
    *,
    queries: Vectors | None = None,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    kind: IndexKind | None = None,
    seed: int = 0,
    fill: Fill = fill_lists,
) -> FaissIndex:
    """Index unit `vectors` float32[n, dim] under `rows` int64[n] (default 0..n-1), by size or as told.

    `queries` float32[m, dim]: what will be asked, to tune for; the vectors themselves where none are given.
    An approximate index keeps reading `vectors`; `fill` puts them into its lists. Raises `VectorError` for
    NaN, a zero vector, rows that are not distinct and ascending, and `BudgetError` for a memory budget that
    holds no index of so many.
    """
    vectors, rows = check_vectors(vectors), check_rows(rows, len(vectors))
    plan = plan_index(len(vectors), vectors.shape[1], memory_bytes, kind)
    if plan.kind == "flat":
        return _build_flat(vectors, rows)
    if not len(vectors):
        raise VectorError("A quantiser cannot be trained on no vectors: build a flat index.")
    index = train_lists(vectors, plan.lists, seed)
    _fill(index, vectors, np.arange(len(vectors), dtype=np.int64), fill)
    return _tuned(index, vectors, rows, queries, seed, trained_on=len(vectors))


def update_faiss(
    previous: FaissIndex,
    vectors: Vectors,
    rows: Rows | None = None,
    *,
    carried: Rows,
    queries: Vectors | None = None,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    seed: int = 0,
    fill: Fill = fill_lists,
) -> FaissIndex:
    """Make the next index from the previous one; `build_faiss` where that is not worth it.

    `carried` int64[n]: for each of `vectors` its place, 0-based, among the vectors of `previous` when it is
    the same vector, -1 where it is new or changed. What is not named is dropped. A flat index, or one whose
    size changed its kind or drifted by more than a factor of two, is built anew; a quantised one keeps
    its trained quantiser and the codes it has. Width and recall are measured anew. Raises `VectorError`
    as `build_faiss`, and for places the previous index does not have or that come twice.
    """
    vectors, rows = check_vectors(vectors), check_rows(rows, len(vectors))
    carried = _check_carried(carried, len(vectors), previous.size)
    plan = plan_index(len(vectors), vectors.shape[1], memory_bytes)
    trained_on = previous.describe().parameters.get("trained_on", 0)
    drifted = not trained_on / _DRIFT <= len(vectors) <= trained_on * _DRIFT
    if not isinstance(previous, RankedIndex) or plan.kind != "ivf" or previous.kind != "ivf" or drifted:
        return build_faiss(
            vectors, rows, queries=queries, memory_bytes=memory_bytes, kind=plan.kind, seed=seed, fill=fill
        )
    index = _carry(previous.faiss_index, previous.size, carried)
    _fill(index, vectors, np.flatnonzero(carried < 0).astype(np.int64), fill)
    return _tuned(index, vectors, rows, queries, seed, trained_on=trained_on)


def open_faiss(path: Path, vectors: Vectors | None = None) -> FaissIndex:
    """Open an index that `save` wrote; raises `SnapshotCorrupt` naming the file when it is not one.

    `vectors` float32[m, dim], mapped: an approximate index reads `vectors[row number]` to rank by. Raises
    `VectorError` when it needs them and they are missing or too few.
    """
    index, rows, info = read_index(path)
    if isinstance(index, _faiss.IndexFlat):
        return FlatIndex(index, rows)
    for kind, types in _APPROXIMATE.items():
        if isinstance(index, types):
            return _open_ranked(path, index, rows, info or _info_of_old(index, kind), vectors)
    raise SnapshotCorrupt(f"{path.name} holds a {type(index).__name__}, which this version does not use.")


def _open_ranked(path: Path, index: Any, rows: Rows, info: IndexInfo, vectors: Vectors | None) -> RankedIndex:
    if not {"probes", "reranked"} <= set(info.parameters):
        raise SnapshotCorrupt(f"{path.stem}.index.json names no probes or reranked: rebuild the snapshot.")
    if vectors is None or vectors.dtype != np.float32 or not vectors.flags.c_contiguous:
        raise VectorError(f"{path.name} ranks by the exact vectors: open it with them, float32 and mapped.")
    if vectors.shape[1] != int(index.d) or (len(rows) and int(rows[-1]) >= len(vectors)):
        raise VectorError(
            f"{path.name} holds rows up to {int(rows[-1])} of {int(index.d)} dimensions, the vectors given "
            f"have shape {list(vectors.shape)}: open it with those it was built from."
        )
    same = len(rows) == len(vectors)  # distinct, ascending and below len(vectors): then they are 0..n-1
    mapped = np.asarray(vectors)  # still mapped, without the bookkeeping of `memmap`
    return RankedIndex(index, rows, StoredVectors(mapped, None if same else rows), info)


def _build_flat(vectors: Vectors, rows: Rows) -> FlatIndex:
    index = _faiss.IndexFlatIP(vectors.shape[1])
    if len(vectors):
        index.add(vectors)
    return FlatIndex(index, rows)


def _fill(index: Any, vectors: Vectors, places: Rows, fill: Fill) -> None:
    fill(index, vectors, places)
    clear_tails(index)  # whatever memory held there would go into the file


def _carry(index: Any, size: int, carried: Rows) -> Any:
    """Copy an inverted file, keep the carried places only, and give them their new numbers."""
    copied = opened_lists(written_lists(index))
    number = np.full(size, -1, np.int64)
    number[carried[carried >= 0]] = np.flatnonzero(carried >= 0)
    dropped = np.packbits(number < 0, bitorder="little")
    copied.remove_ids(_faiss.IDSelectorBitmap(dropped))
    lists = copied.invlists
    for each in range(int(copied.nlist)):
        length = int(lists.list_size(each))
        if length:
            labels: Rows = _faiss.rev_swig_ptr(lists.get_ids(each), length)
            labels[:] = number[labels]
    clear_tails(copied)
    return copied


def _tuned(
    index: Any, vectors: Vectors, rows: Rows, queries: Vectors | None, seed: int, trained_on: int
) -> RankedIndex:
    """Measure how widely the index must search, and what it then finds."""
    stored = StoredVectors(vectors)
    start: dict[str, int] = msgspec.to_builtins(_UNTUNED)
    info = IndexInfo(kind="ivf", vectors=len(rows), bytes=_bytes_of(index), parameters=start)
    untuned = RankedIndex(index, rows, stored, info)
    tuned = tune(untuned, stored, sample_queries(vectors, queries, seed))
    parameters = {
        "lists": int(index.nlist),
        **msgspec.to_builtins(tuned.width),
        "trained_on": trained_on,
    }
    info = msgspec.structs.replace(info, parameters=parameters, recall_at_10=round(tuned.recall, 4))
    return RankedIndex(index, rows, stored, info)


def _bytes_of(index: Any) -> int:
    writer = _faiss.VectorIOWriter()
    _faiss.write_index(index, writer)
    return int(writer.data.size()) + 8 * int(index.ntotal)


def _info_of_old(index: Any, kind: str) -> IndexInfo:
    """Describe an index written before its parameters were."""
    lists = int(index.nlist) if kind == "ivf" else 0
    parameters = {"probes": max(1, round(0.08 * lists)) if lists else 96, "reranked": 100}
    return IndexInfo(kind=kind, vectors=int(index.ntotal), bytes=_bytes_of(index), parameters=parameters)


def _check_carried(carried: Rows, size: int, previous: int) -> Rows:
    carried = np.asarray(carried, np.int64)
    if carried.shape != (size,):
        raise VectorError(f"{len(carried)} carried places were given for {size} vectors: give one each.")
    named = np.sort(carried[carried >= 0])
    if len(named) and named[-1] >= previous:
        raise VectorError(f"Place {named[-1]} is carried from an index of {previous} vectors.")
    twice = np.flatnonzero(np.diff(named) == 0)
    if len(twice):
        raise VectorError(f"Place {named[twice[0]]} is carried twice: each vector has one place.")
    return carried


_APPROXIMATE: dict[str, Any] = {
    "hnsw": _faiss.IndexHNSW,
    "ivf": (_faiss.IndexIVFRaBitQFastScan, _faiss.IndexIVFFlat),
}
