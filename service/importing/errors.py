"""What an import refuses as a whole. A bad row is no error: it is a reject.

ImportFailed
├── MappingError    the mapping file is missing, malformed or does not fit the files
├── SourceError     a file is missing, cut off or unreadable
└── EmptyCatalogue  no row of the items file could be used
"""

from service.errors import InvalidInput


class ImportFailed(InvalidInput):
    """Base: nothing of this import was stored."""


class MappingError(ImportFailed):
    """The mapping file is missing, malformed or does not fit the files."""


class SourceError(ImportFailed):
    """A file is missing, cut off or unreadable."""


class EmptyCatalogue(ImportFailed):
    """No row of the items file could be used."""
