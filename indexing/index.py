"""The port to nearest-neighbour search by inner product over unit vectors."""

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from indexing.embedder import Vectors

Rows = npt.NDArray[np.int64]
"""int64[n]: row numbers; -1 marks a place without a neighbour."""


class VectorIndex(Protocol):
    """Finds the rows most similar to a query.

    `search` returns (scores float32[q, k], rows int64[q, k]), best first, ties by lower row; places
    beyond what the index holds are (-inf, -1). Raises `VectorError` for NaN, wrong dimension or k < 1.
    """

    @property
    def size(self) -> int: ...

    @property
    def kind(self) -> str: ...

    def search(self, queries: Vectors, k: int) -> tuple[Vectors, npt.NDArray[np.int64]]: ...

    def save(self, path: Path) -> None: ...
