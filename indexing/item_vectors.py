"""Item texts to vectors, each text encoded once: what the snapshot before holds is taken from it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from indexing.embedder import Embedder, Vectors
from indexing.errors import SnapshotError
from indexing.text import item_texts

Digests = npt.NDArray[np.uint8]
"""uint8[n, 16]: BLAKE2b of each item's text; a row of zeros for an item without one."""

_DIGEST_BYTES = 16
TEXTS_AT_ONCE = 1_024
"""Of a part: what shares a batch may show in a vector's last bit, so every build has the same parts."""


Parts = Iterable[Sequence[str]]
"""Texts to encode, about as many as are worth one call."""


class ItemVectors(msgspec.Struct, frozen=True, kw_only=True):
    """The vectors of all items, and what they were made from."""

    vectors: Vectors
    """float32[n, dim]; a zero row for an item without text."""
    digests: Digests
    encoded: int
    """Items whose text was encoded now, rather than taken from before."""


class EncodedBefore(msgspec.Struct, frozen=True, kw_only=True):
    """Vectors of an earlier snapshot, by the same embedder."""

    vectors: Vectors
    digests: Digests


def encode_items(
    items: pl.DataFrame,
    embedder: Embedder,
    before: EncodedBefore | None,
    report: Callable[[int, int], None],
    encode: Callable[[Parts], Iterable[Vectors]] | None = None,
    *,
    texts_at_once: int | None = None,
) -> ItemVectors:
    """Encode the items' texts, equal texts once, known ones (by digest) not at all.

    `report(done, total)` counts texts to encode. `encode` gives the rows of all parts in their order, some at
    a time; by default the embedder encodes part after part here. `texts_at_once` is a part's size, by default
    `TEXTS_AT_ONCE`. Raises `SnapshotError` when the embedder answers with rows of another shape, with values
    that are not finite, or not for every text.
    """
    texts = item_texts(items)
    digests = _digests(texts)
    vectors = np.zeros((len(texts), embedder.dim), np.float32)
    known = _taken(vectors, digests, before)
    first_with: dict[bytes, int] = {}
    for row, text in enumerate(texts):
        if text and not known[row]:
            first_with.setdefault(digests[row].tobytes(), row)
    waiting = sorted(first_with.values(), key=lambda row: (len(texts[row]), row))
    report(0, len(waiting))
    size = texts_at_once or TEXTS_AT_ONCE
    parts = ([texts[row] for row in waiting[start : start + size]] for start in range(0, len(waiting), size))
    done = 0
    for encoded in encode(parts) if encode is not None else _encode_here(parts, embedder):
        vectors[waiting[done : done + len(encoded)]] = encoded
        done += len(encoded)
        report(done, len(waiting))
    if done != len(waiting):
        raise SnapshotError(f"Of {len(waiting):,} texts {done:,} came back encoded: build again.")
    again = [row for row, text in enumerate(texts) if text and not known[row]]
    vectors[again] = vectors[[first_with[digests[row].tobytes()] for row in again]]
    return ItemVectors(vectors=vectors, digests=digests, encoded=len(waiting))


def encode_part(texts: Sequence[str], embedder: Embedder) -> Vectors:
    """Encode some texts and look at what comes back; raises `SnapshotError` as `encode_items` does."""
    encoded = embedder.encode(texts)
    if encoded.shape != (len(texts), embedder.dim):
        raise SnapshotError(
            f"The embedder {embedder.name} gave vectors of shape {encoded.shape} for {len(texts)} texts, "
            f"expected ({len(texts)}, {embedder.dim}): use another."
        )
    if not np.isfinite(encoded).all():
        wrong = int(np.flatnonzero(~np.isfinite(encoded).all(axis=1))[0])
        raise SnapshotError(
            f"The embedder {embedder.name} gave vectors that are not finite, as for the text "
            f"{texts[wrong][:80]!r}: use another."
        )
    return encoded


def _encode_here(parts: Parts, embedder: Embedder) -> Iterator[Vectors]:
    for part in parts:
        yield encode_part(part, embedder)


def _digests(texts: Sequence[str]) -> Digests:
    data = bytearray(_DIGEST_BYTES * len(texts))
    for row, text in enumerate(texts):
        if text:
            digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES)
            data[row * _DIGEST_BYTES : (row + 1) * _DIGEST_BYTES] = digest.digest()
    return np.frombuffer(bytes(data), np.uint8).reshape(-1, _DIGEST_BYTES)


def _taken(vectors: Vectors, digests: Digests, before: EncodedBefore | None) -> npt.NDArray[np.bool_]:
    """Fill in the rows whose text was encoded before; name them: bool[n]."""
    known = np.zeros(len(digests), np.bool_)
    if before is None or not len(before.digests) or not len(digests):
        return known
    old, new = _keys(before.digests), _keys(digests)
    order = np.argsort(old)
    place = np.minimum(np.searchsorted(old, new, sorter=order), len(old) - 1)
    row = order[place]
    known = (old[row] == new) & digests.any(axis=1)
    vectors[known] = before.vectors[row[known]]
    return known


def _keys(digests: Digests) -> npt.NDArray[np.bytes_]:
    """View each row as one value that sorts."""
    return np.ascontiguousarray(digests).view(f"V{_DIGEST_BYTES}").ravel()
