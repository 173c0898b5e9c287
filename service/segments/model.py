"""Segments and everything asked of them, as values."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from indexing.definition import to_json
from indexing.definition_parser import read_text
from indexing.describe import Description
from indexing.groups import Group
from indexing.leaf_reasons import Reason
from indexing.lookalike import Curve
from indexing.stability import Agreement
from service.errors import InvalidInput


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
    text: str = ""
    """The definition as people write it."""
    error: str | None = None
    """Why it could not be evaluated when it last was tried, by this process; none when it could."""


class SegmentPatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change about a segment; what is left out stays."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    definition: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    text: str | msgspec.UnsetType = msgspec.UNSET
    """The definition as people write it, in the place of `definition`."""
    note: str | msgspec.UnsetType = msgspec.UNSET

    def written(self) -> dict[str, Any] | None:
        """Return the new definition; none when it stays. Raises as `written_tree` does."""
        if self.definition is msgspec.UNSET and self.text is msgspec.UNSET:
            return None
        definition = None if self.definition is msgspec.UNSET else self.definition
        return written_tree(definition, None if self.text is msgspec.UNSET else self.text)


class Written(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A definition as a tree or as text, one of the two."""

    definition: dict[str, Any] | None = None
    """As `GET /v1/definition-schema` says."""
    text: str | None = None
    """As people write it, such as `country = "DE" and purchases(90d) >= 2`."""

    def tree(self) -> dict[str, Any]:
        """Return the tree. Raises as `written_tree` does."""
        return written_tree(self.definition, self.text)


def written_tree(definition: dict[str, Any] | None, text: str | None) -> dict[str, Any]:
    """Return the tree of a definition given in one of two ways.

    Raises `InvalidInput` for both and for neither, and `DefinitionTextError` for a text that cannot be read.
    """
    if (definition is None) == (text is None):
        raise InvalidInput("give either `definition` (a tree) or `text`, and not both")
    return definition if definition is not None else to_json(read_text(text or ""))


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
    definition_version: int | None = None
    """None for a definition without a name."""
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


class Pinned(msgspec.Struct, frozen=True, kw_only=True):
    """The segment and the version of its definition that a first page was read from."""

    segment: str
    """Segment id."""
    version: int
    """Definition version."""
    masked: bool = False
    """Whether it goes through pseudonyms, not ids."""


class MembersCursor(Pinned, frozen=True, kw_only=True):
    """Where the next page of members starts, in the snapshot the first page was read from."""

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


class MemberCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many profiles are in a segment."""

    segment: str
    """Segment id."""
    count: int
    """Erased ones left out."""
    population: int
    """Everyone in the snapshot."""
    as_of: datetime
    snapshot: str
    definition_version: int


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """A segment that a profile is in."""

    id: str
    name: str
    definition_version: int
    score: float | None = None


class FailedSegment(msgspec.Struct, frozen=True, kw_only=True):
    """A segment that could not be evaluated, so that nobody takes its absence for an answer."""

    id: str
    name: str
    error: str


class ProfileSegments(msgspec.Struct, frozen=True, kw_only=True):
    """The segments one profile is in."""

    profile_id: str
    at: str
    """`snapshot` or `live`."""
    segments: tuple[Membership, ...]
    """By name."""
    failed: tuple[FailedSegment, ...]
    as_of: datetime
    snapshot: str


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """How far another segment has the same members."""

    id: str
    name: str
    definition_version: int
    count: int
    shared: int
    """Members of both."""
    jaccard: float
    """Members of both over members of either, 0..1; 0 when both are empty."""


class Overlaps(msgspec.Struct, frozen=True, kw_only=True):
    """A segment beside others, in one snapshot, erased profiles left out of all."""

    segment: str
    """Segment id."""
    count: int
    others: tuple[Overlap, ...]
    """The greatest Jaccard first, then by name."""
    failed: tuple[FailedSegment, ...]
    as_of: datetime
    snapshot: str
    definition_version: int


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A profile that is in a segment in one of two snapshots only."""

    profile_id: str
    change: Literal["entered", "left"]


class ChangesCursor(Pinned, frozen=True, kw_only=True):
    """Where the next page of changes starts."""

    since: str
    until: str
    offset: int


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Who entered a segment and who left it from one snapshot to another, by one definition."""

    changes: tuple[Change, ...]
    """Some of them, by profile id."""
    entered: int
    left: int
    count: int
    """Members in the later snapshot."""
    since: str
    """The earlier snapshot."""
    since_as_of: datetime
    snapshot: str
    """The later one."""
    as_of: datetime
    definition_version: int
    next: ChangesCursor | None = None


class Dependent(msgspec.Struct, frozen=True, kw_only=True):
    """A segment whose members change with another's."""

    id: str
    name: str
    through: tuple[str, ...]
    """Names of the segments between the two, the dependent's neighbour first; none for a direct one."""


class Impact(msgspec.Struct, frozen=True, kw_only=True):
    """What a change to a segment, or its end, would touch."""

    segment: str
    """Segment id."""
    definition_version: int
    segments: tuple[Dependent, ...]
    """Those that refer to it, directly and then over others; by name."""
    drafts: int
    """Drafts that were written for it; they keep the description they were written with."""
    deletable: bool
    """Whether nothing refers to it, so that it can be deleted or renamed."""


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
