"""The audience benchmark on a small world: what is compared must agree, and a difference is an error."""

from pathlib import Path

import msgspec
import pytest

from eval.benchmarks import segments
from eval.benchmarks.segment_run import KINDS, Run, Task
from eval.benchmarks.segments import choose_definition, measure, run_alone
from eval.benchmarks.world import make_world
from eval.errors import BenchmarkError
from indexing.snapshot import Snapshot
from tests.indexing.plain_embedder import PlainEmbedder


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    folder = tmp_path_factory.mktemp("bench") / "snapshot"
    return make_world(
        seed=3, items=300, profiles=600, events=20_000, embedder=PlainEmbedder(), folder=folder
    ).snapshot


def _here(task: Task) -> Run:
    return KINDS[task.kind](task)


def test_everything_is_beside_what_it_is_compared_with(snapshot: Snapshot) -> None:
    measured = {entry.name: entry for entry in measure(snapshot, PlainEmbedder(), rounds=2, run=_here)}
    compared = {name for name, entry in measured.items() if entry.baseline is not None}
    assert compared == {f"index.segments.{part}_seconds" for part in ("rules", "like", "similar")}
    assert measured["index.segments.rules_ratio"].goal == "<= 1.5"
    assert measured["index.segments.whole_seconds"].n is not None
    assert {"index.segments.stage.0_event_seconds", "index.segments.stage.3_like_seconds"} <= set(measured)


def test_the_rules_select_somebody_and_name_what_is_there(snapshot: Snapshot) -> None:
    bought, viewed, lives, _ = choose_definition(snapshot)["all"]
    assert viewed["category"] in snapshot.items["category"]
    assert lives["value"] == "United Kingdom"
    assert bought["event"] == "purchase"


@pytest.mark.parametrize("liar", ["duckdb_arrow", "duckdb_parquet", "evaluate"])
def test_another_answer_is_an_error_and_no_figure(snapshot: Snapshot, liar: str) -> None:
    def lying(task: Task) -> Run:
        run = _here(task)
        return msgspec.structs.replace(run, digest="other") if task.kind == liar else run

    with pytest.raises(BenchmarkError, match="select different profiles"):
        measure(snapshot, PlainEmbedder(), rounds=1, run=lying)


def test_without_duckdb_it_says_how_to_get_it(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "find_spec", lambda _: None)
    with pytest.raises(BenchmarkError, match="pip install duckdb"):
        measure(snapshot, PlainEmbedder(), run=_here)


def test_a_process_that_fails_is_quoted(snapshot: Snapshot, tmp_path: Path) -> None:
    task = Task(kind="texts", folder=str(snapshot.folder), scratch=str(tmp_path))
    with pytest.raises(BenchmarkError, match=r"timing texts failed: .*query\.npy"):
        run_alone(task)
