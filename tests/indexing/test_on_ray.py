"""A build on a real Ray of two workers, with workers killed: the snapshot is the one built here."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from indexing import index_plan, item_vectors, on_ray, profile_building
from indexing.errors import ClusterError, EmbedderError, SnapshotError
from indexing.item_vectors import encode_items
from indexing.on_ray import Encoder, RayWorkers, cluster
from indexing.profile_building import build_profiles
from indexing.profiles import TasteParameters
from indexing.snapshot_files import write_snapshot
from indexing.world import World
from tests.indexing.dying_workers import check_killed, dying
from tests.indexing.plain_embedder import PlainEmbedder
from tests.indexing.small_world import AS_OF, make_world

# Ray's settings set, of themselves, some that they call deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.*is deprecated:Warning:ray.data.context")


@pytest.fixture(scope="module")
def ray() -> Iterator[None]:
    pytest.importorskip("ray.data", reason='Ray is not installed: pip install "pitchwright[ray]"')
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_worker_niceness", "0")  # else busy cores would leave the workers nothing
        with cluster("ray", workers=2):
            yield


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_vectors, "TEXTS_AT_ONCE", 2)
    monkeypatch.setattr(profile_building, "CHUNK_EVENTS", 64)
    monkeypatch.setattr(index_plan, "FLAT_BELOW", 50)  # interests get inverted lists, the few items do not
    monkeypatch.setattr(on_ray, "ADDED_AT_ONCE", 16)


def uneven_world() -> World:
    """People without events at both ends and between, and events that name no item."""
    world = make_world(60, seed=5)
    nameless = pl.int_range(pl.len()) % 11 == 0
    events = world.events.with_columns(pl.when(~nameless).then("item").alias("item"))
    return msgspec.structs.replace(world, events=events.filter(~pl.col("profile").is_in([0, 17, 18, 59])))


@pytest.mark.slow
def test_the_snapshot_is_the_local_one_byte_for_byte_although_workers_are_killed(
    ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, embedder = uneven_world(), PlainEmbedder()
    folders = {name: tmp_path / name for name in ("local", "on_ray", "encoder", "profiles", "lists")}
    for folder in folders.values():
        folder.mkdir()
    local = write_snapshot(world, embedder, folders["local"], now=AS_OF)
    monkeypatch.setattr(on_ray, "Encoder", dying(on_ray.Encoder, folders["encoder"]))
    monkeypatch.setattr(on_ray, "ProfileComputer", dying(on_ray.ProfileComputer, folders["profiles"]))
    monkeypatch.setattr(on_ray, "ListFiller", dying(on_ray.ListFiller, folders["lists"]))
    told: list[tuple[str, int, int]] = []
    distributed = write_snapshot(
        world,
        embedder,
        folders["on_ray"],
        now=AS_OF,
        workers=RayWorkers(PlainEmbedder, embedder.digest),
        progress=lambda *step: told.append(step),
    )
    assert distributed.files == local.files  # names, sizes and sha256 of everything a snapshot is
    assert (distributed.encoded, distributed.counts) == (local.encoded, local.counts)
    for stage, total in (("encode", 12), ("profiles", 60)):
        assert [step for step in told if step[0] == stage][-1] == (stage, total, total)
    assert (local.item_index, local.interest_index) == ("flat", "ivf")
    lists = -(-local.counts.interests // 16)
    for stage, parts in (("encoder", 6), ("profiles", 8), ("lists", lists)):
        check_killed(folders[stage], parts)


@pytest.mark.slow
def test_what_is_wrong_with_an_encoder_is_said_as_it_is_here(ray: None) -> None:
    world = make_world(4)
    encode = partial(encode_items, world.items, PlainEmbedder(), None, lambda *_: None)
    with pytest.raises(SnapshotError, match=r"The embedder broken gave vectors that are not finite, as for"):
        encode(RayWorkers(Broken, Broken().digest).encode)
    with pytest.raises(ClusterError, match=r"The work on Ray failed: no such folder$"):
        encode(RayWorkers(lost, "").encode)


@pytest.mark.slow
def test_a_world_without_texts_or_profiles_needs_no_worker(ray: None, tmp_path: Path) -> None:
    world = make_world(4)
    empty = msgspec.structs.replace(
        world, items=world.items.clear(), profiles=world.profiles.clear(), events=world.events.clear()
    )
    workers = RayWorkers(lost, "")
    encoded = encode_items(empty.items, PlainEmbedder(), None, lambda *_: None, workers.encode)
    assert encoded.vectors.shape == (0, 16)
    tastes, _ = build_profiles(
        empty, encoded.vectors, TasteParameters(), folder=tmp_path, compute=workers.compute
    )
    assert tastes.offsets.tolist() == [0]


def test_a_worker_with_another_model_is_refused() -> None:
    encoder = Encoder(partial(PlainEmbedder, name="other"), PlainEmbedder().digest)
    with pytest.raises(EmbedderError, match=r"A worker's embedder other has the digest .* the same model"):
        encoder(pa.table({"text": ["a trowel"]}))


@pytest.mark.parametrize("address", ["ray://127.0.0.1:1", "ray://127.0.0.1", "ray://127.0.0.1:99999"])
def test_where_nobody_listens_is_said_at_once(address: str) -> None:
    with pytest.raises(ClusterError, match=f"^Ray cannot be reached at '{address}': "), cluster(address):
        pass


def test_without_ray_the_install_command_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(ClusterError, match=r'not installed: pip install "pitchwright\[ray\]"'),
        cluster("ray"),
    ):
        pass


class Broken(PlainEmbedder):
    def __init__(self) -> None:
        super().__init__(name="broken")

    def encode(self, texts: Any) -> Any:
        return np.full((len(texts), self.dim), np.nan, np.float32)


def lost() -> PlainEmbedder:
    raise FileNotFoundError("no such folder")
