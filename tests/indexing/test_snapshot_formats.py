"""Snapshots of every format that is said to be readable are read: one of each is kept for ever.

`UPDATE_SNAPSHOT_FIXTURE=1 .venv/bin/pytest -q tests/indexing/test_snapshot_formats.py` writes the one of
the format that is written today, for when `FORMAT_VERSION` has been raised. Those of older formats are
never written again.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from indexing import index_plan
from indexing.audience import evaluate
from indexing.definition import parse_definition
from indexing.manifest import FORMAT_VERSION, READABLE_FORMATS
from indexing.recommend import BlendRecommender, history_of
from indexing.snapshot import Snapshot, build, open_snapshot
from indexing.world import World
from tests.indexing.conftest import NOW
from tests.indexing.plain_embedder import PlainEmbedder
from tests.indexing.small_world import make_world

FIXTURES = Path(__file__).parent / "snapshots"
CHANGED = "format-{} holds other files than a build of today: raise FORMAT_VERSION, keep the old one readable"
MOST_BYTES = 60_000

DEFINITIONS: dict[str, object] = {
    "buyers": {"event": "purchase", "op": "ge", "value": 1, "within_days": 30},
    "young": {"trait": "age", "op": "lt", "value": 30},
    "gardeners": {"like": "garden trowel", "top": 5},
    "alike": {"similar_to": {"profiles": ["p001"]}, "top": 3},
}


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot of a format answered when it was written."""

    members: dict[str, list[str]]
    similar: list[int]


def small() -> World:
    """Just enough profiles for a trait value to get a popularity of its own."""
    return make_world(40, n_events=3)


def write_fixture(folder: Path) -> Path:
    """Build the small world with a flat and an approximate index, and note what it answers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_plan, "FLAT_BELOW", 14)
        snapshot = build(small(), PlainEmbedder(), folder / "snapshot", now=NOW)
    (folder / "answers.json").write_bytes(msgspec.json.format(msgspec.json.encode(ask(snapshot))) + b"\n")
    return folder


def ask(snapshot: Snapshot) -> Answers:
    embedder = PlainEmbedder()
    snapshot.check_embedder(embedder)
    ids = snapshot.profiles["id"]
    members = {
        name: sorted(ids.gather(evaluate(parse_definition(definition), snapshot, embedder).rows).to_list())
        for name, definition in DEFINITIONS.items()
    }
    _, rows = snapshot.interest_index.search(snapshot.item_vectors[:1], 3)
    return Answers(members=members, similar=rows[0].tolist())


def shapes(folder: Path) -> dict[str, Any]:
    """What kind of thing each file holds, without what depends on the data."""
    found: dict[str, Any] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".npy":
            array = np.load(path, mmap_mode="r")
            found[path.name] = (str(array.dtype), array.ndim)
        elif path.suffix == ".arrow":
            found[path.name] = [(name, type(kind)) for name, kind in pl.read_ipc_schema(path).items()]
        else:
            found[path.name] = None
    return found


@pytest.fixture(scope="session", autouse=True)
def _written_when_asked() -> None:
    if os.environ.get("UPDATE_SNAPSHOT_FIXTURE"):
        folder = FIXTURES / f"format-{FORMAT_VERSION}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_fixture(folder)
        (folder / ".build.lock").unlink(missing_ok=True)


def test_every_readable_format_has_its_fixture_and_todays_is_readable() -> None:
    assert FORMAT_VERSION in READABLE_FORMATS
    kept = {path.name for path in FIXTURES.iterdir()}
    assert kept == {f"format-{number}" for number in READABLE_FORMATS}


@pytest.mark.parametrize("number", READABLE_FORMATS)
def test_a_snapshot_of_that_format_opens_and_answers_as_when_it_was_written(number: int) -> None:
    folder = FIXTURES / f"format-{number}"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < MOST_BYTES
    snapshot = open_snapshot(folder / "snapshot")
    assert snapshot.manifest.format_version == number
    assert (snapshot.item_index.kind, snapshot.interest_index.kind) == ("flat", "ivf")
    assert ask(snapshot) == msgspec.json.decode((folder / "answers.json").read_bytes(), type=Answers)
    for row in (0, 3):  # which ones may get better from version to version
        found = BlendRecommender(snapshot).recommend(history_of(snapshot, row), k=3)
        assert len({snapshot.item_row(each.item_id) for each in found}) == 3


def test_a_build_of_today_takes_from_a_snapshot_of_every_readable_format(tmp_path: Path) -> None:
    for number in READABLE_FORMATS:
        previous = open_snapshot(FIXTURES / f"format-{number}" / "snapshot")
        embedder = PlainEmbedder()
        built = build(
            make_world(16, n_events=6), embedder, tmp_path / str(number), now=NOW, previous=previous
        )
        assert embedder.encoded == []
        assert built.item_vectors.tolist() == previous.item_vectors.tolist()


def test_what_files_hold_changes_with_the_format_version_alone(tmp_path: Path) -> None:
    today = write_fixture(tmp_path) / "snapshot"
    kept = FIXTURES / f"format-{FORMAT_VERSION}" / "snapshot"
    assert shapes(today) == shapes(kept), CHANGED.format(FORMAT_VERSION)


def test_opening_a_snapshot_imports_no_pandas(tmp_path: Path) -> None:
    """Arrow does, where it is installed, to hand over a column; that takes longer than all the rest."""
    (tmp_path / "pandas.py").touch()  # one that can be imported, whether or not the real one is installed
    folder = FIXTURES / f"format-{FORMAT_VERSION}" / "snapshot"
    script = (
        "import sys; from pathlib import Path; from indexing.manifest import read_manifest; "
        "from indexing.mapped_columns import MappedColumns; folder = Path(sys.argv[1]); "
        "MappedColumns(folder, read_manifest(folder)); print('pandas' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, folder],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
