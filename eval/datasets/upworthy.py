"""Upworthy's headline tests, summed to what can be compared: one row per test and headline."""

import hashlib
import html
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from eval.datasets.public import read_file
from eval.errors import DatasetError

NAME, FILE = "upworthy", "headline_tests.csv.gz"

Ints = npt.NDArray[np.int64]

NORMAL_95 = 1.96
_MARKS = re.compile(r"[^\w\s]")


class HeadlineTests(msgspec.Struct, frozen=True, kw_only=True):
    """Headlines that were tested against one another, n of them over all files."""

    texts: tuple[str, ...]
    tests: Ints
    """int64[n]: which test a headline was in."""
    stories: Ints
    """int64[n]: which story the test belongs to. Tests that share a headline or an image share a story."""
    files: Ints
    """int64[n]: which of the files it came from, 0 for the first."""
    impressions: Ints
    clicks: Ints
    digests: tuple[str, ...]
    """sha256 of each file, hex."""
    notes: tuple[str, ...]
    """What was left out, in words."""
    declared: int = 0
    """Packages the editors used after their test, as its winners."""
    doubtful: int = 0
    """Of these, how many were not clicked more than the best other package of their test at p < .05."""

    def __len__(self) -> int:
        return len(self.texts)


def headline_key(text: str) -> str:
    """Write a headline without case, punctuation and doubled blanks."""
    return " ".join(_MARKS.sub("", html.unescape(text).lower()).split())


def read_headline_tests(paths: Sequence[Path]) -> HeadlineTests:
    """Read one or several files of the archive into one set of stories.

    Rows that were probably not randomised (`randomisation_suspect`) are left out, packages of a test with the
    same headline are summed. Two tests are of one story when they share a headline, case and punctuation
    ignored, or an image, and so are those linked by others between them: what is learnt from one can be
    known of the other. Raises `DatasetError` for a file that cannot be read as this set, or holds no test.
    """
    frames: list[pl.DataFrame] = []
    digests: list[str] = []
    notes: list[str] = []
    for place, path in enumerate(paths):
        reading = read_file(NAME, FILE, path, verify=False)
        digests.append(reading.sha256)
        notes += [f"{path.name}: {note}" for note in reading.notes]
        kept = reading.frame.filter(pl.col("randomisation_suspect") == 0)
        suspect = reading.frame.height - kept.height
        if suspect:
            notes.append(
                f"{path.name}: {suspect:,} packages left out, of weeks that were probably not randomised"
            )
        frames.append(kept.with_columns(pl.lit(place, pl.Int64).alias("file")))
    packages = pl.concat(frames).rename({"clickability_test_id": "test"})
    if not packages.height:
        named = ", ".join(map(str, paths))
        raise DatasetError(f"{named}: no test in it was randomised, give another file")
    packages = packages.with_columns(
        pl.col("headline").map_elements(headline_key, return_dtype=pl.String).alias("key")
    )
    story_of = _stories(packages)
    declared, doubtful = _winners(packages)
    rows = packages.group_by(["test", "headline"], maintain_order=True).agg(
        pl.col("impressions", "clicks").sum(), pl.col("file").first()
    )
    names = rows["test"].unique(maintain_order=True).to_list()
    number = {name: place for place, name in enumerate(names)}
    tests: list[str] = rows["test"].to_list()
    return HeadlineTests(
        texts=tuple(html.unescape(text) for text in rows["headline"].to_list()),
        tests=np.array([number[test] for test in tests], np.int64),
        stories=np.array([story_of[test] for test in tests], np.int64),
        files=rows["file"].to_numpy().astype(np.int64),
        impressions=rows["impressions"].to_numpy().astype(np.int64),
        clicks=rows["clicks"].to_numpy().astype(np.int64),
        digests=tuple(digests),
        notes=tuple(notes),
        declared=declared,
        doubtful=doubtful,
    )


def _winners(packages: pl.DataFrame) -> tuple[int, int]:
    """Count declared winners with a rival, and those a two-proportion test against the best one doubts."""
    rate = pl.col("clicks") / pl.col("impressions")
    ranked = packages.with_columns(rate.alias("rate")).with_row_index("row")
    won = ranked.filter(pl.col("winner") == 1)
    rivals = (
        won.select("row", "test")
        .join(ranked, on="test", suffix="_other")
        .filter(pl.col("row") != pl.col("row_other"))
        .sort("rate", "row_other", descending=[True, False])
        .group_by("row", maintain_order=True)
        .first()
    )
    both = won.join(rivals, on="row", suffix="_rival")
    n, m = (both[name].to_numpy().astype(np.float64) for name in ("impressions", "impressions_rival"))
    a, b = (both[name].to_numpy().astype(np.float64) for name in ("clicks", "clicks_rival"))
    pooled = (a + b) / (n + m)
    spread = np.sqrt(np.maximum(pooled * (1 - pooled) * (1 / n + 1 / m), 1e-300))
    return both.height, int(((a / n - b / m) / spread < NORMAL_95).sum())


def _stories(packages: pl.DataFrame) -> dict[str, int]:
    """Give each test the number of its story: its part of the graph of tests, headlines and images."""
    parents: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        parents.setdefault(node, node)
        while parents[node] != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    for test, key, image in packages.select("test", "key", "eyecatcher_id").iter_rows():
        for kind, shared in (("headline", key), ("image", image)):
            if shared:
                parents[root(("test", test))] = root((kind, shared))
    numbers: dict[tuple[str, str], int] = {}
    tests: list[str] = packages["test"].unique(maintain_order=True).to_list()
    return {test: numbers.setdefault(root(("test", test)), len(numbers)) for test in tests}


def folds(tests: HeadlineTests, *, n: int, seed: int) -> Ints:
    """Deal the stories into n folds, int64[len(tests)]; all headlines of a story are in one fold."""
    stories = np.unique(tests.stories)
    if len(stories) < n:
        raise DatasetError(f"{len(stories)} stories cannot be dealt into {n} folds: give more tests")
    dealt = np.empty(int(stories.max()) + 1, np.int64)
    dealt[np.random.default_rng(seed).permutation(stories)] = np.arange(len(stories)) % n
    return dealt[tests.stories]


def require_apart(tests: HeadlineTests, learnt: npt.NDArray[np.bool_], scored: npt.NDArray[np.bool_]) -> None:
    """Raise `DatasetError` when a story, or a headline, is both learnt from and scored."""
    both = np.intersect1d(tests.stories[learnt], tests.stories[scored])
    keys = [headline_key(text) for text in tests.texts]
    seen = {key for key, own in zip(keys, learnt.tolist(), strict=True) if own}
    again = [place for place, own in enumerate(scored.tolist()) if own and keys[place] in seen]
    if len(both) or again:
        example = again[0] if again else int(np.flatnonzero(scored & np.isin(tests.stories, both))[0])
        raise DatasetError(
            f"the split leaks: {len(both)} stories and {len(again)} headlines are both learnt from and "
            f"scored, such as {tests.texts[example]!r}. Split by story"
        )


def digest(tests: HeadlineTests) -> str:
    """Identify what was read: sha256 over the files' own, first 16 hex digits."""
    return hashlib.sha256(" ".join(tests.digests).encode()).hexdigest()[:16]
