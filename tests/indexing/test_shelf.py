"""Versions are published in order, leased, and swept only when nobody uses them."""

from datetime import timedelta
from pathlib import Path

import pytest

from indexing.embedder import Embedder
from indexing.errors import SnapshotError, SnapshotMissing
from indexing.shelf import SnapshotShelf
from indexing.world import World
from tests.indexing.conftest import NOW
from tests.indexing.small_world import make_world


@pytest.fixture(scope="module")
def tiny() -> World:
    return make_world(4)


def test_an_empty_shelf_says_what_to_do(tmp_path: Path) -> None:
    shelf = SnapshotShelf(tmp_path / "none")
    assert shelf.list() == ()
    with pytest.raises(SnapshotMissing, match="build one"):
        shelf.latest()


def test_versions_sort_by_age_even_within_a_second_or_with_a_clock_gone_back(
    tiny: World, embedder: Embedder, tmp_path: Path
) -> None:
    shelf = SnapshotShelf(tmp_path)
    made = [
        shelf.publish(tiny, embedder, now=NOW + timedelta(hours=hours)).version for hours in (0, 0, -5, 1)
    ]
    assert list(shelf.list()) == made == sorted(set(made))
    assert shelf.latest().version == made[-1]
    assert shelf.latest() is shelf.latest()
    assert shelf.open(made[1]).version == made[1]


def test_another_process_publishes_and_latest_follows(
    tiny: World, embedder: Embedder, tmp_path: Path
) -> None:
    reader, builder = SnapshotShelf(tmp_path), SnapshotShelf(tmp_path)
    first = builder.publish(tiny, embedder, now=NOW)
    assert reader.latest().version == first.version
    second = builder.publish(tiny, embedder, now=NOW + timedelta(minutes=1))
    assert reader.latest().version == second.version


@pytest.mark.parametrize("version", ["20260101T000000Z-01234567", "../../etc", ".partial-x", ""])
def test_a_version_that_is_not_there_is_missing(tmp_path: Path, version: str) -> None:
    with pytest.raises(SnapshotMissing):
        SnapshotShelf(tmp_path).open(version)
    with pytest.raises(SnapshotMissing):
        SnapshotShelf(tmp_path).lease(version, until=NOW)


def test_pruning_keeps_the_newest_the_leased_and_the_open(
    tiny: World, embedder: Embedder, tmp_path: Path
) -> None:
    shelf = SnapshotShelf(tmp_path)
    versions = [
        shelf.publish(tiny, embedder, now=NOW + timedelta(minutes=minute)).version for minute in range(5)
    ]
    reader = shelf.open(versions[0])
    SnapshotShelf(tmp_path).lease(versions[1], until=NOW + timedelta(hours=1))
    SnapshotShelf(tmp_path).lease(versions[1], until=NOW)
    assert shelf.prune(keep=2, now=NOW) == (versions[2],)
    assert shelf.list() == (versions[0], versions[1], versions[3], versions[4])
    assert reader.items.height == 13
    del reader
    assert shelf.prune(keep=0, now=NOW + timedelta(hours=2)) == (versions[0], versions[1], versions[3])
    assert shelf.list() == (versions[4],)
    assert not list((tmp_path / ".leases").iterdir())


def test_a_reader_elsewhere_goes_on_reading_what_was_removed(
    tiny: World, embedder: Embedder, tmp_path: Path
) -> None:
    shelf, elsewhere = SnapshotShelf(tmp_path), SnapshotShelf(tmp_path)
    old = shelf.publish(tiny, embedder, now=NOW).version
    reader = elsewhere.open(old)
    shelf.publish(tiny, embedder, now=NOW + timedelta(minutes=1))
    assert shelf.prune(keep=1, now=NOW) == (old,)
    assert reader.events.height == tiny.events.height
    assert reader.item_index.search(reader.item_vectors[:1], 1)[1][0, 0] == 0
    with pytest.raises(SnapshotMissing, match="is gone"):
        shelf.open(old)


def test_a_failed_build_leaves_the_published_one(tiny: World, embedder: Embedder, tmp_path: Path) -> None:
    shelf = SnapshotShelf(tmp_path)
    version = shelf.publish(tiny, embedder, now=NOW).version

    def fail(stage: str, done: int, total: int) -> None:
        if stage == "index":
            raise OSError(28, "No space left on device")

    with pytest.raises(SnapshotError, match="No space left on device"):
        shelf.publish(tiny, embedder, now=NOW, progress=fail)
    assert shelf.list() == (version,)
    assert not list(tmp_path.glob(".partial-*"))
