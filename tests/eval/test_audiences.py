"""The measurement of `like` beside TF-IDF, on a small demo world with the real encoder."""

from pathlib import Path

import msgspec
import pytest

from eval.audiences import like_precision
from eval.datasets.demo_world import QUERY_WORDS
from indexing.sentence import load_embedder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encodings")


def test_like_finds_planted_interests_by_other_words_and_better_than_word_counts(cache: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    report = like_precision(
        load_embedder("auto", cache),
        [3],
        items=80,
        profiles=1500,
        events=25_000,
        progress=lambda stage, done, total: told.append((stage, done, total)),
    )
    per_seed, overall = report.figures
    assert per_seed.name == "audiences.like.precision_at_100.seed_3"
    assert overall.name == "audiences.like.precision_at_100"
    assert overall.n == sum(map(len, QUERY_WORDS.values()))
    assert overall.value >= 0.8
    assert overall.met
    assert overall.baseline == "TF-IDF"
    assert overall.baseline_value is not None
    assert overall.value > overall.baseline_value
    assert overall.low is not None
    assert overall.high is not None
    assert overall.low <= overall.value <= overall.high
    assert told == [("worlds", 0, 1), ("worlds", 1, 1)]
    assert msgspec.json.decode(msgspec.json.encode(report))["command"] == "pitchwright eval audiences"
