"""One timed answer in a process of its own, so that nothing is open or warm before the clock starts.

`python -m eval.benchmarks.segment_run` reads a `Task` as JSON from standard input and writes a `Run`. The
clock starts after the imports, when the files are opened.
"""

import hashlib
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from indexing.definition import AllOf, parse_definition
from indexing.embedder import Vectors
from indexing.evaluation import Evaluation
from indexing.event_columns import map_table
from indexing.manifest import read_manifest
from indexing.mapped_columns import MappedColumns
from indexing.population import Population
from indexing.similarity import group_similarity, text_similarity
from indexing.slices import threads


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What to answer, over which files."""

    kind: str
    """A key of `KINDS`."""
    folder: str
    """The snapshot's."""
    scratch: str
    """Where Parquet copies lie, query vectors are, and scores go."""
    definition: dict[str, Any] = {}
    """An `all` of leaves."""
    sql: str = ""
    asked: dict[str, Any] = {}
    """The parameters of `sql`."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """How long it took, and what came out."""

    seconds: float
    stages: dict[str, float]
    members: int
    digest: str
    """Of the members' rows."""


class Clock:
    """Seconds per stage, from when it was made."""

    def __init__(self) -> None:
        self._started = self._last = time.perf_counter()
        self.stages: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.stages[stage] = now - self._last
        self._last = now

    def stop(self, rows: Any) -> Run:
        """Answer with the profile rows found, ascending."""
        return Run(
            seconds=self._last - self._started,
            stages=self.stages,
            members=len(rows),
            digest=hashlib.sha256(np.asarray(rows, dtype=np.uint32).tobytes()).hexdigest(),
        )


class EncodedBefore:
    """Gives the one vector that was encoded before; loading a sentence encoder is not what is measured."""

    name, digest = "encoded before", ""

    def __init__(self, vector: Vectors) -> None:
        self.vector, self.dim = vector, len(vector)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """float32[n, dim]: the same vector for each text."""
        return np.stack([self.vector for _ in texts])


def evaluate(task: Task) -> Run:
    """Evaluate the definition leaf by leaf, with the product's own code."""
    definition = parse_definition(task.definition)
    query = np.load(Path(task.scratch) / "query.npy")
    clock = Clock()
    columns = _columns(task)
    evaluation = Evaluation(Population.of(columns), EncodedBefore(query), {})
    clock.lap("open")
    if isinstance(definition, AllOf):
        for place, leaf in enumerate(definition.parts):
            evaluation.select(leaf)
            clock.lap(f"{place}_{next(iter(task.definition['all'][place]))}")
    rows = np.flatnonzero(evaluation.select(definition)[0])
    clock.lap("join")
    return clock.stop(rows)


def ask_duckdb(task: Task) -> Run:
    """Ask DuckDB, over the snapshot's Arrow file or over Parquet, with a thread per core."""
    duckdb: Any = import_module("duckdb")
    scratch = Path(task.scratch)
    clock = Clock()
    connection = duckdb.connect()
    connection.execute(f"SET threads = {threads()}")
    connection.execute("SET TimeZone = 'UTC'")
    views = ["people", "items"]
    if task.kind == "duckdb_arrow":
        connection.register("events", map_table(Path(task.folder) / "events.arrow"))
    else:
        views.append("events")
    for view in views:
        connection.read_parquet(str(scratch / f"{view}.parquet")).create_view(view)
    clock.lap("open")
    rows = connection.execute(task.sql, task.asked).fetchnumpy()["row"]
    clock.lap("query")
    return clock.stop(rows)


def score_texts(task: Task) -> Run:
    """Score everyone against the query, with the product's own code."""
    return _scored(task, lambda columns, query: text_similarity(columns.tastes, columns.item_vectors, query))


def score_texts_by_groups(task: Task) -> Run:
    """Score everyone against the query by a matrix product and Polars' grouping."""

    def score(columns: MappedColumns, query: Vectors) -> Vectors:
        near = np.asarray(columns.item_vectors) @ query
        owners = np.repeat(np.arange(columns.profiles.height), np.diff(columns.tastes.offsets))
        liked = pl.LazyFrame({"profile": owners, "near": near[columns.tastes.items]})
        means = liked.group_by("profile").agg(pl.col("near").top_k(3).mean()).collect()
        scores = np.full(columns.profiles.height, np.nan, dtype=np.float32)
        scores[means["profile"].to_numpy()] = means["near"].to_numpy()
        return scores

    return _scored(task, score)


def score_examples(task: Task) -> Run:
    """Score everyone against the prototypes, with the product's own code."""
    shares = np.load(Path(task.scratch) / "shares.npy")
    return _scored(task, lambda columns, prototypes: group_similarity(columns.interests, prototypes, shares))


def score_examples_by_product(task: Task) -> Run:
    """Score everyone against the prototypes by matrix products."""
    shares = np.load(Path(task.scratch) / "shares.npy")

    def score(columns: MappedColumns, prototypes: Vectors) -> Vectors:
        interests = columns.interests
        near = np.concatenate(
            [
                np.asarray(interests.vectors[first : first + 65_536]) @ prototypes.T
                for first in range(0, len(interests.vectors), 65_536)
            ]
        )
        owning = np.flatnonzero(np.diff(interests.offsets))
        scores = np.full(len(interests.offsets) - 1, np.nan, dtype=np.float32)
        scores[owning] = np.maximum.reduceat(near, interests.offsets[owning], axis=0) @ shares
        return scores

    return _scored(task, score)


def _scored(task: Task, score: Callable[[MappedColumns, Vectors], Vectors]) -> Run:
    scratch = Path(task.scratch)
    name = "prototypes" if "examples" in task.kind else "query"
    query = np.load(scratch / f"{name}.npy")
    clock = Clock()
    columns = _columns(task)
    clock.lap("open")
    scores = score(columns, query)
    clock.lap("score")
    np.save(scratch / f"{task.kind}.npy", scores, allow_pickle=False)
    return clock.stop(np.flatnonzero(~np.isnan(scores)))


def _columns(task: Task) -> MappedColumns:
    folder = Path(task.folder)
    return MappedColumns(folder, read_manifest(folder))


KINDS: dict[str, Callable[[Task], Run]] = {
    "evaluate": evaluate,
    "duckdb_arrow": ask_duckdb,
    "duckdb_parquet": ask_duckdb,
    "texts": score_texts,
    "texts_by_groups": score_texts_by_groups,
    "examples": score_examples,
    "examples_by_product": score_examples_by_product,
}


def main() -> None:
    """Do the task on standard input."""
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    sys.stdout.buffer.write(msgspec.json.encode(KINDS[task.kind](task)))


if __name__ == "__main__":
    main()
