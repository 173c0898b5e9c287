"""Runs a suite's candidates: briefs through an engine, variants through the scorers, scores into figures."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from eval.answers import Answers, Booked, Purse, Spent
from eval.asking import key
from eval.errors import LimitReached, SuiteError
from eval.figures import Figure, figure
from eval.measures import Sample, measurable, measure, outcomes, score_name
from eval.result import CandidateResult, SetAside, Stage
from eval.scorers.registry import SCORERS, Scorer, score_variants
from eval.suite import Suite, Threshold
from indexing.embedder import Embedder
from prompts.brief import Brief
from prompts.catalog import Catalog
from prompts.copywriter import write
from prompts.engine import Engine
from prompts.errors import EngineOverloaded, EngineTimeout, EngineUnavailable, PromptError

Progress = Callable[[str, int, int | None], None]
"""Called with the stage, what is done and what there is in all."""

ASKS_IN_FLIGHT = 64
"""Variants under way at once, so that an engine's batches are full."""
DEAD_AFTER = 5
"""So many drafts in a row without an answer, and the engine counts as dead."""

SET_ASIDE = ("samples.set_aside", "scores.set_aside")


def as_written(brief: Brief) -> Brief:
    """Tell the engine the brief as the suite says it."""
    return brief


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """An engine with a catalogue of prompts, and how briefs are put into the engine's words."""

    name: str
    engine: Engine
    catalog: Catalog
    understand: Callable[[Brief], Brief] = as_written
    """CPU work: run in a thread."""


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One draft to write."""

    key: str
    brief: Brief
    repeat: int

    def aside(self, stage: Stage, reason: str, scorer: str | None = None) -> SetAside:
        """Set it aside."""
        brief = self.brief
        what = f"{brief.channel}, {brief.product.title[:60]}, {brief.audience.name[:60]}, seed {brief.seed}"
        return SetAside(stage=stage, key=self.key, what=what, reason=reason, scorer=scorer)


def check_thresholds(suite: Suite, briefs: Sequence[Brief]) -> None:
    """Raise `SuiteError` for a threshold on a figure these briefs do not give, or that has a goal already.

    A goal nobody looks at is none, and after an hour of writing is a bad time to learn of it.
    """
    known = [*measurable(briefs, suite.scorers or SCORERS), *SET_ASIDE]
    known += ["engine.repeatable"] if suite.repeats > 1 else []
    twice = {score_name(scorer) for scorer, goal in suite.scorers.items() if goal.threshold}
    for name in suite.thresholds:
        if name in twice:
            raise SuiteError(f"{name!r} has a threshold and, as a scorer, a goal: leave one of them out")
        if name not in known:
            raise SuiteError(
                f"threshold on {name!r}, which this suite does not measure; it measures {', '.join(known)}"
            )


async def run_candidate(
    suite: Suite,
    briefs: Sequence[Brief],
    candidate: Candidate,
    embedder: Embedder,
    answers: Answers,
    progress: Progress | None = None,
    *,
    scorers: dict[str, Scorer] | None = None,
) -> tuple[CandidateResult, tuple[Sample, ...]]:
    """Write, check and score every variant of a suite with one candidate, and measure them.

    Every draft asked for stays in the count: copy that came back malformed counts as not valid; a brief that
    cannot be written, a draft that a limit left out and a scorer that failed are set aside with the reason,
    and counted against a goal of none. Raises `SuiteError` as `check_thresholds` does and when nothing at all
    was written, `EngineError` when the engine is dead; what it answered until then is kept.
    """
    check_thresholds(suite, briefs)
    tell = progress or _silent
    used = scorers or {name: SCORERS[name] for name in suite.scorers or SCORERS}
    asked = [
        _Asked(key=key(brief), brief=brief, repeat=repeat)
        for repeat in range(suite.repeats)
        for brief in briefs
    ]
    writing = _Writing(suite, candidate, answers, asked, tell)
    samples = await writing.run()
    if not samples:
        first = f"; the first: {writing.aside[0].what}: {writing.aside[0].reason}" if writing.aside else ""
        raise SuiteError(f"{candidate.name} wrote none of {len(asked)} drafts{first}")
    scored, unscored = await asyncio.to_thread(_score, samples, used, embedder, candidate.name, tell)
    aside = (*writing.aside, *unscored)
    measured = [
        *await asyncio.to_thread(measure, scored, embedder, seed=suite.seeds[0]),
        *_repeatable(scored, suite),
        *_costs(writing.spent),
        figure("samples.set_aside", len(writing.aside), n=len(asked), at_most=0),
        figure("scores.set_aside", len(unscored), n=len(scored) * len(used), at_most=0),
    ]
    result = CandidateResult(
        name=candidate.name,
        engine=candidate.engine.info,
        prompts={
            variant.provenance.prompt: variant.provenance.prompt_digest
            for sample in scored
            for variant in sample.variants
        },
        asked=len(asked),
        figures=judged(measured, suite),
        outcomes=outcomes(scored),
        set_aside=aside,
    )
    return result, scored


class _Writing:
    """The drafts of one candidate on their way, some at a time, until all are written or set aside."""

    def __init__(
        self,
        suite: Suite,
        candidate: Candidate,
        answers: Answers,
        asked: Sequence[_Asked],
        tell: Progress,
    ) -> None:
        self.aside: list[SetAside] = []
        self.spent: list[Spent] = []
        """Of every draft, those set aside included."""
        self._candidate = candidate
        self._answers = answers
        self._asked = asked
        self._tell = tell
        self._purse = Purse(suite.limits)
        self._places = asyncio.Semaphore(max(1, ASKS_IN_FLIGHT // suite.n))
        self._understanding = asyncio.Lock()
        self._done = 0
        self._failed_in_a_row = 0

    async def run(self) -> list[Sample]:
        """Write every draft, in the order asked; what was set aside is in `aside`."""
        tasks = [asyncio.create_task(self._draft(one)) for one in self._asked]
        try:
            found = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return [sample for sample in found if sample is not None]

    async def _draft(self, one: _Asked) -> Sample | None:
        async with self._places:
            engine = Booked(self._candidate.engine, self._answers, self._purse, one.repeat)
            try:
                async with self._understanding:  # one at a time: what it remembers is worked out once
                    told = await asyncio.to_thread(self._candidate.understand, one.brief)
                variants = await write(told, engine, self._candidate.catalog)
            except LimitReached as error:
                return self._set_aside(one.aside("limit", str(error)))
            except PromptError as error:
                self._mourn(error)
                return self._set_aside(one.aside("writing", str(error)))
            finally:
                self.spent.append(engine.spent)
            self._failed_in_a_row = 0
            self._count()
            return Sample(
                brief=told,
                variants=tuple(variants),
                key=one.key,
                repeat=one.repeat,
                candidate=self._candidate.name,
                spent=engine.spent,
            )

    def _mourn(self, error: PromptError) -> None:
        """Count an engine that gave no answer; raise when it is dead."""
        if not isinstance(error, EngineUnavailable | EngineOverloaded | EngineTimeout):
            return
        self._failed_in_a_row += 1
        dead = min(DEAD_AFTER, len(self._asked))
        if self._failed_in_a_row >= dead:
            written = self._done - len(self.aside)
            kept = "; what it answered is kept, run the suite again to go on" if self._answers.kept else ""
            raise type(error)(
                f"{self._candidate.name} stopped answering after {written} of {len(self._asked)} drafts, so "
                f"there is no result: {error}{kept}"
            ) from error

    def _set_aside(self, entry: SetAside) -> None:
        self.aside.append(entry)
        self._count()

    def _count(self) -> None:
        self._done += 1
        self._tell(f"writing with {self._candidate.name}", self._done, len(self._asked))


def _silent(stage: str, done: int, total: int | None) -> None:
    """Report to nobody."""


def _score(
    samples: Sequence[Sample], scorers: dict[str, Scorer], embedder: Embedder, name: str, tell: Progress
) -> tuple[tuple[Sample, ...], list[SetAside]]:
    scored: list[Sample] = []
    aside: list[SetAside] = []
    for sample in samples:
        variants = score_variants(sample.brief, sample.variants, embedder, scorers)
        failures = {
            each.name: each.reason for variant in variants for each in variant.unscored if each.failed
        }
        one = _Asked(key=sample.key, brief=sample.brief, repeat=sample.repeat)
        aside += [one.aside("scoring", reason, scorer) for scorer, reason in failures.items()]
        scored.append(msgspec.structs.replace(sample, variants=tuple(variants)))
        tell(f"scoring drafts of {name}", len(scored), len(samples))
    return tuple(scored), aside


def _repeatable(samples: Sequence[Sample], suite: Suite) -> list[Figure]:
    """Share of drafts asked again that came back word for word, seeds being equal."""
    if suite.repeats == 1:
        return []
    first = {(s.key, s.brief.seed): s for s in samples if s.repeat == 0}
    again = [(s, first[s.key, s.brief.seed]) for s in samples if s.repeat and (s.key, s.brief.seed) in first]
    if not again:
        return []
    same = sum([v.fields for v in new.variants] == [v.fields for v in old.variants] for new, old in again)
    return [figure("engine.repeatable", same / len(again), n=len(again))]


def _costs(spent: Sequence[Spent]) -> list[Figure]:
    """Count asks, tokens and latency; of answers kept from earlier runs as they were then."""
    asks = sum(each.asks for each in spent)
    seconds = [time for each in spent for time in each.seconds]
    counted = [
        figure("cost.asks", asks, n=len(spent)),
        figure("cost.asks_kept", sum(each.kept for each in spent), n=asks),
        figure("cost.prompt_tokens", sum(each.prompt_tokens for each in spent), n=asks),
        figure("cost.completion_tokens", sum(each.completion_tokens for each in spent), n=asks),
    ]
    for name, level in (("latency.p50", 0.5), ("latency.p95", 0.95)):
        if seconds:
            slow = float(np.sort(seconds)[min(len(seconds) - 1, int(level * len(seconds)))])
            counted.append(figure(name, slow, unit="s", n=len(seconds)))
    return counted


def judged(measured: Sequence[Figure], suite: Suite) -> tuple[Figure, ...]:
    """Hold figures against the suite's thresholds and the goals of its scorers.

    Raises `SuiteError` when one names a figure that was not measured: a goal nobody looks at is none.
    """
    goals = dict(suite.thresholds)
    for scorer, goal in suite.scorers.items():
        if goal.threshold is not None:
            goals[score_name(scorer)] = goal.threshold
    names = [entry.name for entry in measured]
    for name in goals:
        if name not in names:
            raise SuiteError(f"goal for {name!r}, which was not measured; measured were {', '.join(names)}")
    return tuple(_judge(entry, goals.get(entry.name)) for entry in measured)


def _judge(entry: Figure, threshold: Threshold | None) -> Figure:
    if threshold is None:
        return entry
    if threshold.at_least is not None:
        goal, met = f">= {threshold.at_least:g}", entry.value >= threshold.at_least
    else:
        limit = threshold.at_most or 0.0
        goal, met = f"<= {limit:g}", entry.value <= limit
    return msgspec.structs.replace(entry, goal=goal, met=bool(met))
