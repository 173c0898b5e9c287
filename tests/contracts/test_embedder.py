"""One contract for every adapter of `Embedder`, on the real model."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from indexing.embedder import Embedder
from indexing.embedding_cache import CachedEmbedder
from indexing.sentence import load_embedder
from tests.indexing.distilled import distil_small

TEXTS = (
    "garden trowel",
    "a",
    "a guitar with six strings " * 12,
    "",
    "Gartenschaufel",
    "園芸",
    "ガーデニング 🌱 садоводство",
    " \t\n ",
    "\x00",
    "watering can " * 2_000,
)


SHORT = tuple(text for text in TEXTS if len(text) < 100)


@pytest.fixture(scope="module")
def model() -> Embedder:
    return load_embedder("offline")


@pytest.fixture(scope="module")
def static_folder(model: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("static") / "embedder"
    distil_small(model).save(folder)
    return folder


@pytest.fixture(params=["model", "cached", "static", "static_cached"])
def embedder(
    request: pytest.FixtureRequest, model: Embedder, static_folder: Path, tmp_path: Path
) -> Embedder:
    inner = load_embedder(str(static_folder)) if request.param.startswith("static") else model
    return CachedEmbedder(inner, tmp_path) if request.param.endswith("cached") else inner


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
    expected = embedder.encode(SHORT)
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(lambda _: embedder.encode(SHORT), range(4)):
            assert np.allclose(vectors, expected, atol=1e-5)


def test_equal_texts_in_another_batch_give_the_same_rows(embedder: Embedder) -> None:
    texts = TEXTS[:-1]  # the longest is among others in the first test
    alone = np.concatenate([embedder.encode([text]) for text in texts])
    shuffled = embedder.encode([*reversed(texts), *texts])
    assert np.allclose(shuffled[: len(texts)][::-1], alone, atol=1e-5)
    assert np.allclose(shuffled[len(texts) :], alone, atol=1e-5)


def test_name_and_digest_identify_the_weights(model: Embedder, static_folder: Path) -> None:
    assert (model.name, model.dim, model.digest) == ("all-MiniLM-L6-v2", 384, "53aa51172d142c89")
    static = load_embedder(str(static_folder))
    assert static.name == "static-all-MiniLM-L6-v2-384"
    assert static.digest not in (model.digest, "")
