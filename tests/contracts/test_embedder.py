"""One contract for every adapter of `Embedder`, on the real model."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from indexing.embedder import Embedder
from indexing.embedding_cache import CachedEmbedder
from indexing.sentence import load_embedder

TEXTS = (
    "garden trowel",
    "a",
    "a guitar with six strings " * 12,
    "",
    "Gartenschaufel",
    "園芸",
)


@pytest.fixture(scope="module")
def model() -> Embedder:
    return load_embedder("offline")


@pytest.fixture(params=["model", "cached"])
def embedder(request: pytest.FixtureRequest, model: Embedder, tmp_path: Path) -> Embedder:
    return model if request.param == "model" else CachedEmbedder(model, tmp_path)


def test_rows_are_unit_and_in_the_order_of_the_texts(embedder: Embedder) -> None:
    vectors = embedder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dim)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for text, row in zip(TEXTS, vectors, strict=True):
        assert np.allclose(embedder.encode([text])[0], row, atol=1e-5)


def test_the_same_text_twice_gives_the_same_row(embedder: Embedder) -> None:
    vectors = embedder.encode(["watering can", "drum", "watering can"])
    assert np.allclose(vectors[0], vectors[2], atol=1e-5)
    assert not np.allclose(vectors[0], vectors[1], atol=0.1)


def test_no_texts_give_no_rows(embedder: Embedder) -> None:
    assert embedder.encode([]).shape == (0, embedder.dim)


def test_meaning_is_nearer_than_another_topic(embedder: Embedder) -> None:
    trowel, spade, card = embedder.encode(["garden trowel", "spade for the vegetable patch", "graphics card"])
    assert trowel @ spade > trowel @ card + 0.1


def test_threads_may_share_it(embedder: Embedder) -> None:
    expected = embedder.encode(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(lambda _: embedder.encode(TEXTS), range(4)):
            assert np.allclose(vectors, expected, atol=1e-5)


def test_name_and_digest_identify_the_weights(embedder: Embedder) -> None:
    assert embedder.name == "all-MiniLM-L6-v2"
    assert embedder.dim == 384
    assert embedder.digest == "53aa51172d142c89"
