"""Definitions evaluated over a snapshot, remembered for as long as they are asked for."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from itertools import chain
from weakref import WeakKeyDictionary

import msgspec
import numpy as np
import polars as pl

from indexing.audience import Explanation, Members, explain
from indexing.definition import (
    Definition,
    LikeRule,
    TraitRule,
    check_references,
    closure_digest,
    parse_definition,
    reachable,
)
from indexing.definition_text import to_text
from indexing.describe import Description, describe
from indexing.errors import DefinitionError, IndexingError, SnapshotMissing
from indexing.evaluation import Evaluation
from indexing.lookalike import Curve, lookalike_curve
from indexing.mismatched_values import mismatched_values
from indexing.population import Population
from indexing.snapshot import Snapshot
from indexing.unknown_names import in_words, unknown_names
from service.errors import Gone, InvalidInput, NotFound
from service.privacy.masks import Masks, Places
from service.profiles.actions import erased_profiles
from service.runtime import Runtime
from service.segments.model import Pinned, Segment
from service.segments.store import SegmentStore
from service.workspaces.actions import get_workspace

IDS_AT_ONCE = 50_000
REMEMBERED = 32
"""Evaluations kept per process; at a million profiles a rule takes one megabyte, a `like` five."""
SNAPSHOTS_REMEMBERED = 2
"""The newest of a workspace whose evaluations are kept: each holds all of its snapshot open."""


class Selection:
    """Whom one definition selects in one snapshot."""

    def __init__(
        self,
        definition: Definition,
        segments: Mapping[str, Definition],
        snapshot: Snapshot,
        evaluation: Evaluation,
    ) -> None:
        self.definition = definition
        self.segments = segments
        self.snapshot = snapshot
        self.evaluation = evaluation
        selected, scores = evaluation.select(definition)
        rows = np.flatnonzero(selected).astype(np.uint32)
        self.members = Members(
            rows=rows,
            scores=None if scores is None else scores[rows],
            population=len(selected),
            as_of=snapshot.manifest.as_of,
            snapshot_version=snapshot.manifest.version,
        )
        self._masked: tuple[Masks, Places] | None = None

    def without(self, erased: frozenset[str]) -> Members:
        """Leave erased profiles out."""
        if not erased:
            return self.members
        gone = self.snapshot.profiles["id"].is_in(list(erased)).to_numpy()
        kept = ~gone[self.members.rows]
        scores = self.members.scores
        return Members(
            rows=self.members.rows[kept],
            scores=None if scores is None else scores[kept],
            population=self.members.population,
            as_of=self.members.as_of,
            snapshot_version=self.members.snapshot_version,
        )

    def ids(self, places: slice | Places) -> pl.Series:
        """Return the profile ids of the members at these places."""
        return self.snapshot.profiles["id"].gather(self.members.rows[places])

    def each_id(self) -> Iterator[str]:
        """Yield every member's id, with few of them in memory."""
        for start in range(0, self.members.size, IDS_AT_ONCE):
            yield from self.ids(slice(start, start + IDS_AT_ONCE))

    def masked_order(self, masks: Masks) -> Places:
        """Return the members' places in the order of their pseudonyms, remembered for the next page."""
        if self._masked is None or self._masked[0] != masks:
            self._masked = (masks, masks.order(self.each_id()))
        return self._masked[1]

    def describe(self, erased: frozenset[str]) -> Description:
        """Say what sets the members apart."""
        return describe(self.without(erased), self.snapshot, self.definition, self.segments)

    def warnings(self) -> tuple[str, ...]:
        """Say which names the snapshot does not hold, and which values its traits cannot have."""
        whole = (self.definition, self.snapshot, self.segments)
        return in_words(unknown_names(*whole)) + mismatched_values(*whole)

    def curve(self, erased: frozenset[str]) -> Curve | None:
        """Draw size against similarity, where the definition has a rule by similarity."""
        gone = self.snapshot.profiles["id"].is_in(list(erased)).to_numpy() if erased else None
        return lookalike_curve(self.definition, self.evaluation, left_out=gone)

    def explain(self, *, row: int | None = None, person: Population | None = None) -> Explanation:
        """Say why a profile matches or does not; `row` of the snapshot, or `person` from live rows."""
        return explain(
            self.definition,
            self.snapshot,
            None,
            self.segments,
            row=row,
            person=person,
            whole=self.evaluation,
        )


class Memory:
    """What one runtime remembers: evaluations, newest last, and what went wrong with which segment."""

    def __init__(self) -> None:
        self.selections: OrderedDict[tuple[str, str, str], Selection] = OrderedDict()
        self.errors: dict[tuple[str, str], tuple[int, str]] = {}

    def keep(self, key: tuple[str, str, str], selection: Selection) -> None:
        """Remember an evaluation, forgetting those longest unasked, and those of older snapshots.

        One of an older snapshot, for pages that began with it, is remembered until the next one is.
        """
        self.selections[key] = selection
        workspace, version, _ = key
        versions = sorted({theirs for owner, theirs, _ in self.selections if owner == workspace})
        older = set(versions[:-SNAPSHOTS_REMEMBERED]) - {version}
        for each in [each for each in self.selections if each[0] == workspace and each[1] in older]:
            del self.selections[each]
        while len(self.selections) > REMEMBERED:
            self.selections.popitem(last=False)


_MEMORIES: WeakKeyDictionary[Runtime, Memory] = WeakKeyDictionary()


def memory_of(runtime: Runtime) -> Memory:
    """Return what this runtime remembers; it ends with the runtime."""
    return _MEMORIES.setdefault(runtime, Memory())


