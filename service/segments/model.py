"""Segments and everything asked of them, as values."""

from datetime import datetime
from typing import Any

import msgspec

from indexing.describe import Description
from indexing.groups import Group
from indexing.leaf_reasons import Reason
from indexing.lookalike import Curve
from indexing.stability import Agreement


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A named, versioned definition."""

    id: str
    name: str
    """Unique in the workspace; definitions of other segments refer to it by this or by id."""
    definition: dict[str, Any]
    """As `indexing.definition` reads it."""
    version: int
    """1 at creation, one more with each change; the ETag."""
    created_at: datetime
    updated_at: datetime
    note: str = ""
    """Why this version was made, for people."""
    error: str | None = None
    """Why it could not be evaluated when it last was tried, by this process; none when it could."""


class SegmentPatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change about a segment; what is left out stays."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    definition: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    note: str | msgspec.UnsetType = msgspec.UNSET


class SampleMember(msgspec.Struct, frozen=True, kw_only=True):
    """One member of a preview, with why it matched."""

    profile_id: str
    score: float | None
    """Similarity, where the definition has a leaf that gives one."""
    why: tuple[str, ...]
    """One line per leaf that matched, with the profile's actual values."""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a definition selects, before or after it has a name."""

    size: int
    population: int
    share: float
    as_of: datetime
    """Reference time of the windows."""
    snapshot: str
    description: Description
    sample: tuple[SampleMember, ...]
    """At most ten: the most similar ones where there are scores, else spread evenly over the members."""
    curve: Curve | None = None
    """Size against similarity of the first `like` or `similar_to` by itself, and how far to widen it."""
    warnings: tuple[str, ...] = ()
    """Traits, event types, categories, items and seeds it names that the snapshot does not hold."""


class PrivateCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many a definition selects, with noise that hides any one of them."""

    count: int
    """Never below 0."""
    epsilon: float
    """What it cost: with or without any one profile, an answer is at most exp(epsilon) times likelier."""
    margin: int
    """Nine times in ten the count is off by no more."""
    epsilon_left: float
    """What the key may still spend today (UTC)."""
    as_of: datetime
    snapshot: str


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One member of a segment."""

    profile_id: str
    score: float | None = None


class MembersCursor(msgspec.Struct, frozen=True, kw_only=True):
    """Where the next page of members starts, in the snapshot and definition the first page was read from."""

    segment: str
    """Segment id."""
    version: int
    """Definition version."""
    snapshot: str
    offset: int


class MembersPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some members by profile id, and what they are members of."""

    members: tuple[Member, ...]
    count: int
    """All members, erased ones left out."""
    as_of: datetime
    snapshot: str
    definition_version: int
    next: MembersCursor | None = None


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one profile is in a segment, with a reason for every leaf of the definition."""

    profile_id: str
    matched: bool
    at: str
    """`snapshot` or `live`."""
    as_of: datetime
    snapshot: str
    """The snapshot it was read from, or whose cut-off scores a live answer used."""
    definition_version: int
    score: float | None
    reasons: tuple[Reason, ...]


class SegmentDescription(msgspec.Struct, frozen=True, kw_only=True):
    """What sets a segment's members apart."""

    segment: Segment
    description: Description
    as_of: datetime
    snapshot: str


class Discovery(msgspec.Struct, frozen=True, kw_only=True):
    """Groups that were found among the profiles, as proposals for segments."""

    groups: tuple[Group, ...]
    """The largest first."""
    verdict: str
    """One sentence: whether these are groups or only a way to divide."""
    clear: bool
    """Whether they are found again, and closer together than in profiles without groups."""
    chosen: Agreement | None
    """How far two halves of the profiles agree about so many groups; none for too few profiles."""
    tried: tuple[Agreement, ...]
    """The same for every number of groups that was tried."""
    without: int
    """Profiles that like nothing yet, which belong to no group."""
    population: int
    sampled: int
    """Profiles that decided; everyone else joined the nearest group."""
    limited: bool
    """Whether more groups than were tried might fit better: a greater `max_k` lets them be tried."""
    seed: int
    as_of: datetime
    snapshot: str


class SavedGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group that has become a segment."""

    segment: Segment
    size: int
    """Members of the segment."""
    overlap: float
    """Jaccard of the segment's members with the group's."""
