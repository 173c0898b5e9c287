"""A snapshot is whole, the one that was built, or refused."""

import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from indexing.audience import evaluate, explain
from indexing.definition import parse_definition
from indexing.embedder import Embedder
from indexing.errors import EmbedderError, NotFound, SnapshotCorrupt, SnapshotError, SnapshotMissing
from indexing.faiss_index import build_faiss
from indexing.manifest import FORMAT_VERSION, seal, write_manifest
from indexing.publishing import partial_folder
from indexing.snapshot import Snapshot, build, open_snapshot
from indexing.snapshot_files import STAGES
from indexing.world import World
from tests.indexing.conftest import NOW
from tests.indexing.small_world import make_world, without


def changed(world: World, **frames: pl.DataFrame) -> World:
    return msgspec.structs.replace(world, **frames)


@contextmanager
def file_size_limit(limit_bytes: int) -> Generator[None]:
    """A real limit of the kernel: writing beyond it fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_was_built_is_what_is_opened(snapshot: Snapshot, world: World) -> None:
    opened = open_snapshot(snapshot.folder)
    assert opened.manifest == snapshot.manifest
    for name in ("items", "profiles", "events"):
        assert getattr(opened, name).equals(getattr(world, name))
    assert opened.event_offsets.tolist() == list(range(0, 481, 8))
    assert opened.item_vectors.shape == (13, 384)
    assert not opened.item_vectors[12].any()
    assert opened.item_index.size == 12
    assert opened.interest_index.size == len(opened.interests.weights)
    assert not opened.item_vectors.flags.writeable


def test_the_manifest_tells_what_it_is(snapshot: Snapshot, world: World, embedder: Embedder) -> None:
    manifest = snapshot.manifest
    assert manifest.version.startswith("20260602T000000Z-")
    assert manifest.version.endswith(manifest.digest[:8])
    assert (manifest.workspace, manifest.as_of, manifest.timezone) == ("test", world.as_of, "Europe/London")
    assert manifest.embedder.digest == embedder.digest
    assert (manifest.counts.items, manifest.counts.items_without_text) == (13, 1)
    assert (manifest.counts.profiles, manifest.counts.events) == (60, 480)
    assert manifest.item_index == manifest.interest_index == "flat"
    assert set(manifest.files) == {path.name for path in snapshot.folder.iterdir()} - {"manifest.json"}
    assert tuple(manifest.seconds) == STAGES


def test_people_who_like_one_kind_have_its_interest(snapshot: Snapshot, embedder: Embedder) -> None:
    scores, rows = snapshot.interest_index.search(embedder.encode(["things for the garden"]), 20)
    assert (snapshot.interest_owners[rows[0]][:20] % 2 == 0).mean() >= 0.9
    assert scores[0, 0] > 0.3


def test_ids_are_found_and_unknown_ones_named(snapshot: Snapshot) -> None:
    assert snapshot.item_row("i07") == 7
    assert snapshot.profile_row("p059") == 59
    assert snapshot.item_rows(["i12", "gone", "i00", ""]).tolist() == [12, -1, 0, -1]
    with pytest.raises(NotFound, match="no profile 'p060'"):
        snapshot.profile_row("p060")


def test_another_embedder_is_refused_with_both_named(snapshot: Snapshot, embedder: Embedder) -> None:
    class Other:
        name, dim, digest = "other", 384, "feed"
        encode = embedder.encode

    snapshot.check_embedder(embedder)
    with pytest.raises(EmbedderError, match=r"all-MiniLM-L6-v2.*digest 53aa.*other.*digest feed.*rebuild"):
        snapshot.check_embedder(Other())
    like, everyone = parse_definition({"like": "tea"}), parse_definition({"all": []})
    for answer in (evaluate, partial(explain, row=0)):
        answer(like, snapshot, embedder)
        answer(everyone, snapshot, Other())  # nothing is encoded
        with pytest.raises(EmbedderError, match=r"digest 53aa.*digest feed.*rebuild"):
            answer(like, snapshot, Other())


def test_one_flipped_bit_in_any_file_is_refused_by_name(snapshot: Snapshot, tmp_path: Path) -> None:
    copy = shutil.copytree(snapshot.folder, tmp_path / "copy")
    rng = np.random.default_rng(0)
    names = sorted(path.name for path in copy.iterdir())
    assert len(names) > 15
    for name in names:
        whole = (copy / name).read_bytes()
        for place in {0, len(whole) - 1, int(rng.integers(len(whole)))}:
            data = bytearray(whole)
            data[place] ^= 1 << int(rng.integers(8))
            (copy / name).write_bytes(data)
            with pytest.raises(SnapshotError, match=f"{name}|format version"):
                open_snapshot(copy)
        (copy / name).write_bytes(whole)
    open_snapshot(copy)


def test_a_missing_or_cut_file_is_refused_by_name(snapshot: Snapshot, tmp_path: Path) -> None:
    copy = shutil.copytree(snapshot.folder, tmp_path / "copy")
    data = (copy / "events.arrow").read_bytes()
    (copy / "events.arrow").write_bytes(data[:-1])
    with pytest.raises(SnapshotCorrupt, match=r"events\.arrow"):
        open_snapshot(copy)
    (copy / "events.arrow").unlink()
    with pytest.raises(SnapshotCorrupt, match=r"'events\.arrow' is missing"):
        open_snapshot(copy)


def test_a_format_of_the_future_says_what_to_do(snapshot: Snapshot, tmp_path: Path) -> None:
    copy = shutil.copytree(snapshot.folder, tmp_path / "copy")
    text = (copy / "manifest.json").read_text()
    (copy / "manifest.json").write_text(
        text.replace(f'"format_version": {FORMAT_VERSION}', '"format_version": 99')
    )
    with pytest.raises(SnapshotError, match=r"format version 99, this version reads 2, 3, 4: rebuild"):
        open_snapshot(copy)


def test_nothing_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SnapshotMissing, match="build one"):
        open_snapshot(tmp_path / "none")


@pytest.mark.parametrize("frames", [(), ("items",), ("profiles",), ("items", "profiles")])
def test_an_empty_world_builds_and_opens(
    world: World, embedder: Embedder, tmp_path: Path, frames: tuple[str, ...]
) -> None:
    empty = without(world, *frames)
    snapshot = build(empty, embedder, tmp_path / "empty", now=NOW)
    assert snapshot.items.height == empty.items.height
    assert snapshot.interests.vectors.shape == (0, 384)
    assert snapshot.interests.offsets.tolist() == [0] * (empty.profiles.height + 1)
    assert (snapshot.interest_index.search(np.ones((1, 384), np.float32), 2)[1] == -1).all()


def unsorted_events(world: World) -> World:
    return changed(world, events=world.events.reverse())


def twice_an_item(world: World) -> World:
    return changed(world, items=pl.concat([world.items.head(1), world.items]))


def event_beyond(world: World) -> World:
    return changed(world, items=world.items.head(3))


def column_of_another_type(world: World) -> World:
    return changed(world, items=world.items.with_columns(pl.col("price").cast(pl.Float32)))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (unsorted_events, "events are not sorted"),
        (twice_an_item, "not sorted by distinct ids: see 'i00'"),
        (event_beyond, "names item row"),
        (column_of_another_type, "items have the columns"),
    ],
)
def test_a_world_that_is_not_as_promised_is_refused(
    world: World, embedder: Embedder, tmp_path: Path, spoil: Callable[[World], World], says: str
) -> None:
    with pytest.raises(SnapshotError, match=says):
        build(spoil(world), embedder, tmp_path / "new", now=NOW)
    assert not (tmp_path / "new").exists()


def test_a_taken_folder_is_refused(snapshot: Snapshot, world: World, embedder: Embedder) -> None:
    with pytest.raises(SnapshotError, match="exists already"):
        build(world, embedder, snapshot.folder, now=NOW)


@pytest.mark.parametrize("limit_bytes", [0, 300, 3_000, 30_000])
def test_a_full_disk_leaves_what_was_published(
    world: World, embedder: Embedder, tmp_path: Path, limit_bytes: int
) -> None:
    old = build(world, embedder, tmp_path / "old", now=NOW)
    with file_size_limit(limit_bytes), pytest.raises(SnapshotError, match=r"could not be written.*untouched"):
        build(world, embedder, tmp_path / "new", now=NOW)
    assert not (tmp_path / "new").exists()
    assert not list(tmp_path.glob(".partial-*"))
    assert open_snapshot(tmp_path / "old").version == old.version


def test_an_index_that_does_not_fit_on_the_disk_says_so(tmp_path: Path) -> None:
    index = build_faiss(np.eye(64, dtype=np.float32))
    with file_size_limit(1_000), pytest.raises(OSError, match=r"items\.faiss"):
        index.save(tmp_path / "items.faiss")


def test_what_a_kill_left_is_invisible_and_swept(world: World, embedder: Embedder, tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom indexing.publishing import partial_folder\n"
        "with partial_folder(Path(sys.argv[1])) as partial:\n"
        "    (partial / 'items.arrow').write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert killed.returncode == -9
    assert len(list(tmp_path.glob(".partial-*"))) == 1
    build(world, embedder, tmp_path / "new", now=NOW)
    assert not list(tmp_path.glob(".partial-*"))


def test_a_second_build_at_once_says_so(world: World, embedder: Embedder, tmp_path: Path) -> None:
    with partial_folder(tmp_path) as partial:
        with pytest.raises(SnapshotError, match="Another build is running"):
            build(world, embedder, tmp_path / "new", now=NOW)
        assert partial.is_dir()


def test_an_interrupted_build_leaves_nothing(world: World, embedder: Embedder, tmp_path: Path) -> None:
    def interrupt(stage: str, done: int, total: int) -> None:
        if stage == "write" and done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(world, embedder, tmp_path / "new", now=NOW, progress=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == [".build.lock"]


def test_progress_goes_through_every_stage_to_its_end(embedder: Embedder, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    build(make_world(4), embedder, tmp_path / "new", now=NOW, progress=lambda *step: seen.append(step))
    assert list(dict.fromkeys(stage for stage, _, _ in seen)) == list(STAGES)
    assert {stage for stage, done, total in seen if done == total} == set(STAGES)


def test_the_same_world_gives_the_same_files(world: World, embedder: Embedder, tmp_path: Path) -> None:
    one = build(world, embedder, tmp_path / "one", now=NOW)
    two = build(world, embedder, tmp_path / "two", now=NOW)
    assert one.manifest.files == two.manifest.files


def test_a_file_that_was_never_in_it_is_named_and_a_build_asked_for(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(snapshot.folder, copy)
    files = {name: file for name, file in snapshot.manifest.files.items() if name != "tastes.weights.npy"}
    manifest = seal(msgspec.structs.replace(snapshot.manifest, files=files))
    (copy / "tastes.weights.npy").unlink()
    write_manifest(manifest, copy)
    with pytest.raises(SnapshotError, match=r"without the file 'tastes\.weights\.npy'.*index build"):
        open_snapshot(copy)
