"""A snapshot at a URL is whole or invisible, and what is pulled is what was pushed."""

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest

from indexing.errors import SnapshotCorrupt, SnapshotError
from indexing.remote import SnapshotRemote
from indexing.shelf import SnapshotShelf
from indexing.world import World
from tests.indexing.conftest import NOW
from tests.indexing.plain_embedder import PlainEmbedder
from tests.indexing.small_world import make_world


class Interrupted(BaseException):
    """A kill, as far as the code under test can see it: nothing after it runs but `finally`."""


@pytest.fixture(scope="module")
def tiny() -> World:
    return make_world(4)


@pytest.fixture
def builder(tmp_path: Path) -> SnapshotShelf:
    return SnapshotShelf(tmp_path / "builder" / "test")


@pytest.fixture
def replica(tmp_path: Path) -> SnapshotShelf:
    return SnapshotShelf(tmp_path / "replica" / "test")


@pytest.fixture(params=["folder", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "folder":
        yield str(tmp_path / "bucket")
        return
    name = f"memory://{uuid.uuid4().hex}"
    yield name
    files: Any = fsspec.filesystem("memory")
    if files.exists(name):
        files.rm(name, recursive=True)


@pytest.fixture
def remote(url: str) -> SnapshotRemote:
    return SnapshotRemote(url, "test")


def publish(shelf: SnapshotShelf, world: World, minute: int = 0) -> str:
    return shelf.publish(world, PlainEmbedder(), now=NOW + timedelta(minutes=minute)).version


def opened(url: str) -> tuple[Any, str]:
    return fsspec.core.url_to_fs(url)


def test_what_is_pushed_is_pulled_byte_for_byte(
    tiny: World, builder: SnapshotShelf, replica: SnapshotShelf, remote: SnapshotRemote
) -> None:
    told: list[tuple[str, int, int]] = []
    assert remote.list() == ()
    assert remote.pull(replica) is None
    version = publish(builder, tiny)
    assert remote.push(builder.folder / version, lambda *step: told.append(step))
    assert not remote.push(builder.folder / version)
    assert remote.list() == (version,)
    assert remote.pull(replica, lambda *step: told.append(step)) == version
    assert remote.pull(replica) is None
    one, two = (
        {path.name: path.read_bytes() for path in (shelf.folder / version).iterdir()}
        for shelf in (builder, replica)
    )
    assert one == two
    assert replica.latest().profiles.equals(tiny.profiles)
    total = sum(entry.bytes for entry in replica.latest().manifest.files.values())
    for stage in ("push", "pull"):
        steps = [done for name, done, _ in told if name == stage]
        assert steps[0] == 0
        assert steps[-1] == total
        assert steps == sorted(steps)


def test_a_replica_takes_the_newest_and_never_goes_back(
    tiny: World, builder: SnapshotShelf, replica: SnapshotShelf, remote: SnapshotRemote
) -> None:
    versions = [publish(builder, tiny, minute) for minute in range(3)]
    for version in versions[:2]:
        remote.push(builder.folder / version)
    assert remote.pull(replica) == versions[1]
    own = publish(replica, tiny, 5)
    remote.push(builder.folder / versions[2])
    assert remote.pull(replica) is None
    assert replica.latest().version == own


@pytest.mark.parametrize("step", ["put_file", "pipe_file", "mv"])
def test_an_interrupted_upload_leaves_nothing_visible_and_is_done_again(
    tiny: World,
    builder: SnapshotShelf,
    replica: SnapshotShelf,
    remote: SnapshotRemote,
    url: str,
    step: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = publish(builder, tiny)
    files, _ = opened(url)
    names = sorted(path.name for path in (builder.folder / version).iterdir())
    real: Callable[..., Any] = getattr(files, step)
    for allowed in range(len(names) - 1 if step == "put_file" else 1):
        calls = iter(range(allowed))

        def halfway(*args: Any, calls: Iterator[int] = calls, **kwargs: Any) -> Any:
            if next(calls, None) is None:
                raise Interrupted
            return real(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(files, step, halfway)
            with pytest.raises(Interrupted):
                remote.push(builder.folder / version)
        assert remote.list() == ()
        assert remote.pull(replica) is None
    assert remote.push(builder.folder / version)
    assert remote.pull(replica) == version


def test_an_interrupted_download_leaves_nothing_visible_and_is_done_again(
    tiny: World,
    builder: SnapshotShelf,
    replica: SnapshotShelf,
    remote: SnapshotRemote,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = publish(builder, tiny)
    remote.push(builder.folder / old)
    remote.pull(replica)
    new = publish(builder, tiny, 1)
    remote.push(builder.folder / new)
    files, _ = opened(url)
    real: Callable[..., Any] = files.get_file
    for allowed in range(0, len(list((builder.folder / new).iterdir())) - 1, 4):
        calls = iter(range(allowed))

        def halfway(*args: Any, calls: Iterator[int] = calls, **kwargs: Any) -> Any:
            if next(calls, None) is None:
                raise Interrupted
            return real(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(files, "get_file", halfway)
            with pytest.raises(Interrupted):
                remote.pull(replica)
        assert replica.list() == (old,)
        assert not list(replica.folder.glob(".partial-*"))
    assert remote.pull(replica) == new


def test_one_flipped_bit_in_any_remote_file_is_refused_by_name(
    tiny: World, builder: SnapshotShelf, replica: SnapshotShelf, remote: SnapshotRemote, url: str
) -> None:
    version = publish(builder, tiny)
    remote.push(builder.folder / version)
    files, path = opened(f"{url}/test/{version}")
    for name in sorted(each.name for each in (builder.folder / version).iterdir()):
        whole = files.cat_file(f"{path}/{name}")
        data = bytearray(whole)
        data[len(data) // 2] ^= 4
        files.pipe_file(f"{path}/{name}", bytes(data))
        with pytest.raises(SnapshotCorrupt, match=f"{version}.*{name}"):
            remote.pull(replica)
        assert replica.list() == ()
        files.pipe_file(f"{path}/{name}", whole)
    files.rm_file(f"{path}/items.arrow")
    with pytest.raises(SnapshotCorrupt, match=r"'items\.arrow' is missing"):
        remote.pull(replica)


def test_a_manifest_of_another_version_or_workspace_is_refused(
    tiny: World, builder: SnapshotShelf, replica: SnapshotShelf, remote: SnapshotRemote, url: str
) -> None:
    version = publish(builder, tiny)
    SnapshotRemote(url, "other").push(builder.folder / version)
    with pytest.raises(SnapshotCorrupt, match=r"manifest of snapshot .* of workspace 'test'"):
        SnapshotRemote(url, "other").pull(replica)


def test_a_damaged_local_snapshot_is_not_pushed(
    tiny: World, builder: SnapshotShelf, remote: SnapshotRemote
) -> None:
    version = publish(builder, tiny)
    with (builder.folder / version / "events.arrow").open("ab") as file:
        file.write(b"x")
    with pytest.raises(SnapshotCorrupt, match=r"events\.arrow"):
        remote.push(builder.folder / version)
    assert remote.list() == ()


def test_old_versions_and_half_uploads_are_swept_but_never_the_newest(
    tiny: World, builder: SnapshotShelf, remote: SnapshotRemote, url: str
) -> None:
    versions = [publish(builder, tiny, minute) for minute in range(4)]
    for version in versions:
        remote.push(builder.folder / version)
    files, path = opened(f"{url}/test")
    for half in ("20200101T000000Z-00000000", "20990101T000000Z-00000000"):  # left over, and under way
        files.makedirs(f"{path}/{half}", exist_ok=True)
        files.pipe_file(f"{path}/{half}/items.arrow", b"half")
    assert remote.prune(keep=2) == tuple(versions[:2])
    assert remote.list() == tuple(versions[2:])
    assert not files.exists(f"{path}/20200101T000000Z-00000000")
    assert files.exists(f"{path}/20990101T000000Z-00000000/items.arrow")
    assert remote.prune(keep=0) == (versions[2],)
    assert remote.prune(keep=1) == ()
    assert remote.list() == (versions[3],)


def test_a_store_that_refuses_is_one_sentence(
    tiny: World, builder: SnapshotShelf, remote: SnapshotRemote, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = publish(builder, tiny)

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError("AccessDenied")

    files, _ = opened(url)
    monkeypatch.setattr(files, "put_file", refuse)
    with pytest.raises(
        SnapshotError, match=r"Could not write to .*: AccessDenied\. Check PITCHWRIGHT_SNAPSHOT"
    ):
        remote.push(builder.folder / version)


def test_a_missing_package_or_an_unknown_kind_of_url_says_what_to_do() -> None:
    with pytest.raises(SnapshotError, match=r"s3://bucket/x/shop needs a package.*pip install s3fs"):
        SnapshotRemote("s3://key:secret@bucket/x", "shop")
    with pytest.raises(SnapshotError, match="gopher://x/shop is no URL of a store"):
        SnapshotRemote("gopher://x", "shop")
