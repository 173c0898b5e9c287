"""Events and item vectors to profile vectors: a few interests per profile, pure array mathematics."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from indexing.embedder import Vectors

DEFAULT_EVENT_WEIGHTS: dict[str, float] = {
    "view": 1.0,
    "click": 1.0,
    "favourite": 2.0,
    "add_to_cart": 2.0,
    "purchase": 3.0,
    "dislike": -2.0,
    "return": -2.0,
}
"""What an event says about taste when the workspace does not say; a type in neither says nothing."""


class Interests(msgspec.Struct, frozen=True, kw_only=True):
    """Several interests per profile. Profile p owns rows `offsets[p]:offsets[p + 1]`, strongest first."""

    vectors: Vectors
    """float32[m, dim], unit rows."""
    weights: npt.NDArray[np.float32]
    """float32[m]; those of one profile sum to 1."""
    offsets: npt.NDArray[np.int64]
    """int64[n_profiles + 1]."""

    def owners(self) -> npt.NDArray[np.int64]:
        """int64[m]: the profile row that owns each interest."""
        return np.repeat(np.arange(len(self.offsets) - 1, dtype=np.int64), np.diff(self.offsets))
