"""The port to whatever turns text into vectors."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
"""float32[n, dim], rows of unit length."""


class Embedder(Protocol):
    """Encodes texts into unit rows; the same text always gives the same row (within 1e-5)."""

    @property
    def name(self) -> str: ...

    @property
    def dim(self) -> int: ...

    @property
    def digest(self) -> str:
        """Identifies the weights; a snapshot remembers it and refuses another."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors: ...
