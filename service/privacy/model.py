"""What is left of somebody who was erased: a receipt without a name."""

import re
from collections.abc import Iterable
from datetime import datetime
from hashlib import blake2b

import msgspec

PSEUDONYM_BYTES = 16


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """How much was removed in one place."""

    where: str
    """A table (`store.events`) or a kind of file (`files.snapshots`)."""
    count: int
    """Rows of a table, lines of a file, or whole snapshots."""


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt of an erasure. It names nobody: who has an id can find its receipt, not the reverse."""

    id: str
    subjects: tuple[str, ...]
    """Keyed hashes of the profile's id and of all that were merged into it, 32 hex digits each, sorted."""
    erased_at: datetime
    """From here on no read returns the profile."""
    removed: tuple[Removed, ...]
    completed_at: datetime | None = None
    """From here on no file of ours holds it either; none while older snapshots are still about."""


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """Keyed hashes of erased profiles, and the key to look for others among them."""

    key: bytes
    subjects: frozenset[str]

    def among(self, ids: Iterable[str]) -> frozenset[str]:
        """Return which of the ids are erased; CPU work."""
        return frozenset(each for each in ids if pseudonym(self.key, each) in self.subjects)

    def held(self, ids: Iterable[str]) -> frozenset[str]:
        """Return the keyed hashes of those among the ids that are erased."""
        return self.subjects & {pseudonym(self.key, each) for each in ids}


def pseudonym(key: bytes, text: str) -> str:
    """Return BLAKE2b of a text under the workspace's key, 32 hex digits (RFC 7693, keyed mode).

    Equal texts are equal under one key and tell nothing without it. Who holds both the store and a guess
    can test the guess: this is a pseudonym, not anonymity.
    """
    return blake2b(text.encode("utf-8", "surrogatepass"), key=key, digest_size=PSEUDONYM_BYTES).hexdigest()


def naming(profile_id: str) -> re.Pattern[str]:
    """Match an id where it stands by itself, in any case of its letters: `p-1` is not in `p-17`."""
    return re.compile(rf"(?<![\w-]){re.escape(profile_id)}(?![\w-])", re.IGNORECASE)
