"""What sets a group of profiles apart from everyone else, as data and in words a prompt can use."""

from typing import Literal

import msgspec

from indexing.audience import Members
from indexing.definition import Definition
from indexing.population import SnapshotColumns

Stage = Literal["new", "loyal", "lapsed", "cart"]


class Trait(msgspec.Struct, frozen=True, kw_only=True):
    """Something more common among the members than among the others."""

    name: str
    """A category, an item's title, or a trait's name."""
    value: str | None = None
    """The trait's value or band; none for categories and items."""
    item_id: str | None = None
    members: int
    """Members who have it."""
    share: float
    """Share of the members who have it."""
    share_of_others: float
    """Share of everyone else who has it."""
    lift: float
    """Ratio of the two shares, smoothed."""
    lift_low: float
    """Lower confidence bound of the lift; above 1 for everything that is listed."""


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What sets the members apart."""

    size: int
    population: int
    share: float
    categories: tuple[Trait, ...]
    """Categories they look at, put in the basket or buy; strongest first."""
    traits: tuple[Trait, ...]
    items: tuple[Trait, ...]
    recency_days: float | None
    """Median days since the last purchase, or since the last event where nobody purchased."""
    spend: float | None
    """Median sum of the values of their purchases, among those who purchased."""
    spend_of_others: float | None
    stage: Stage | None
    """Where most of them stand, when a clear majority does."""
    interest: str | None
    """A few words: what the definition says they like, or the category that sets them most apart."""
    sentences: tuple[str, str]
    """Two plain sentences, without figures or personal data, for a prompt."""


def describe(
    members: Members, snapshot: SnapshotColumns, definition: Definition | None = None
) -> Description:
    """Compare the members with everyone else; `definition` lends its `like` text as the interest."""
    raise NotImplementedError
