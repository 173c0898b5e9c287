"""What a bulk write did, row by row where it refused."""

import msgspec


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was not stored, and why."""

    row: int
    """Place in what was handed over, from 0."""
    id: str
    """The row's own id as it came, empty when it has none."""
    reason: str
    """Quotes the bad value."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Rows read = stored + duplicate + rejected.

    `stored` are new or changed, `duplicate` were there already, the same. `rejects` holds every
    rejected row, in order.
    """

    read: int = 0
    stored: int = 0
    duplicate: int = 0
    rejected: int = 0
    rejects: tuple[Reject, ...] = ()

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            read=self.read + other.read,
            stored=self.stored + other.stored,
            duplicate=self.duplicate + other.duplicate,
            rejected=self.rejected + other.rejected,
            rejects=self.rejects + other.rejects,
        )
