"""How long an audience takes, beside DuckDB over the same events: cold, in fresh processes, in turns.

The definition holds two event rules, a trait rule and a `like`, their names taken from the snapshot. Nothing
is aggregated for it beforehand. Every answer is timed in a process of its own, from opening the files (their
checksums, which a service verifies once per snapshot, are a figure of their own); files stay in the operating
system's cache for both. DuckDB reads the snapshot's Arrow file, and a Parquet copy of it; traits are columns
already for both. The quicker of the two is the baseline.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import numpy as np
import polars as pl

from eval.benchmarks.segment_run import Run, Task
from eval.errors import BenchmarkError
from eval.figures import Figure, figure
from indexing.embedder import Embedder
from indexing.manifest import verify_files
from indexing.similarity import seed_prototypes
from indexing.slices import threads
from indexing.snapshot import Snapshot

ROUNDS = 5
MOST_RATIO = 1.5
"""The rules may take so many times what DuckDB takes."""
SEEDS = 20
"""Profiles that stand for a `similar_to`."""
_ROW_GROUP = 122_880
"""DuckDB's own unit of work."""
_NEAR = 3e-5
"""Two ways of adding up differ by less, rounding to five decimals included."""

SQL = """
SELECT row FROM people WHERE country = $country
AND row IN (
  SELECT profile FROM events
  WHERE type = $bought AND time <= $last::TIMESTAMPTZ AND time >= $bought_from::TIMESTAMPTZ
  GROUP BY profile HAVING count(*) >= $bought_times
)
AND row IN (
  SELECT profile FROM events
  WHERE type = $viewed AND time <= $last::TIMESTAMPTZ AND time >= $viewed_from::TIMESTAMPTZ
  AND item IN (SELECT row FROM items WHERE category = $category)
  GROUP BY profile HAVING count(*) >= $viewed_times
)
ORDER BY row
"""
"""The rules as DuckDB answers them quickest: a semi-join each, rather than one pass that counts both."""

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""


def measure(
    snapshot: Snapshot,
    embedder: Embedder,
    *,
    seed: int = 0,
    rounds: int = ROUNDS,
    progress: Progress | None = None,
    run: Callable[[Task], Run] | None = None,
) -> tuple[Figure, ...]:
    """Measure rules, `like` and `similar_to` over a snapshot.

    `run` answers a task, in a process of its own unless told otherwise. Raises `BenchmarkError` when DuckDB
    is not installed, or an answer differs from what it is compared with.
    """
    if find_spec("duckdb") is None:
        raise BenchmarkError("the rules are compared with DuckDB, which is not here: pip install duckdb")
    definition = choose_definition(snapshot)
    with tempfile.TemporaryDirectory(prefix="pitchwright-segments-") as scratch:
        encoding = _prepare(snapshot, embedder, definition["all"][-1]["like"], seed, Path(scratch))
        tasks = _tasks(snapshot, definition, scratch)
        runs = _in_turns(tasks, rounds, run or run_alone, progress)
        _check_answers(runs, Path(scratch))
    started = time.perf_counter()
    verify_files(snapshot.manifest, snapshot.folder)
    verifying = time.perf_counter() - started
    return _figures(runs, snapshot.profiles.height, encoding, verifying)


def choose_definition(snapshot: Snapshot) -> dict[str, Any]:
    """Say what is evaluated: names are the most common ones of the snapshot, ties by name."""
    category = _most_common(snapshot.items["category"])
    country = _most_common(snapshot.traits.of("country")["text"])
    return {
        "all": [
            {"event": "purchase", "op": "ge", "value": 2, "within_days": 365},
            {"event": "view", "category": category, "op": "ge", "value": 2, "within_days": 180},
            {"trait": "country", "op": "eq", "value": country},
            {"like": category.lower(), "min_similarity": 0.3},
        ]
    }


def _most_common(names: pl.Series) -> str:
    counts = names.drop_nulls().value_counts().sort(["count", names.name], descending=[True, False])
    if not counts.height:
        raise BenchmarkError(f"the snapshot holds no {names.name}: measure on a world of `bench index`")
    return str(counts[names.name][0])


def _prepare(snapshot: Snapshot, embedder: Embedder, text: str, seed: int, scratch: Path) -> float:
    """Write what the processes read; return the seconds it took to encode the text."""
    embedder.encode(["to have the encoder loaded"])
    started = time.perf_counter()
    query = embedder.encode([text])[0]
    encoding = time.perf_counter() - started
    _save(scratch, "query", query)
    owners = np.flatnonzero(np.diff(snapshot.interests.offsets))
    seeds = np.random.default_rng(seed).permutation(owners)[:SEEDS]
    prototypes, shares = seed_prototypes(snapshot.interests, np.sort(seeds))
    _save(scratch, "prototypes", prototypes)
    _save(scratch, "shares", shares)
    events = snapshot.events.with_columns(pl.col("type").cast(pl.String))
    country = pl.col("traits").str.json_path_match("$.country")
    people = snapshot.profiles.with_row_index("row").select("row", country=country)
    items = snapshot.items.with_row_index("row").select("row", "category")
    for name, frame in (("events", events), ("people", people), ("items", items)):
        frame.write_parquet(
            scratch / f"{name}.parquet", compression="uncompressed", row_group_size=_ROW_GROUP
        )
    return encoding


