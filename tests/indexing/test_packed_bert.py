"""The encoder without padding beside the library's own."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from indexing import packed_bert
from indexing.packed_bert import PackedBert
from indexing.sentence import locate_model

TEXTS = (
    "garden trowel",
    "",
    "A wool blanket that keeps its shape.\nWarm all winter, whatever the house says.",
    "園芸 ガーデニング 🌱",
    *("watering can " * words for words in range(1, 20, 6)),
)


@pytest.fixture(scope="module")
def library() -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(locate_model("offline")[0]), local_files_only=True)


@pytest.fixture(scope="module")
def packed(library: Any) -> PackedBert:
    found = PackedBert.of(library)
    assert found is not None
    return found


def unit(rows: Any) -> Any:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_rows_are_those_of_the_library(library: Any, packed: PackedBert) -> None:
    texts = [*TEXTS, "watering can " * 2_000]
    np.testing.assert_allclose(unit(packed.encode(texts)), library.encode(texts, batch_size=2), atol=2e-6)


def test_a_text_has_the_same_row_in_any_company(packed: PackedBert) -> None:
    alone = np.concatenate([packed.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(unit(packed.encode(TEXTS[::-1])[::-1]), unit(alone), atol=2e-6)


def test_batches_hold_so_many_tokens_and_every_text_once(
    packed: PackedBert, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, batches = packed._run, list[list[int]]()  # pyright: ignore[reportPrivateUsage] # what is encoded together is seen nowhere else

    def seen(read: Sequence[Sequence[int]]) -> Any:
        batches.append([len(each) for each in read])
        return run(read)

    monkeypatch.setattr(packed, "_run", seen)
    monkeypatch.setattr(packed_bert, "MOST_TOKENS", 30)
    assert packed.encode(TEXTS).shape == (len(TEXTS), 384)
    assert sum(map(len, batches)) == len(TEXTS)
    assert all(sum(batch) <= 30 or len(batch) == 1 for batch in batches)
    assert len(batches) < len(TEXTS)


@pytest.mark.parametrize("change", ["pooling", "prompt", "layers"])
def test_a_model_of_another_make_is_left_to_the_library(
    library: Any, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    if change == "pooling":
        monkeypatch.setattr(library[1], "pooling_mode", "cls")
    elif change == "prompt":
        monkeypatch.setattr(library, "default_prompt_name", "query")
    else:
        monkeypatch.setattr(library[0].auto_model.config, "hidden_act", "relu")
    assert PackedBert.of(library) is None
