"""The search benchmark on a small world: what it counts, and that a worse index looks worse."""

import numpy as np
import pytest

from eval.benchmarks.search import draw_queries, measure
from eval.benchmarks.world import BenchWorld, make_world
from indexing import index_plan, ranked_index
from indexing.exact_index import ExactIndex
from indexing.index import Rows, VectorIndex
from indexing.text import item_texts
from tests.indexing.plain_embedder import PlainEmbedder


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> BenchWorld:
    """A world whose index of interests is approximate, as a large one's is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_plan, "FLAT_BELOW", 100)
        folder = tmp_path_factory.mktemp("bench") / "snapshot"
        return make_world(
            seed=3, items=300, profiles=800, events=20_000, embedder=PlainEmbedder(), folder=folder
        )


@pytest.fixture(autouse=True)
def never_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranked_index, "_EXACT_BELOW", 0)


class Forgetful:
    """An index that cannot find the best three."""

    def __init__(self, index: VectorIndex) -> None:
        self._index = index
        self.size, self.kind = index.size, index.kind
        self.describe, self.save = index.describe, index.save

    def search(self, queries: np.ndarray, k: int, excluded: Rows | None = None) -> tuple[np.ndarray, Rows]:
        scores, rows = self._index.search(queries, k + 3, excluded)
        return scores[:, 3:], rows[:, 3:]


def test_everything_is_beside_what_it_is_compared_with(bench: BenchWorld) -> None:
    assert bench.snapshot.interest_index.kind == "ivf"
    measured = {entry.name: entry for entry in measure(bench)}
    assert measured["index.search.recall@10"].goal == ">= 0.95"
    assert measured["index.search.recall@10"].value >= 0.9
    assert measured["index.search.speedup"].goal == ">= 50"
    assert measured["index.search.batch_speedup"].goal == ">= 50"
    for name in ("p50_ms", "p99_ms", "batch_ms.beside_faiss", "batch_ms.beside_numpy"):
        assert measured[f"index.search.{name}"].baseline_value
    size = measured["index.search.bytes_per_vector"]
    files = sum(
        (bench.snapshot.folder / f"interests.{end}").stat().st_size
        for end in ("faiss", "rows.npy", "index.json")
    )
    assert size.value == pytest.approx(files / bench.snapshot.interest_index.size)
    assert measured["index.search.resident_bytes_per_vector"].value >= size.value


def test_an_index_that_forgets_has_less_recall(bench: BenchWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.asarray(bench.snapshot.interests.vectors)
    monkeypatch.setattr(bench.snapshot, "interest_index", ExactIndex(vectors))
    exact = {entry.name: entry.value for entry in measure(bench)}
    monkeypatch.setattr(bench.snapshot, "interest_index", Forgetful(ExactIndex(vectors)))
    forgetful = {entry.name: entry.value for entry in measure(bench)}
    assert exact["index.search.recall@10"] == 1
    assert forgetful["index.search.recall@10"] < 0.95


def test_queries_are_neither_items_nor_indexed_interests(bench: BenchWorld) -> None:
    queries = draw_queries(bench)
    again = draw_queries(bench)
    assert np.array_equal(queries.all(), again.all())
    assert len(queries.texts) == len(queries.profiles) == 100
    known = PlainEmbedder().encode([text for text in item_texts(bench.world.items) if text])
    assert (queries.texts @ known.T).max() < 1 - 1e-6
    indexed = np.asarray(bench.snapshot.interests.vectors)
    assert ((queries.profiles @ indexed.T).max(axis=1) < 1 - 1e-5).mean() > 0.1
