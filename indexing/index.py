"""The port to nearest-neighbour search by inner product over unit vectors."""

from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from indexing.embedder import Vectors

Rows = npt.NDArray[np.int64]
"""int64[n]: row numbers; -1 marks a place without a neighbour."""


class IndexInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What an index is, for a manifest."""

    kind: str
    vectors: int
    bytes: int
    """Of its files, which is about what it takes resident; the exact vectors are counted apart."""
    parameters: dict[str, int] = {}
    """How it was made and how widely it searches."""
    recall_at_10: float | None = None
    """Share of the ten nearest it finds, measured at build against exact search; none for no vectors."""


class VectorIndex(Protocol):
    """Finds the rows most similar to a query.

    `search` returns (scores float32[q, k], rows int64[q, k]), best first, ties by lower row; places
    beyond what the index holds are (-inf, -1). `excluded` int64[m] names rows that are in no answer, as if
    the index did not hold them; numbers it does not hold change nothing. Raises `VectorError` for NaN, a
    zero vector, wrong dimension or k < 1.
    """

    @property
    def size(self) -> int: ...

    @property
    def kind(self) -> str: ...

    def search(
        self, queries: Vectors, k: int, excluded: Rows | None = None
    ) -> tuple[Vectors, npt.NDArray[np.int64]]: ...

    def describe(self) -> IndexInfo: ...

    def save(self, path: Path) -> None: ...
