"""The port to whatever works the parts of a build off in other processes."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from indexing.embedder import Vectors
from indexing.grouping import ItemTable
from indexing.index import Rows
from indexing.item_vectors import Parts
from indexing.profile_building import Chunk, ChunkProfiles, ProfileRules


class Workers(Protocol):
    """Several processes: what `encode_part`, `compute_chunk` and `fill_lists` give, all of it, in order."""

    def encode(self, parts: Parts) -> Iterator[Vectors]: ...

    def compute(
        self, chunks: Iterable[Chunk], rules: ProfileRules, table: ItemTable
    ) -> Iterator[ChunkProfiles]: ...

    def fill_lists(self, index: Any, vectors: Vectors, places: Rows) -> None: ...
