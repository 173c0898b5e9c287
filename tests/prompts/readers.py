"""Readers spelt out, for tests of what they may be shown."""

from collections.abc import Mapping, Sequence

from prompts.readers import Readers


def readers(people: Sequence[Mapping[str, str | None]], names: Sequence[str] = ()) -> Readers:
    """A segment `x` of these people, who all name the same traits."""
    traits = tuple(sorted(people[0] if people else names))
    values = tuple(tuple(person[name] for name in traits) for person in people)
    return Readers(
        whose="segment 'x'",
        known=frozenset(traits),
        profiles=len(people),
        without={name: sum(person[name] is None for person in people) for name in traits},
        names=traits,
        values=values,
    )
