"""Who belongs to an audience, and why: the one place that evaluates a definition.

Rules are comparisons of columns, meaning is a scan over items and interests. Everyone of a snapshot and one
profile's live rows go through the same code, so that a count, a page of members and a match cannot disagree.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec
import numpy as np
import numpy.typing as npt

from indexing.definition import Definition, check_references
from indexing.embedder import Embedder, Vectors
from indexing.errors import DefinitionError
from indexing.evaluation import Evaluation
from indexing.leaf_reasons import Reason, reasons
from indexing.population import Population, SnapshotColumns


class Members(msgspec.Struct, frozen=True, kw_only=True):
    """The profiles a definition selects, at one snapshot."""

    rows: npt.NDArray[np.uint32]
    """uint32[size]: profile rows of the snapshot, ascending."""
    scores: Vectors | None
    """float32[size]: similarity, where a leaf gives one; NaN for a member whom another leaf let in."""
    population: int
    as_of: datetime
    snapshot_version: str

    @property
    def size(self) -> int:
        """Number of members."""
        return len(self.rows)


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one profile is a member, and every leaf's reason."""

    matched: bool
    score: float | None
    reasons: tuple[Reason, ...]


def evaluate(
    definition: Definition,
    snapshot: SnapshotColumns,
    embedder: Embedder | None,
    segments: Mapping[str, Definition] | None = None,
) -> Members:
    """Find everyone the definition selects.

    `segments` maps names and ids to the definitions that `segment` rules refer to. Of several leaves with
    scores an `all` takes the mean and an `any` the greatest. Raises `DefinitionError`, and
    `EmbedderError` where something says `like` and `embedder` is not the one the snapshot was built with.
    """
    segments = segments or {}
    check_references(definition, segments)
    selected, scores = Evaluation(Population.of(snapshot), embedder, segments).select(definition)
    rows = np.flatnonzero(selected).astype(np.uint32)
    return Members(
        rows=rows,
        scores=None if scores is None else scores[rows],
        population=len(selected),
        as_of=snapshot.manifest.as_of,
        snapshot_version=snapshot.manifest.version,
    )


def explain(
    definition: Definition,
    snapshot: SnapshotColumns,
    embedder: Embedder | None,
    segments: Mapping[str, Definition] | None = None,
    *,
    row: int | None = None,
    person: Population | None = None,
    whole: Evaluation | None = None,
) -> Explanation:
    """Say for one profile which leaves hold, with its actual values.

    Give either `row`, a profile of the snapshot, or `person`, a population of one made of live rows. Where a
    leaf says "top n", the cut-off is the snapshot's. `whole` is an evaluation of the snapshot to take
    cut-offs from, for a caller that explains many.
    """
    segments = segments or {}
    check_references(definition, segments)
    everyone = whole or Evaluation(Population.of(snapshot), embedder, segments)
    if person is None:
        if row is None:
            raise DefinitionError("explain needs a profile: give `row` or `person`")
        person = everyone.people.one(row)
    seen = Evaluation(person, embedder, segments, whole=everyone)
    selected, scores = seen.select(definition)
    score = None if scores is None or np.isnan(scores[0]) else round(float(scores[0]), 5)
    return Explanation(matched=bool(selected[0]), score=score, reasons=tuple(reasons(seen, definition)))
