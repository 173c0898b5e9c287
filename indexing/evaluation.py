"""A definition's tree over one population: masks, scores and the cut-offs of "top n"."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import polars as pl

from indexing.definition import (
    AffinityRule,
    AllOf,
    AnyOf,
    Definition,
    EventRule,
    LikeRule,
    NearestRule,
    NotOf,
    Rule,
    SegmentRule,
    SimilarRule,
    TraitRule,
)
from indexing.embedder import Embedder, Vectors
from indexing.errors import DefinitionError
from indexing.nearest import nearest_outcome
from indexing.population import Mask, Outcome, Population
from indexing.rules import affinity_outcome, event_outcome, trait_outcome
from indexing.similarity import DEFAULT_SIMILARITY, group_similarity, seed_prototypes, text_similarity

Scored = tuple[Mask, Vectors | None]
"""Who is selected, bool[n], and scores, float32[n] with NaN for none, where a leaf gives any."""


class Cutoff(msgspec.Struct, frozen=True, kw_only=True):
    """The last place of a "top n": whoever scores more is in, and of equal scores the lower ids."""

    score: float
    id: str


class SeedGroup(msgspec.Struct, frozen=True, kw_only=True):
    """What stands for the seeds of a `similar_to`."""

    ids: frozenset[str]
    prototypes: Vectors
    """float32[c, dim]."""
    shares: Vectors
    """float32[c]."""


class Evaluation:
    """Definitions over one population; a leaf that occurs twice is evaluated once.

    `whole` is the evaluation of the snapshot that "top n" and seeds refer to; by default this one. References
    between segments must have been checked. `embedder` may be none where nothing says `like`. Threads may
    share one: at worst a leaf is evaluated twice.
    """

    def __init__(
        self,
        people: Population,
        embedder: Embedder | None,
        segments: Mapping[str, Definition],
        *,
        whole: "Evaluation | None" = None,
    ) -> None:
        self.people = people
        self.segments = segments
        self._embedder = embedder
        self._other = whole
        self._outcomes: dict[str, Outcome] = {}
        self._segments: dict[str, Scored] = {}
        self._queries: dict[str, Vectors] = {}
        self._cutoffs: dict[str, Cutoff | None] = {}
        self._groups: dict[str, SeedGroup] = {}

    @property
    def _whole(self) -> "Evaluation":
        # Not kept: one that refers to itself stays, with its snapshot, until a collector looks for cycles.
        return self if self._other is None else self._other

    def select(self, definition: Definition) -> Scored:
        """Evaluate a definition over everyone here."""
        match definition:
            case AllOf(parts=parts):
                return self._joined(parts, np.logical_and, _Mean())
            case AnyOf(parts=parts):
                return self._joined(parts, np.logical_or, _Greatest())
            case NotOf(part=part):
                return ~self.select(part)[0], None
            case SegmentRule(segment=name):
                if name not in self._segments:
                    self._segments[name] = self.select(self.segments[name])
                return self._segments[name]
            case LikeRule() | SimilarRule():
                outcome = self.outcome(definition)
                return outcome.passed, outcome.actual.to_numpy()
            case _:
                return self.outcome(definition).passed, None

    def _joined(self, parts: Sequence[Definition], join: np.ufunc, scores: "_Mean | _Greatest") -> Scored:
        """Join masks one by one, and the scores of those parts that give any, each where its part holds."""
        joined = np.full(self.people.size, join is np.logical_and)
        for part in parts:
            mask, given = self.select(part)
            join(joined, mask, out=joined)
            if given is not None:
                scores.add(np.where(mask, given, np.float32("nan")))
        return joined, scores.result()

    def outcome(self, rule: Rule) -> Outcome:
        """Evaluate one leaf: who passes, and what everyone's value is."""
        key = _key(rule)
        if key not in self._outcomes:
            self._outcomes[key] = self._fresh(rule)
        return self._outcomes[key]

    def _fresh(self, rule: Rule) -> Outcome:
        match rule:
            case TraitRule():
                return trait_outcome(rule, self.people)
            case EventRule():
                return event_outcome(rule, self.people)
            case AffinityRule():
                return affinity_outcome(rule, self.people)
            case LikeRule():
                scores = text_similarity(self.people.tastes, self.people.item_vectors, self.query(rule.like))
                return self._scored(rule, scores, scores >= least_similarity(rule), rule.top)
            case SimilarRule():
                group = self.seeds(rule)
                scores = group_similarity(self.people.interests, group.prototypes, group.shares)
                others = ~self.people.ids.is_in(list(group.ids)).to_numpy() & ~np.isnan(scores)
                return self._scored(rule, scores, others, rule.top)
            case NearestRule():
                return nearest_outcome(rule, self.people)
            case SegmentRule():
                passed = self.select(rule)[0]
                return Outcome(passed, lambda: pl.Series("actual", passed))

    def _scored(self, rule: Rule, scores: Vectors, eligible: Mask, top: int | None) -> Outcome:
        def actual() -> pl.Series:
            return pl.Series("actual", scores)

        if top is None:
            return Outcome(eligible, actual)
        if self._whole is self:
            self._cutoffs[_key(rule)] = self._last_of_top(scores, eligible, top)
        cutoff = self.cutoff(rule)
        if cutoff is None:
            return Outcome(eligible, actual)
        passed = eligible & (scores > np.float32(cutoff.score))
        ties = np.flatnonzero(eligible & (scores == np.float32(cutoff.score)))
        passed[ties] = (self.people.ids.gather(ties) <= cutoff.id).to_numpy()
        return Outcome(passed, actual)

    def _last_of_top(self, scores: Vectors, eligible: Mask, top: int) -> Cutoff | None:
        rows = np.flatnonzero(eligible)
        if len(rows) <= top:
            return None
        best = np.partition(-scores[rows], top - 1)[top - 1]
        ties = rows[-scores[rows] == best]
        last = ties[top - 1 - int(np.count_nonzero(-scores[rows] < best))]
        return Cutoff(score=float(-best), id=str(self.people.ids[int(last)]))

    def cutoff(self, rule: Rule) -> Cutoff | None:
        """Return the last place of the rule's "top n" in the snapshot; none when everyone eligible is in."""
        if self._whole is not self:
            self._whole.outcome(rule)
        return self._whole._cutoffs.get(_key(rule))

    def query(self, text: str) -> Vectors:
        """Encode a text, float32[dim]; each text once. Raises `EmbedderError` for another encoder."""
        queries = self._whole._queries
        if text not in queries:
            encoder = self._whole._embedder
            if encoder is None:
                raise DefinitionError(f"like {text!r} needs a sentence encoder, and none was given")
            self._whole.people.check_embedder(encoder)
            queries[text] = encoder.encode([text])[0]
        return queries[text]

    def seeds(self, rule: SimilarRule) -> SeedGroup:
        """Find what stands for the rule's seeds. Raises `DefinitionError` when the snapshot has none."""
        groups, key = self._whole._groups, _key(rule.similar_to)
        if key not in groups:
            groups[key] = self._whole._seed_group(rule)
        return groups[key]

    def _seed_group(self, rule: SimilarRule) -> SeedGroup:
        named = rule.similar_to.profiles
        if named is not None:
            rows = np.flatnonzero(self.people.ids.is_in(list(named)).to_numpy())
            if not len(rows):
                shown = ", ".join(repr(seed) for seed in named[:3])
                raise DefinitionError(
                    f"similar_to: no profile of {shown} is in the snapshot; name ones that are"
                )
        else:
            rows = np.flatnonzero(self.select(self.segments[rule.similar_to.segment or ""])[0])
        prototypes, shares = seed_prototypes(self.people.interests, rows)
        ids = frozenset(self.people.ids.gather(rows).to_list())
        return SeedGroup(ids=ids, prototypes=prototypes, shares=shares)


