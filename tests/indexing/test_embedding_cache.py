"""Nothing is encoded twice, and no crash or damage changes a vector."""

import zlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from indexing import embedding_cache
from indexing.embedder import Embedder, Vectors
from indexing.embedding_cache import CHUNK_TEXTS, CachedEmbedder
from indexing.snapshot import build
from indexing.world import World
from tests.indexing.conftest import NOW

TEXTS = ("garden trowel", "watering can", "violin bow")


class Counting:
    """Counts what reaches the encoder behind it."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.name, self.dim, self.digest = embedder.name, embedder.dim, embedder.digest
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.encoded.extend(texts)
        return self._embedder.encode(texts)


def test_only_new_texts_are_encoded_once_each(embedder: Embedder, tmp_path: Path) -> None:
    inner = Counting(embedder)
    cached = CachedEmbedder(inner, tmp_path)
    first = cached.encode([*TEXTS, TEXTS[0]])
    assert sorted(inner.encoded) == sorted(TEXTS)
    again = CachedEmbedder(inner, tmp_path).encode([TEXTS[1], "drum sticks", TEXTS[0]])
    assert inner.encoded[3:] == ["drum sticks"]
    assert np.array_equal(again[[0, 2]], first[[1, 0]])
    assert np.array_equal(first[0], first[3])


def test_a_second_build_of_the_same_catalogue_encodes_nothing(
    world: World, embedder: Embedder, tmp_path: Path
) -> None:
    inner = Counting(embedder)
    one = build(world, CachedEmbedder(inner, tmp_path / "cache"), tmp_path / "one", now=NOW)
    assert len(inner.encoded) == 12
    two = build(world, CachedEmbedder(inner, tmp_path / "cache"), tmp_path / "two", now=NOW)
    assert len(inner.encoded) == 12
    assert np.array_equal(one.item_vectors, two.item_vectors)


def test_a_build_with_one_new_item_encodes_that_one(world: World, embedder: Embedder, tmp_path: Path) -> None:
    inner = Counting(embedder)
    build(world, CachedEmbedder(inner, tmp_path / "cache"), tmp_path / "one", now=NOW)
    retitled = pl.when(pl.int_range(pl.len()) == 3).then(pl.lit("Oboe reeds")).otherwise(pl.col("title"))
    changed = msgspec.structs.replace(world, items=world.items.with_columns(title=retitled))
    build(changed, CachedEmbedder(inner, tmp_path / "cache"), tmp_path / "two", now=NOW)
    assert len(inner.encoded) == 13
    assert inner.encoded[12].startswith("Oboe reeds")


def test_a_build_that_is_stopped_keeps_what_it_encoded(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(2 * CHUNK_TEXTS + 5)]
    stopping = Stopping(after_calls=2)
    with pytest.raises(KeyboardInterrupt):
        CachedEmbedder(stopping, tmp_path).encode(texts)
    rest = Stopping(after_calls=9)
    vectors = CachedEmbedder(rest, tmp_path).encode(texts)
    assert len(rest.encoded) == 5
    assert np.array_equal(vectors, Stopping(after_calls=9).encode(texts))


class Stopping:
    """An encoder of nothing much that is interrupted after so many calls."""

    name, dim, digest = "stopping", 4, "0" * 16

    def __init__(self, after_calls: int) -> None:
        self.calls_left = after_calls
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        if not self.calls_left:
            raise KeyboardInterrupt
        self.calls_left -= 1
        self.encoded.extend(texts)
        seeds = [zlib.crc32(text.encode()) for text in texts]
        return np.array([np.random.default_rng(seed).random(4) for seed in seeds], np.float32)


def test_a_half_written_tail_is_ignored_and_cut(embedder: Embedder, tmp_path: Path) -> None:
    vectors = CachedEmbedder(embedder, tmp_path).encode(TEXTS)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    inner = Counting(embedder)
    assert np.allclose(CachedEmbedder(inner, tmp_path).encode(TEXTS), vectors, atol=1e-5)
    assert len(inner.encoded) == 1
    assert file.stat().st_size == len(whole)


def test_a_damaged_record_is_encoded_again(embedder: Embedder, tmp_path: Path) -> None:
    vectors = CachedEmbedder(embedder, tmp_path).encode(TEXTS)
    (file,) = tmp_path.iterdir()
    data = bytearray(file.read_bytes())
    data[600] ^= 1
    file.write_bytes(data)
    inner = Counting(embedder)
    cached = CachedEmbedder(inner, tmp_path)
    assert np.allclose(cached.encode(TEXTS), vectors, atol=1e-5)
    assert len(inner.encoded) == 1
    cached.encode(TEXTS)
    CachedEmbedder(inner, tmp_path).encode(TEXTS)
    assert len(inner.encoded) == 1


def test_records_are_found_however_they_came_to_be_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding_cache, "RECENT", 7)
    texts = [f"text {number}" for number in range(60)]
    inner = Stopping(after_calls=99)
    cached = CachedEmbedder(inner, tmp_path)
    sizes = (1, 3, 2, 9, 1, 30, 5, 2, 7)
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    for start, size in zip(starts, sizes, strict=True):
        cached.encode(texts[start : start + size])
    assert len(inner.encoded) == 60
    plain = Stopping(after_calls=1).encode(texts)
    for known in (cached, CachedEmbedder(inner, tmp_path)):
        assert np.array_equal(known.encode(texts), plain)
    assert len(inner.encoded) == 60


def test_a_record_that_was_replaced_is_found_by_its_newest_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = Stopping(after_calls=99)
    CachedEmbedder(inner, tmp_path).encode(TEXTS)
    (file,) = tmp_path.iterdir()
    data = bytearray(file.read_bytes())
    data[20] ^= 1
    file.write_bytes(data)
    CachedEmbedder(inner, tmp_path).encode(TEXTS)
    assert len(inner.encoded) == 4
    for recent in (0, 2, 100):
        monkeypatch.setattr(embedding_cache, "RECENT", recent)
        CachedEmbedder(inner, tmp_path).encode(TEXTS)
    assert len(inner.encoded) == 4


def test_the_oldest_records_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_cache, "RECENT", 0)
    monkeypatch.setattr(embedding_cache, "MOST_KNOWN", 10)
    inner = Stopping(after_calls=99)
    cached = CachedEmbedder(inner, tmp_path)
    texts = [f"text {number}" for number in range(14)]
    for text in texts:
        cached.encode([text])
    newest = sorted(texts[-10:])
    cached.encode(newest)
    assert len(inner.encoded) == 14
    vectors = cached.encode(texts[:1])
    assert inner.encoded[14:] == texts[:1]
    assert np.array_equal(vectors, Stopping(after_calls=1).encode(texts[:1]))


def test_two_at_once_see_each_others_vectors(embedder: Embedder, tmp_path: Path) -> None:
    one, two = Counting(embedder), Counting(embedder)
    first, second = CachedEmbedder(one, tmp_path), CachedEmbedder(two, tmp_path)
    second.encode(["piano"])
    first.encode(TEXTS)
    second.encode([*TEXTS, "piano"])
    assert two.encoded == ["piano"]


def test_another_model_has_another_file(embedder: Embedder, tmp_path: Path) -> None:
    other = Counting(embedder)
    other.digest = "another"
    CachedEmbedder(embedder, tmp_path).encode(TEXTS)
    CachedEmbedder(other, tmp_path).encode(TEXTS[:1])
    assert other.encoded == [TEXTS[0]]
    assert len(list(tmp_path.iterdir())) == 2
