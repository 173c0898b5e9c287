"""Working on slices of people gives the numbers that working on everyone, or on one, gives."""

from threading import Lock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexing.profiles import Interests, Tastes
from indexing.similarity import BEST_ITEMS, DECIMALS, group_similarity, text_similarity
from indexing.slices import Slice, for_slices

DIM = 24
SIZES = st.lists(st.integers(0, 9), min_size=1, max_size=30)
SMALL = {"_TASTES_AT_ONCE": 5, "_CHUNK": 4, "_INTERESTS_IN_CACHE": 2}


def _offsets(sizes: list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _vectors(rng: np.random.Generator, n: int) -> np.ndarray:
    drawn = rng.standard_normal((n, DIM)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@settings(max_examples=60, deadline=None)
@given(SIZES, st.integers(1, 20), st.none() | st.integers(1, 7))
def test_slices_cover_every_profile_once_and_never_cut_one(
    sizes: list[int], rows: int, profiles: int | None
) -> None:
    offsets = _offsets(sizes)
    seen: list[Slice] = []
    lock = Lock()

    def note(part: Slice) -> None:
        with lock:
            seen.append(part)

    for_slices(offsets, note, rows_at_once=rows, profiles_at_once=profiles)
    seen.sort()
    assert [row for part in seen for row in range(part.profiles.start, part.profiles.stop)] == list(
        range(len(sizes))
    )
    for part in seen:
        assert (part.rows.start, part.rows.stop) == (
            offsets[part.profiles.start],
            offsets[part.profiles.stop],
        )
        assert profiles is None or part.width <= profiles
        longest = max(sizes[part.profiles])
        assert part.rows.stop - part.rows.start < rows + max(longest, 1)


def test_what_fails_in_a_slice_fails() -> None:
    def fail(part: Slice) -> None:
        raise ValueError(f"slice {part.profiles.start}")

    with pytest.raises(ValueError, match="slice 0"):
        for_slices(_offsets([3] * 9), fail, rows_at_once=4)


@settings(max_examples=40, deadline=None)
@given(SIZES, st.integers(0, 10_000))
def test_similarity_to_a_text_is_the_mean_of_the_best_items_alone_as_among_others(
    sizes: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = _vectors(rng, 40)
    vectors[::7] = 0
    vectors[1] = vectors[2]
    items = np.concatenate([rng.permutation(40)[:size] for size in sizes]).astype(np.int32)
    offsets = _offsets(sizes)
    query = _vectors(rng, 1)[0]
    liked = Tastes(items=items, weights=np.ones(len(items), np.float32), offsets=offsets)
    together = text_similarity(liked, vectors, query)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL.items():
            patch.setattr(f"indexing.similarity.{name}", value)
        np.testing.assert_array_equal(text_similarity(liked, vectors, query), together)
    for row, score in enumerate(together):
        own = items[offsets[row] : offsets[row + 1]]
        alone = Tastes(items=own, weights=np.ones(len(own), np.float32), offsets=_offsets([len(own)]))
        np.testing.assert_array_equal(text_similarity(alone, vectors, query), [score])
        near = sorted((float(v @ query) for v in vectors[own] if v.any()), reverse=True)[:BEST_ITEMS]
        assert score == pytest.approx(sum(near) / len(near), abs=2e-5) if near else np.isnan(score)


@settings(max_examples=40, deadline=None)
@given(SIZES, st.integers(1, 8), st.integers(0, 10_000))
def test_similarity_to_a_group_is_the_same_alone_as_among_others(
    sizes: list[int], groups: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    offsets = _offsets(sizes)
    interests = Interests(
        vectors=_vectors(rng, int(offsets[-1])), weights=np.ones(offsets[-1], np.float32), offsets=offsets
    )
    prototypes = _vectors(rng, groups)
    shares = rng.dirichlet(np.ones(groups)).astype(np.float32)
    together = group_similarity(interests, prototypes, shares)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL.items():
            patch.setattr(f"indexing.similarity.{name}", value)
        np.testing.assert_array_equal(group_similarity(interests, prototypes, shares), together)
    for row, score in enumerate(together):
        own = interests.vectors[offsets[row] : offsets[row + 1]]
        alone = Interests(vectors=own, weights=np.ones(len(own), np.float32), offsets=_offsets([len(own)]))
        np.testing.assert_array_equal(group_similarity(alone, prototypes, shares), [score])
        if len(own):
            best = (own.astype(np.float64) @ prototypes.T).max(axis=0).round(DECIMALS)
            assert score == pytest.approx(float(best @ shares), abs=3e-5)
        else:
            assert np.isnan(score)
