"""A build that takes from the snapshot before gives what a build from nothing gives."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexing import index_plan
from indexing.carrying import SAME, carried_interests, carried_items
from indexing.embedder import Vectors
from indexing.shelf import SnapshotShelf
from indexing.snapshot import Snapshot, build
from tests.indexing.changing_world import CHANGES, ChangingShop
from tests.indexing.conftest import NOW
from tests.indexing.plain_embedder import PlainEmbedder
from tests.indexing.small_world import make_world

changes = st.lists(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=6), min_size=1, max_size=3)
quiet = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def file_digests(snapshot: Snapshot) -> dict[str, str]:
    return {name: entry.sha256 for name, entry in snapshot.manifest.files.items()}


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


@quiet
@given(seed=st.integers(0, 1 << 16), rounds=changes)
def test_columns_and_flat_indexes_are_byte_for_byte_those_of_a_full_build(
    tmp_path_factory: pytest.TempPathFactory, seed: int, rounds: list[list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("incremental")
    shop = ChangingShop(seed)
    snapshot = build(shop.world(), PlainEmbedder(), folder / "0", now=NOW)
    for number, names in enumerate(rounds, start=1):
        for name in names:
            shop.change(name)
        before = {title["title"] for title in shop.items.values()}
        embedder = PlainEmbedder()
        snapshot = build(shop.world(), embedder, folder / str(number), now=NOW, previous=snapshot)
        full = build(shop.world(), PlainEmbedder(), folder / f"{number}-full", now=NOW)
        assert file_digests(snapshot) == file_digests(full)
        assert set(embedder.encoded) <= before
        assert snapshot.manifest.encoded == len(embedder.encoded) <= len(before)


@quiet
@given(seed=st.integers(0, 1 << 16), rounds=changes)
def test_what_was_removed_is_in_no_search_no_row_and_no_file(
    tmp_path_factory: pytest.TempPathFactory, seed: int, rounds: list[list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("removed")
    shop = ChangingShop(seed)
    snapshot = build(shop.world(), PlainEmbedder(), folder / "0", now=NOW)
    for number, names in enumerate(rounds, start=1):
        for name in [*names, "erased_profile"]:
            shop.change(name)
        snapshot = build(shop.world(), PlainEmbedder(), folder / str(number), now=NOW, previous=snapshot)
        content = bytes_of(snapshot.folder)
        assert shop.erased
        for erased in shop.erased:
            assert erased.encode() not in content  # nor "motto of ...", which names it
            assert erased not in snapshot.profiles["id"]
        wanted = snapshot.item_vectors[snapshot.item_vectors.any(axis=1)]
        _, rows = snapshot.interest_index.search(wanted, max(len(snapshot.interests.weights), 1))
        found = snapshot.interest_owners[rows[rows >= 0]]
        assert set(found.tolist()) <= set(range(len(shop.profiles)))
        assert snapshot.events["profile"].n_unique() <= len(shop.profiles)


def test_only_new_and_changed_texts_are_encoded_and_equal_ones_once(tmp_path: Path) -> None:
    shop = ChangingShop(0, n_items=0)
    for name, title in (("a", "red tent"), ("b", "red tent"), ("c", "wool"), ("d", "")):
        shop.items[name] = {"title": title}
    embedder = PlainEmbedder()
    one = build(shop.world(), embedder, tmp_path / "one", now=NOW)
    assert sorted(embedder.encoded) == ["red tent", "wool"]
    assert (one.item_vectors[0] == one.item_vectors[1]).all()
    embedder.encoded.clear()
    shop.items["c"] = {"title": "blue wool"}
    shop.items["0"] = {"title": "wool"}  # sorts first, so that every row moves; known by its text
    two = build(shop.world(), embedder, tmp_path / "two", now=NOW, previous=one)
    assert embedder.encoded == ["blue wool"]
    assert two.manifest.encoded == 1
    assert (two.item_vectors[0] == one.item_vectors[2]).all()
    embedder.encoded.clear()
    build(shop.world(), PlainEmbedder(name="other"), tmp_path / "three", now=NOW, previous=two)
    assert two.manifest.embedder.name == "plain"


def test_vectors_of_another_embedder_are_never_taken(tmp_path: Path) -> None:
    world = make_world(6)
    one = build(world, PlainEmbedder(), tmp_path / "one", now=NOW)
    for other in (PlainEmbedder(name="other"), PlainEmbedder(24)):
        two = build(world, other, tmp_path / other.digest, now=NOW, previous=one)
        assert two.manifest.encoded == 12
        assert two.item_vectors.shape == (13, other.dim)


def recall(snapshot: Snapshot, queries: Vectors, k: int = 10) -> float:
    """Share of the k answers that are as close as the k-th closest."""
    _, found = snapshot.interest_index.search(queries, k)
    similarities = queries @ snapshot.interests.vectors.T
    tenth = -np.sort(-similarities, axis=1)[:, k - 1 : k]
    return float((np.take_along_axis(similarities, found, axis=1) >= tenth - 1e-5).mean())


@settings(quiet, max_examples=3)
@given(seed=st.integers(0, 1 << 16), rounds=changes)
def test_approximate_indexes_stay_within_the_stated_recall(
    tmp_path_factory: pytest.TempPathFactory, seed: int, rounds: list[list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("approximate")
    shop = ChangingShop(seed, n_items=40, n_profiles=150)
    for _ in range(30):
        shop.events_happen()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_plan, "FLAT_BELOW", 30)
        snapshot = build(shop.world(), PlainEmbedder(), folder / "0", now=NOW)
        for number, names in enumerate(rounds, start=1):
            for name in [*names, "erased_profile", "changed_item"]:
                shop.change(name)
            snapshot = build(shop.world(), PlainEmbedder(), folder / str(number), now=NOW, previous=snapshot)
            assert snapshot.interest_index.kind == snapshot.manifest.interest_index == "ivf"
            assert snapshot.interest_index.size == len(snapshot.interests.weights)
            stated = snapshot.interest_index.describe().recall_at_10
            assert stated is not None
            queries = snapshot.item_vectors[snapshot.item_vectors.any(axis=1)]
            assert recall(snapshot, queries) >= stated - 0.02 >= 0.93
            content = bytes_of(snapshot.folder)
            assert not [name for name in shop.erased if name.encode() in content]


def test_what_moved_by_rounding_alone_keeps_its_code_and_nothing_else_does(tmp_path: Path) -> None:
    shop = ChangingShop(3, n_items=40, n_profiles=60)
    for _ in range(20):
        shop.events_happen()
    before = build(shop.world(), PlainEmbedder(), tmp_path / "before", now=NOW)
    gone = min(shop.profiles)
    del shop.profiles[gone]
    shop.events = [event for event in shop.events if event["profile"] != gone]
    changed = sorted(shop.items)[5]
    shop.items[changed] = {"title": "something else"}
    shop.later()
    after = build(shop.world(), PlainEmbedder(), tmp_path / "after", now=NOW)

    places = carried_interests(before, after.profiles["id"], after.interests)
    kept = places >= 0
    assert len(set(places[kept].tolist())) == kept.sum()
    assert np.abs(after.interests.vectors[kept] - before.interests.vectors[places[kept]]).max() <= SAME
    owners = before.profiles["id"].gather(before.interest_owners[places[kept]])
    assert owners.equals(after.profiles["id"].gather(after.interest_owners[kept]))
    assert gone not in owners
    buyers = {event["profile"] for event in shop.events if event["item"] == changed}
    untouched = [row for row, name in enumerate(after.profiles["id"]) if name not in buyers]
    assert kept[np.isin(after.interest_owners, untouched)].mean() > 0.9

    with_text = np.flatnonzero(after.item_vectors.any(axis=1))
    places = carried_items(before, after.items["id"], after.item_text_digests, with_text)
    old = before.item_vectors[before.item_vectors.any(axis=1)]
    assert (places < 0).sum() == (after.items["id"].gather(with_text) == changed).sum() == 1
    assert (old[places[places >= 0]] == after.item_vectors[with_text[places >= 0]]).all()


def test_a_damaged_or_foreign_snapshot_before_only_costs_time(tmp_path: Path) -> None:
    shelf = SnapshotShelf(tmp_path)
    world = make_world(6)
    embedder = PlainEmbedder()
    first = shelf.publish(world, embedder, now=NOW).version
    (tmp_path / first / "items.arrow").write_bytes(b"damaged")
    second = SnapshotShelf(tmp_path).publish(world, embedder, now=NOW + timedelta(minutes=1))
    assert second.manifest.encoded == 12
    third = SnapshotShelf(tmp_path).publish(world, embedder, now=NOW + timedelta(minutes=2))
    assert third.manifest.encoded == 0
    assert file_digests(third) == file_digests(second)
    fourth = SnapshotShelf(tmp_path).publish(world, embedder, now=NOW + timedelta(minutes=3), full=True)
    assert fourth.manifest.encoded == 12
