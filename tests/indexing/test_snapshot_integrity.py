"""One flipped bit anywhere is refused by name; what an embedder or a world gets wrong is said, not built."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexing import index_plan
from indexing.embedder import Vectors
from indexing.errors import SnapshotCorrupt, SnapshotError
from indexing.manifest import MANIFEST, parse_manifest
from indexing.publishing import partial_folder
from indexing.shelf import SnapshotShelf
from indexing.snapshot import Snapshot, build, open_snapshot
from indexing.world import EVENT_COLUMNS
from tests.indexing.conftest import NOW
from tests.indexing.plain_embedder import PlainEmbedder
from tests.indexing.small_world import AS_OF, make_world

READ_AS_ASKED = """
import sys
from pathlib import Path
from indexing.shelf import SnapshotShelf

shelf = SnapshotShelf(Path(sys.argv[1]))
held = None
for line in sys.stdin:
    if line.strip() == "hold":
        held = shelf.latest()
    found = held.interest_index.search(held.item_vectors[:1], 3)[1].tolist()
    read = (held.events.height, int(held.events["value"].sum()), found)
    print(held.version, shelf.latest().version, read, flush=True)
"""

HOLD_THE_FOLDER = """
import sys
from pathlib import Path
from indexing.publishing import partial_folder

with partial_folder(Path(sys.argv[1])):
    print("building", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """A snapshot with both kinds of index, so that every kind of file is there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_plan, "FLAT_BELOW", 20)
        snapshot = build(make_world(40), PlainEmbedder(), tmp_path_factory.mktemp("whole") / "one", now=NOW)
    assert (snapshot.item_index.kind, snapshot.interest_index.kind) == ("flat", "ivf")
    return snapshot


@pytest.fixture(scope="module")
def copy(whole: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(whole.folder, tmp_path_factory.mktemp("copy") / "one"))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_flipped_bit_of_any_file_is_refused_by_name(copy: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(path.name for path in copy.iterdir())))
    content = (copy / name).read_bytes()
    place = data.draw(st.integers(0, len(content) * 8 - 1))
    spoilt = bytearray(content)
    spoilt[place // 8] ^= 1 << place % 8
    try:
        (copy / name).write_bytes(spoilt)
        with pytest.raises(SnapshotError, match=name.replace(".", r"\.")):
            open_snapshot(copy)
    finally:
        (copy / name).write_bytes(content)


def test_a_file_that_is_longer_shorter_or_swapped_is_refused_by_name(copy: Path) -> None:
    names = sorted(path.name for path in copy.iterdir() if path.name != MANIFEST)
    for name, other in zip(names, [*names[1:], names[0]], strict=True):
        content = (copy / name).read_bytes()
        for spoilt in (content + b"\0", content[:-1], b"", (copy / other).read_bytes()):
            if spoilt == content:
                continue
            (copy / name).write_bytes(spoilt)
            with pytest.raises(SnapshotCorrupt, match=name):
                open_snapshot(copy)
        (copy / name).write_bytes(content)
    open_snapshot(copy)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", ".hidden", "a/b", ""])
def test_a_manifest_that_points_out_of_its_folder_is_refused(whole: Snapshot, name: str) -> None:
    from indexing.manifest import seal, write_manifest

    files = {name: next(iter(whole.manifest.files.values()))}
    folder = whole.folder.parent / "forged"
    folder.mkdir(exist_ok=True)
    write_manifest(seal(msgspec.structs.replace(whole.manifest, files=files)), folder)
    with pytest.raises(SnapshotCorrupt, match=r"manifest\.json"):
        open_snapshot(folder)


def test_a_manifest_with_fields_of_a_later_version_is_read(whole: Snapshot) -> None:
    data = msgspec.json.decode((whole.folder / MANIFEST).read_bytes())
    data["of_the_future"] = {"recall": 0.97}
    from indexing import manifest

    digest = manifest._digest(data)  # pyright: ignore[reportPrivateUsage] -- as a later version would seal it
    data |= {"digest": digest, "version": f"{data['version'][:16]}-{digest[:8]}"}
    sealed = manifest._encode(data)  # pyright: ignore[reportPrivateUsage] -- likewise
    assert parse_manifest(sealed, "later").counts == whole.manifest.counts
    with pytest.raises(SnapshotCorrupt):
        parse_manifest(sealed.replace(b"0.97", b"0.98"), "later")


def test_the_manifest_tells_memory_and_recall(whole: Snapshot) -> None:
    manifest = whole.manifest
    assert set(manifest.peak_bytes) == set(manifest.seconds)
    assert list(manifest.peak_bytes.values()) == sorted(manifest.peak_bytes.values())
    assert manifest.peak_bytes["write"] > 50_000_000
    assert manifest.interest_index_info is not None
    assert manifest.interest_index_info.recall_at_10 is not None
    assert manifest.item_index_info is not None
    assert manifest.item_index_info.recall_at_10 == 1.0


def test_a_reader_in_another_process_goes_on_while_versions_come_and_go(tmp_path: Path) -> None:
    shelf = SnapshotShelf(tmp_path)
    first = shelf.publish(make_world(6), PlainEmbedder(), now=NOW).version
    with subprocess.Popen(
        [sys.executable, "-c", READ_AS_ASKED, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None

        def ask(order: str) -> list[str]:
            print(order, file=reader.stdin, flush=True)
            assert reader.stdout is not None
            return reader.stdout.readline().split(maxsplit=2)

        held, newest, read = ask("hold")
        assert held == newest == first
        latest = first
        for minute in range(1, 5):
            latest = shelf.publish(
                make_world(6 + minute), PlainEmbedder(), now=NOW + timedelta(minutes=minute)
            ).version
            shelf.prune(keep=1, now=NOW)
            assert shelf.list() == (latest,)
            assert ask("look") == [first, latest, read]
        SnapshotShelf(tmp_path).lease(latest, until=NOW + timedelta(hours=1))
        newer = shelf.publish(make_world(4), PlainEmbedder(), now=NOW + timedelta(minutes=9)).version
        assert shelf.prune(keep=1, now=NOW) == ()
        assert ask("hold")[:2] == [newer, newer]
        assert shelf.prune(keep=1, now=NOW + timedelta(hours=2)) == (latest,)
        reader.stdin.close()


def test_a_builder_waits_for_another_and_says_so_once(tmp_path: Path) -> None:
    told: list[float] = []
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_FOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "building\n"

        def end_the_other(seconds: float) -> None:
            told.append(seconds)
            print(file=other.stdin, flush=True)

        with (
            pytest.raises(SnapshotError, match=r"running still, after 0\.1 s"),
            partial_folder(tmp_path, wait_seconds=0.1),
        ):
            pass
        with partial_folder(tmp_path, wait_seconds=60, waiting=end_the_other) as partial:
            assert partial.is_dir()
    assert told == [60]


class Odd(PlainEmbedder):
    """Spoils what the plain one answers."""

    def __init__(self, spoil: Callable[[Vectors], Vectors]) -> None:
        super().__init__()
        self._spoil = spoil

    def encode(self, texts: Sequence[str]) -> Vectors:
        return self._spoil(super().encode(texts))


def nan(vectors: Vectors) -> Vectors:
    vectors[1, 3] = np.nan
    return vectors


def infinite(vectors: Vectors) -> Vectors:
    vectors[0, 0] = np.inf
    return vectors


def narrow(vectors: Vectors) -> Vectors:
    return vectors[:, :-1]


def short(vectors: Vectors) -> Vectors:
    return vectors[:-1]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (nan, r"not finite, as for the text 'lawn rake|not finite, as for the text '"),
        (infinite, "not finite"),
        (narrow, r"shape \(12, 15\) for 12 texts, expected \(12, 16\)"),
        (short, r"shape \(11, 16\) for 12 texts"),
    ],
)
def test_an_embedder_that_answers_nonsense_builds_nothing(
    tmp_path: Path, spoil: Callable[[Vectors], Vectors], says: str
) -> None:
    with pytest.raises(SnapshotError, match=says):
        build(make_world(4), Odd(spoil), tmp_path / "new", now=NOW)
    assert not (tmp_path / "new").exists()


def test_an_embedder_that_answers_zero_makes_an_item_without_text(tmp_path: Path) -> None:
    def zero(vectors: Vectors) -> Vectors:
        vectors[0] = 0
        return vectors

    snapshot = build(make_world(8), Odd(zero), tmp_path / "new", now=NOW)
    assert snapshot.item_index.size == 11
    again = build(make_world(8), Odd(zero), tmp_path / "again", now=NOW, previous=snapshot)
    assert again.manifest.files == snapshot.manifest.files


def test_a_profile_with_a_hundred_thousand_events_builds_and_opens(tmp_path: Path) -> None:
    world = make_world(3)
    rng = np.random.default_rng(0)
    count = 100_000
    days = np.sort(rng.uniform(0, 900, count))[::-1]
    many = pl.DataFrame(
        {
            "profile": np.full(count, 1, np.uint32),
            "item": rng.integers(0, 13, count).astype(np.uint32),
            "type": rng.choice(["view", "purchase", "dislike"], count),
            "value": rng.uniform(1, 9, count),
            "quantity": np.ones(count),
            "time": [AS_OF - timedelta(days=float(day)) for day in days],
        },
        schema=EVENT_COLUMNS,
    )
    events = pl.concat([world.events.filter(pl.col("profile") != 1), many]).sort("profile", "time")
    snapshot = build(
        msgspec.structs.replace(world, events=events), PlainEmbedder(), tmp_path / "new", now=NOW
    )
    assert np.diff(snapshot.event_offsets).tolist() == [8, count, 8]
    owned = np.diff(snapshot.interests.offsets)
    assert 1 <= owned[1] <= 4
    assert snapshot.interests.weights[snapshot.interest_owners == 1].sum() == pytest.approx(1)
