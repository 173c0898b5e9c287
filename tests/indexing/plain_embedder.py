"""An encoder cheap enough for thousands of builds: words hashed to directions, no model behind it."""

import hashlib
from collections.abc import Sequence

import numpy as np

from indexing.embedder import Vectors


class PlainEmbedder:
    """A text's vector is the normalised sum of its words' directions; the same row whatever the batch."""

    def __init__(self, dim: int = 16, *, name: str = "plain") -> None:
        self.name = name
        self.dim = dim
        self.digest = hashlib.sha256(f"{name} {dim}".encode()).hexdigest()
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.encoded.extend(texts)
        rows = np.zeros((len(texts), self.dim), np.float32)
        for row, text in enumerate(texts):
            total = np.sum([self._direction(word) for word in text.lower().split()], axis=0)
            rows[row] = total / np.linalg.norm(total)
        return rows

    def _direction(self, word: str) -> np.ndarray:
        seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
        return np.random.default_rng(seed).normal(size=self.dim)
