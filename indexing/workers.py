"""The port to whatever works the parts of a build off in other processes."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from indexing.embedder import Vectors
from indexing.grouping import ItemTable
from indexing.item_vectors import Parts
from indexing.profile_building import Chunk, ChunkProfiles, ProfileRules


class Workers(Protocol):
    """Several processes that give what `encode_part` and `compute_chunk` give, all of it and in order."""

    def encode(self, parts: Parts) -> Iterator[Vectors]: ...

    def compute(
        self, chunks: Iterable[Chunk], rules: ProfileRules, table: ItemTable
    ) -> Iterator[ChunkProfiles]: ...
