"""Nothing is encoded twice, and no crash or damage changes a vector."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from indexing.embedder import Embedder, Vectors
from indexing.embedding_cache import CachedEmbedder
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
