"""A sentence encoder imitated by a table of token rows: seconds of linear algebra, no gradient descent.

The table E minimises, over texts i with bags of tokens x_i and the teacher's unit vectors y_i,

    sum_i |a_i x_i E - y_i|^2 + shrinkage * |E - P|^2

a ridge regression that shrinks towards the prior P instead of towards zero: a token that no text holds
keeps its prior row, one seen once moves a little, one seen often is fitted. The prior is the teacher's
vector of the token alone, times w / (w + p(t)), p the token's share of the texts (smooth inverse
frequency: Arora, Liang, Ma, "A simple but tough-to-beat baseline for sentence embeddings", ICLR 2017; a
teacher's token vectors as a static table: Tulkens, van Dongen, *model2vec*, 2024). a_i makes |a_i x_i E|
about 1, since only directions count: the first fit uses the prior's lengths, the second those of the
first. The normal equations are solved for all dimensions at once by conjugate gradients on the tokens the
texts hold (Hestenes, Stiefel, 1952).

The shrinkage is the one of `SHRINKAGES` that imitates the teacher best on a held-out tenth of the texts;
then all texts are fitted. Vectors stay in the teacher's space, so that cosines mean about what they
meant, unless `dim` asks for fewer dimensions: the table is then rotated onto the strongest (uncentred)
principal axes of the texts' vectors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from indexing.embedder import Embedder, Vectors
from indexing.errors import EmbedderError
from indexing.static_embedder import (
    FORMAT_VERSION,
    StaticEmbedder,
    StaticManifest,
    Teacher,
    count_tokens,
    write_static,
)

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""

SHRINKAGES = (0.03, 0.1, 0.3, 1.0)
FEWEST_TEXTS = 20
MOST_TEXTS = 10_000
"""Of more a seeded sample is used: the teacher is what takes the time."""
LONGEST_TOKENS = 256
"""As much of a text as the teacher reads."""

_RARITY = 0.01
"""w of the prior's weight."""
_HELD_OUT = 0.1
_CHOOSING_TEXTS = 4_000
"""Texts fitted at most while the shrinkage is chosen; each is fitted once then, not twice."""
_MOST_STEPS = 40
_TOLERANCE = 1e-3
_TEXTS_AT_ONCE = 1_024
_MARKS = ("##", "▁", "Ġ")
"""What word-piece, unigram and byte-pair vocabularies put before a token."""

_sparse: Any = import_module("scipy.sparse")


class Distilled(msgspec.Struct, frozen=True, kw_only=True):
    """A static encoder in memory, and what it was made from."""

    manifest: StaticManifest
    tokenizer: Any
    table: Vectors
    """float32[n_tokens, dim]."""
    empty: Vectors
    """float32[dim]: the vector of a text without known tokens."""

    def embedder(self) -> StaticEmbedder:
        """Give the encoder itself; its digest is that of the table in memory."""
        digest = hashlib.sha256(self.table.tobytes()).hexdigest()[:16]
        return StaticEmbedder(
            name=self.manifest.name,
            digest=digest,
            tokenizer=self.tokenizer,
            table=self.table,
            empty=self.empty,
        )

    def save(self, folder: Path) -> StaticManifest:
        """Write it into a new folder; raises `EmbedderError`."""
        return write_static(
            folder, self.manifest, tokenizer=self.tokenizer, table=self.table, empty=self.empty
        )


