"""Who might read copy, as far as its merge tags go: the traits there are, who lacks one, and their values.

One place decides which merge tags may be used, which may stand without a default, and how long a text gets:
for copy as it is written `ASSUMED`, for copy that is edited, accepted or filled in what a snapshot knows.
"""

import difflib
from collections.abc import Iterator, Mapping

import msgspec

FIRST_NAME = "first_name"
ASSUMED_LENGTH = 12
"""Characters of a first name where nobody's is known."""

_LISTED = 12
_COMPARED = 1_000
"""Names that a misspelt one is compared with at most: it is slow, and some worlds have a trait a profile."""


class Readers(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody who might read a text."""

    whose: str
    """Who they are, in words that follow `of`, e.g. `segment 'gardeners'`."""
    known: frozenset[str]
    """Traits a merge tag may name."""
    profiles: int | None
    """How many they are; none when nobody has looked."""
    without: Mapping[str, int]
    """How many lack each of the traits `names`."""
    names: tuple[str, ...]
    values: tuple[tuple[str | None, ...], ...]
    """The different values they have of `names`, none where one lacks a trait."""
    hint: str = ""
    """What to say beside an unknown name."""

    def people(self) -> Iterator[Mapping[str, str | None]]:
        """Give the values of everybody, equal ones once; of an empty audience somebody who has none."""
        if not self.values:
            yield {}
        for values in self.values:
            yield dict(zip(self.names, values, strict=True))

    def lacking(self, name: str) -> str | None:
        """Say that somebody lacks a trait of `names`, or might; none when nobody does."""
        if self.profiles is None:
            return f"not everybody has {name!r}"
        if not self.profiles:
            return f"there are no profiles of {self.whose} to show that nobody lacks {name!r}"
        lack = self.without[name]
        return f"{lack:,} of {self.profiles:,} profiles of {self.whose} have no {name!r}" if lack else None

    def unknown(self, name: str) -> str | None:
        """Say what may be used instead of a trait nobody knows; none when it is known."""
        if name in self.known:
            return None
        known = sorted(self.known)
        near = difflib.get_close_matches(name, known, n=1) if len(known) <= _COMPARED else []
        more = f" and {len(known) - _LISTED:,} more" if len(known) > _LISTED else ""
        meant = f"did you mean {near[0]!r}? " if near else ""
        return f"{meant}Known here: {', '.join(known[:_LISTED])}{more}{self.hint}"


ASSUMED = Readers(
    whose="everybody",
    known=frozenset({FIRST_NAME}),
    profiles=None,
    without={},
    names=(FIRST_NAME,),
    values=(("n" * ASSUMED_LENGTH,), (None,)),
)
"""Readers nobody has looked at: some have a first name of the assumed length, some have none."""