def definitions_of(segments: tuple[Segment, ...]) -> dict[str, Definition]:
    """Map every segment's id and name to its definition; a name wins over an equal id."""
    parsed = {segment.id: parse_definition(segment.definition) for segment in segments}
    return parsed | {segment.name: parsed[segment.id] for segment in segments}


def refuse_encrypted(
    runtime: Runtime, definition: Definition, segments: Mapping[str, Definition] | None = None
) -> None:
    """Raise `DefinitionError` for a rule about an encrypted trait, which no snapshot holds."""
    for node in reachable(definition, segments or {}):
        if isinstance(node, TraitRule) and node.trait in runtime.vault.names:
            raise DefinitionError(
                f"trait {node.trait!r} is encrypted: no snapshot holds it, and no rule can ask for it. Leave "
                "the rule out, or take the trait out of PITCHWRIGHT_ENCRYPTED_TRAITS"
            )


async def select(
    runtime: Runtime,
    workspace: str,
    snapshot: Snapshot,
    definition: Definition,
    segments: Mapping[str, Definition],
) -> Selection:
    """Evaluate a definition over a snapshot, or remember having done so. Raises `IndexingError`."""
    check_references(definition, segments)
    refuse_encrypted(runtime, definition, segments)
    memory = memory_of(runtime)
    key = (workspace, snapshot.version, closure_digest(definition, segments))
    known = memory.selections.get(key)
    if known is not None:
        memory.selections.move_to_end(key)
        return known
    embedder = await runtime.embedder() if _says_like(definition, segments) else None
    if embedder is not None:
        snapshot.check_embedder(embedder)

    def evaluated() -> Selection:
        evaluation = Evaluation(Population.of(snapshot), embedder, segments)
        return Selection(definition, segments, snapshot, evaluation)

    selection = await runtime.run(evaluated)
    memory.keep(key, selection)
    return selection


async def select_segment(
    runtime: Runtime,
    workspace: str,
    snapshot: Snapshot,
    segment: Segment,
    segments: tuple[Segment, ...],
) -> Selection:
    """Evaluate a stored segment; a failure stays visible on it until it succeeds. Raises `IndexingError`."""
    errors = memory_of(runtime).errors
    try:
        definition = parse_definition(segment.definition)
        selection = await select(runtime, workspace, snapshot, definition, definitions_of(segments))
    except IndexingError as error:
        errors[workspace, segment.id] = (segment.version, str(error))
        raise
    errors.pop((workspace, segment.id), None)
    return selection


async def selected(
    runtime: Runtime,
    workspace: str,
    segment: str,
    pinned: Pinned | None = None,
    *,
    snapshot: str | None = None,
) -> tuple[Segment, Selection]:
    """Evaluate a stored segment, by id or name: in the newest snapshot, or in the version named `snapshot`.

    `pinned` is where a cursor was read: its version of the definition counts, not the newest. Raises
    `NotFound`, `InvalidInput` for a cursor of another segment, `Gone` for a snapshot or a version of the
    definition that is no more, and `IndexingError`.
    """
    async with runtime.database.read() as session:
        store = SegmentStore(session, workspace)
        found = await store.get(segment)
        segments = await store.all()
        if pinned is not None:
            found = await _at(store, found, pinned)
    opened = await open_snapshot(runtime, workspace, snapshot)
    selection = await select_segment(runtime, workspace, opened, found, segments)
    return shown(runtime, workspace, found), selection


async def all_segments(runtime: Runtime, workspace: str) -> tuple[Segment, ...]:
    """Return every segment of a workspace by name. Raises `NotFound` without the workspace."""
    await get_workspace(runtime, workspace)
    async with runtime.database.read() as session:
        return await SegmentStore(session, workspace).all()


async def open_snapshot(runtime: Runtime, workspace: str, version: str | None = None) -> Snapshot:
    """Open that version, or the newest. Raises `Gone` for one that is no more, else `IndexingError`."""
    if version is None:
        return await runtime.snapshot(workspace)
    try:
        return await runtime.run(runtime.snapshots.shelf(workspace).open, version)
    except SnapshotMissing:
        raise Gone(
            f"snapshot {version[:80]!r} is gone: start again without the cursor, or name one of those that "
            "GET /v1/snapshots lists"
        ) from None


async def erased_among(runtime: Runtime, workspace: str, *selections: Selection) -> frozenset[str]:
    """Return which of the selected profiles have been erased since the snapshots were built."""
    ids = chain.from_iterable(each.each_id() for each in selections)
    oldest = min(each.snapshot.manifest.built_at for each in selections)
    return await erased_profiles(runtime, workspace, ids, since=oldest)


def shown(runtime: Runtime, workspace: str, segment: Segment) -> Segment:
    """Give a segment its definition as text, and say why it could not be evaluated when that is so."""
    version, error = memory_of(runtime).errors.get((workspace, segment.id), (0, None))
    error = error if version == segment.version else None
    try:
        text = to_text(parse_definition(segment.definition))
    except DefinitionError as unreadable:  # stored by a version with other limits
        return msgspec.structs.replace(segment, error=str(unreadable))
    return msgspec.structs.replace(segment, text=text, error=error)


async def _at(store: SegmentStore, segment: Segment, pinned: Pinned) -> Segment:
    if pinned.segment != segment.id:
        raise InvalidInput(f"the cursor belongs to another segment than {segment.name!r}: start without it")
    if pinned.version == segment.version:
        return segment
    try:
        return await store.get_version(segment.id, pinned.version)
    except NotFound:
        raise Gone(
            f"version {pinned.version} of {segment.name!r} is gone: start without the cursor"
        ) from None


def _says_like(definition: Definition, segments: Mapping[str, Definition]) -> bool:
    return any(isinstance(node, LikeRule) for node in reachable(definition, segments))