def _save(scratch: Path, name: str, array: np.ndarray[Any, Any]) -> None:
    np.save(scratch / f"{name}.npy", array, allow_pickle=False)


def _tasks(snapshot: Snapshot, definition: dict[str, Any], scratch: str) -> dict[str, Task]:
    """Name everything that is timed."""
    rules = {"all": [leaf for leaf in definition["all"] if "like" not in leaf]}
    asked = _asked(snapshot, rules["all"])
    folder = str(snapshot.folder)

    def task(kind: str, **given: Any) -> Task:
        return Task(kind=kind, folder=folder, scratch=scratch, **given)

    return {
        "rules": task("evaluate", definition=rules),
        "duckdb_arrow": task("duckdb_arrow", sql=SQL, asked=asked),
        "duckdb_parquet": task("duckdb_parquet", sql=SQL, asked=asked),
        "whole": task("evaluate", definition=definition),
        "texts": task("texts"),
        "texts_by_groups": task("texts_by_groups"),
        "examples": task("examples"),
        "examples_by_product": task("examples_by_product"),
    }


def _asked(snapshot: Snapshot, rules: list[dict[str, Any]]) -> dict[str, Any]:
    """Give the parameters of `SQL` for the three rules."""
    bought, viewed, lives = rules

    def first(rule: Mapping[str, Any]) -> str:
        return (snapshot.as_of - timedelta(days=rule["within_days"])).isoformat()

    return {
        "last": snapshot.as_of.isoformat(),
        "bought": bought["event"],
        "bought_from": first(bought),
        "bought_times": bought["value"],
        "viewed": viewed["event"],
        "viewed_from": first(viewed),
        "viewed_times": viewed["value"],
        "category": viewed["category"],
        "country": lives["value"],
    }


def _in_turns(
    tasks: Mapping[str, Task], rounds: int, run: Callable[[Task], Run], progress: Progress | None
) -> dict[str, list[Run]]:
    """Run every task once unmeasured, for the operating system's cache, then in turns."""
    runs: dict[str, list[Run]] = {name: [] for name in tasks}
    total = (rounds + 1) * len(tasks)
    for done in range(total):
        if progress is not None:
            progress("segments", done, total)
        name = list(tasks)[done % len(tasks)]
        answer = run(tasks[name])
        if done >= len(tasks):
            runs[name].append(answer)
    if progress is not None:
        progress("segments", total, total)
    return runs


def run_alone(task: Task) -> Run:
    """Answer in a fresh process. Raises `BenchmarkError` with the last thing it said."""
    command = [sys.executable, "-m", "eval.benchmarks.segment_run"]
    ended = subprocess.run(command, input=msgspec.json.encode(task), capture_output=True, check=False)
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip().splitlines()
        raise BenchmarkError(f"timing {task.kind} failed: {said[-1] if said else ended.returncode}")
    return msgspec.json.decode(ended.stdout, type=Run)


def _check_answers(runs: Mapping[str, list[Run]], scratch: Path) -> None:
    """Raise `BenchmarkError` when two answers to the same question differ."""
    answers = {name: {run.digest for run in runs[name]} for name in runs}
    for name in ("duckdb_arrow", "duckdb_parquet"):
        if answers["rules"] != answers[name]:
            found = f"{runs['rules'][0].members} and {runs[name][0].members} profiles"
            raise BenchmarkError(f"the rules and {name} select different profiles: {found}; report this")
    for name, other in (("texts", "texts_by_groups"), ("examples", "examples_by_product")):
        scores, others = np.load(scratch / f"{name}.npy"), np.load(scratch / f"{other}.npy")
        if not np.allclose(scores, others, atol=_NEAR, rtol=0, equal_nan=True):
            raise BenchmarkError(f"{name} and {other} give different scores; report this")


def _figures(
    runs: Mapping[str, list[Run]], profiles: int, encoding: float, verifying: float
) -> tuple[Figure, ...]:
    seconds = {name: median(run.seconds for run in runs[name]) for name in runs}
    stages = runs["whole"][0].stages
    quicker = min(("duckdb_arrow", "duckdb_parquet"), key=seconds.__getitem__)
    duckdb = f"DuckDB over {quicker.removeprefix('duckdb_')}, {threads()} threads"

    def shown(name: str, value: float, **given: Any) -> Figure:
        return figure(f"index.segments.{name}_seconds", value, unit="s", **given)

    rules = {"n": profiles, "baseline": (duckdb, seconds[quicker])}
    return (
        shown("rules", seconds["rules"], **rules),
        figure(
            "index.segments.rules_ratio",
            seconds["rules"] / seconds[quicker],
            n=len(runs["rules"]),
            at_most=MOST_RATIO,
        ),
        shown("rules_duckdb_arrow", seconds["duckdb_arrow"]),
        shown("rules_duckdb_parquet", seconds["duckdb_parquet"]),
        shown(
            "like",
            seconds["texts"],
            baseline=("Polars group_by, top_k(3).mean()", seconds["texts_by_groups"]),
        ),
        shown(
            "similar",
            seconds["examples"],
            baseline=("matrix product", seconds["examples_by_product"]),
        ),
        shown("whole", seconds["whole"] + encoding, n=runs["whole"][0].members),
        *(shown(f"stage.{stage}", median(run.stages[stage] for run in runs["whole"])) for stage in stages),
        shown("stage.encode", encoding),
        shown("verify", verifying),
    )
