"""Every error `indexing` raises on purpose.

IndexingError
├── EmbedderError        the sentence encoder cannot be loaded or is not the expected one
├── VectorError          vectors that cannot be indexed: NaN, zero, wrong dimension, duplicate ids
│   └── BudgetError          a memory budget that holds no index of so many vectors
├── SnapshotError        a snapshot cannot be built or opened
│   ├── SnapshotMissing      none has been published yet, or the asked version is gone
│   └── SnapshotCorrupt      a file's bytes are not the ones the manifest names
├── DefinitionError      an audience definition that cannot be evaluated
│   └── DefinitionTextError  one written as text that cannot be read; knows the line and column
├── ClusterError         Ray is not installed, cannot be reached, or failed at its work
├── GroupingError        profiles that cannot be put into groups: too few, or too few different ones
└── NotFound             an id the snapshot does not hold

Messages quote the bad value and say what to do next.
"""


class IndexingError(Exception):
    """Base of every deliberate error of this package."""


class EmbedderError(IndexingError):
    """The sentence encoder cannot be loaded or is not the expected one."""


class VectorError(IndexingError):
    """Vectors that cannot be indexed."""


class BudgetError(VectorError):
    """A memory budget holds no index of so many vectors."""


class SnapshotError(IndexingError):
    """A snapshot cannot be built or opened."""


class SnapshotMissing(SnapshotError):
    """No snapshot has been published yet, or the asked version is gone."""


class SnapshotCorrupt(SnapshotError):
    """A file's bytes are not the ones the manifest names."""


class DefinitionError(IndexingError):
    """An audience definition cannot be evaluated."""


class DefinitionTextError(DefinitionError):
    """An audience definition written as text cannot be read."""

    def __init__(self, message: str, *, line: int, column: int) -> None:
        """Keep the place, both counted from 1."""
        super().__init__(message)
        self.line = line
        self.column = column


class ClusterError(IndexingError):
    """Ray is not installed, cannot be reached, or failed at its work."""


class GroupingError(IndexingError):
    """Profiles cannot be put into groups."""


class NotFound(IndexingError):
    """An id the snapshot does not hold."""