def distil(
    texts: Sequence[str],
    teacher: Embedder,
    tokenizer: Any,
    *,
    dim: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Distilled:
    """Imitate `teacher` on texts like these; empty and repeated ones are left out.

    `tokenizer`: the teacher's (`indexing.static_embedder.read_tokenizer`). `dim`: at most the teacher's, and
    by default that. Progress stages: `vocabulary`, `texts`, `fit`. Raises `EmbedderError` with fewer than
    `FEWEST_TEXTS` texts or a `dim` that cannot be.
    """
    dim = teacher.dim if dim is None else dim
    if not 1 <= dim <= teacher.dim:
        raise EmbedderError(f"A static embedder of {dim} dimensions cannot be made: use 1 to {teacher.dim}.")
    kept = _sample(texts, seed)
    prior = _token_vectors(teacher, tokenizer, progress)
    targets = _encode(teacher, kept, "texts", progress)
    bags = count_tokens(tokenizer, kept)
    rows = np.unique(bags.indices)
    bags, known = bags[:, rows], prior[rows]
    shares = np.asarray(bags.sum(axis=0), np.float64).ravel() / max(bags.sum(), 1)
    known *= (_RARITY / (_RARITY + shares))[:, None].astype(np.float32)
    shrinkage, metrics = _choose(bags, targets, known, seed, progress)
    table = prior
    table[rows] = _fit(bags, targets, known, shrinkage, rounds=2)
    metrics["seen_cosine"] = _cosine(bags @ table[rows], targets)
    empty = teacher.encode([""])[0]
    if dim < teacher.dim:
        axes = _strongest_axes(_units(bags @ table[rows]), dim)
        table, empty = table @ axes, _units((empty @ axes)[None])[0]
    if progress is not None:
        progress("fit", len(SHRINKAGES) + 1, len(SHRINKAGES) + 1)
    manifest = StaticManifest(
        format_version=FORMAT_VERSION,
        name=f"static-{teacher.name}-{dim}",
        dim=dim,
        teacher=Teacher(name=teacher.name, digest=teacher.digest, dim=teacher.dim),
        texts=len(kept),
        texts_digest=hashlib.sha256("\0".join(kept).encode("utf-8", "surrogatepass")).hexdigest()[:16],
        seed=seed,
        shrinkage=shrinkage,
        metrics=metrics,
        files={},
    )
    return Distilled(manifest=manifest, tokenizer=tokenizer, table=table, empty=empty)


def _sample(texts: Sequence[str], seed: int) -> list[str]:
    kept = sorted({text for text in texts if text.strip()})
    if len(kept) < FEWEST_TEXTS:
        raise EmbedderError(
            f"{len(kept)} distinct texts are too few to distil from: give at least {FEWEST_TEXTS}, such as "
            "the titles of a catalogue."
        )
    if len(kept) <= MOST_TEXTS:
        return kept
    drawn = np.random.default_rng([seed, 0]).choice(len(kept), MOST_TEXTS, replace=False)
    return [kept[place] for place in np.sort(drawn).tolist()]


def _token_vectors(teacher: Embedder, tokenizer: Any, progress: Progress | None) -> Vectors:
    """Encode every token alone: float32[n_tokens, dim]; a zero row for one that stands for no text."""
    special = set(tokenizer.get_added_tokens_decoder())
    words = {number: token for token, number in tokenizer.get_vocab().items() if number not in special}
    spoken = {number: _word(token) for number, token in words.items() if _word(token)}
    vectors = np.zeros((tokenizer.get_vocab_size(), teacher.dim), np.float32)
    numbers = sorted(spoken)
    vectors[numbers] = _encode(teacher, [spoken[number] for number in numbers], "vocabulary", progress)
    return vectors


def _word(token: str) -> str:
    """Return the text a token stands for; none for a placeholder such as `[unused7]`."""
    if len(token) > 2 and token.startswith("[") and token.endswith("]"):
        return ""
    for mark in _MARKS:
        if token.startswith(mark) and token != mark:
            return token.removeprefix(mark)
    return token


def _encode(teacher: Embedder, texts: Sequence[str], stage: str, progress: Progress | None) -> Vectors:
    vectors = np.zeros((len(texts), teacher.dim), np.float32)
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        part = texts[start : start + _TEXTS_AT_ONCE]
        vectors[start : start + len(part)] = teacher.encode(part)
        if progress is not None:
            progress(stage, start + len(part), len(texts))
    return vectors


def _choose(
    bags: Any, targets: Vectors, prior: Vectors, seed: int, progress: Progress | None
) -> tuple[float, dict[str, float]]:
    """Return the shrinkage that does best on held-out texts, and how near they come to the teacher's."""
    order = np.random.default_rng([seed, 1]).permutation(len(targets))
    n_held = max(1, int(_HELD_OUT * len(order)))
    held, rest = order[:n_held], order[n_held:][:_CHOOSING_TEXTS]
    found: dict[float, float] = {}
    for number, shrinkage in enumerate(SHRINKAGES):
        if progress is not None:
            progress("fit", number, len(SHRINKAGES) + 1)
        table = _fit(bags[rest], targets[rest], prior, shrinkage, rounds=1)
        found[shrinkage] = _cosine(bags[held] @ table, targets[held])
    best = max(found, key=lambda shrinkage: found[shrinkage])
    prior_cosine = _cosine(bags[held] @ prior, targets[held])
    return best, {"held_out_cosine": found[best], "held_out_cosine_of_prior": prior_cosine}


def _fit(bags: Any, targets: Vectors, prior: Vectors, shrinkage: float, *, rounds: int) -> Vectors:
    """Fit the table, each round with the lengths that the one before gives: float32[n_tokens, dim]."""
    table = prior
    for _ in range(rounds):
        lengths = np.linalg.norm(bags @ table, axis=1)
        scaled = (_sparse.diags((1 / np.maximum(lengths, 1e-3)).astype(np.float32)) @ bags).tocsr()
        table = prior + _ridge(scaled, targets - scaled @ prior, shrinkage)
    return table


def _ridge(bags: Any, residuals: Vectors, shrinkage: float) -> Vectors:
    """Solve (X'X + shrinkage I) D = X'R for all columns of R at once, by conjugate gradients from zero."""
    transposed = bags.T.tocsr()
    left: Vectors = transposed @ residuals
    solution = np.zeros_like(left)
    direction = left.copy()
    squares = np.einsum("ij,ij->j", left, left)
    enough = np.maximum(squares, 1e-20) * np.float32(_TOLERANCE**2)
    for _ in range(_MOST_STEPS):
        image = transposed @ (bags @ direction) + np.float32(shrinkage) * direction
        step = squares / np.maximum(np.einsum("ij,ij->j", direction, image), 1e-20)
        solution += step * direction
        left -= step * image
        after = np.einsum("ij,ij->j", left, left)
        if (after <= enough).all():
            break
        direction = left + (after / np.maximum(squares, 1e-20)) * direction
        squares = after
    return solution


def _strongest_axes(vectors: Vectors, dim: int) -> Vectors:
    """Give the `dim` strongest eigenvectors of V'V as columns: float32[dim of V, dim]."""
    untyped: Any = np.linalg
    _, axes = untyped.eigh((vectors.T @ vectors).astype(np.float64))
    return np.ascontiguousarray(axes[:, ::-1][:, :dim], np.float32)


def _units(vectors: npt.NDArray[np.float32]) -> Vectors:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))


def _cosine(vectors: Vectors, targets: Vectors) -> float:
    return float((_units(vectors) * targets).sum(axis=1).mean())