def least_similarity(rule: LikeRule) -> float:
    """Return how similar a profile must be at least: what the rule says, or the default without a "top n"."""
    if rule.min_similarity is not None:
        return rule.min_similarity
    return DEFAULT_SIMILARITY if rule.top is None else -1.0


def _key(rule: msgspec.Struct) -> str:
    """Tell rules apart by what they say; equality would take 1, 1.0 and true for one."""
    return repr(rule)


class _Mean:
    """The mean of several parts' scores, of those that are known; one by one, so that order is all."""

    def __init__(self) -> None:
        self._total: Vectors | None = None
        self._known = np.zeros(0, dtype=np.int64)

    def add(self, scores: Vectors) -> None:
        known = ~np.isnan(scores)
        if self._total is None:
            self._total, self._known = np.where(known, scores, np.float32(0)), known.astype(np.int64)
        else:
            self._total += np.where(known, scores, np.float32(0))
            self._known += known

    def result(self) -> Vectors | None:
        """Return none when no part gave scores."""
        if self._total is None:
            return None
        mean = np.where(self._known > 0, self._total / np.maximum(self._known, 1), np.nan)
        return mean.astype(np.float32)


class _Greatest:
    """The greatest of several parts' scores."""

    def __init__(self) -> None:
        self._best: Vectors | None = None

    def add(self, scores: Vectors) -> None:
        self._best = scores if self._best is None else np.fmax(self._best, scores)

    def result(self) -> Vectors | None:
        """Return none when no part gave scores."""
        return self._best
