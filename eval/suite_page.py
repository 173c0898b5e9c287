"""A suite's run, and two runs side by side, as pages a person reads."""

from collections.abc import Callable, Mapping, Sequence

from eval.comparison import Comparison, Difference, compare, find_candidate
from eval.figures import Figure, number
from eval.html.blocks import (
    Block,
    Card,
    Cards,
    ComparedFigure,
    Differences,
    Distribution,
    Distributions,
    Fact,
    FigureTable,
    Page,
    Pair,
    Pairs,
    Section,
    State,
    Table,
    Verdict,
)
from eval.html.charts import around_zero, scale_of, strip
from eval.measures import Sample
from eval.proxies.headline.model import read_manifest
from eval.proxies.headline.odds import odds_section
from eval.report import extremes
from eval.result import CandidateResult, SuiteResult, SuiteRun
from eval.scorers.headline import NAME as HEADLINE
from eval.scorers.registry import merit
from prompts.variant import Variant

EXTREMES = 4
PAIRS = 8
ASIDE_SHOWN = 100
GROUPS: Mapping[str, Callable[[Sample], str]] = {
    "audience": lambda sample: sample.brief.audience.name,
    "channel": lambda sample: sample.brief.channel,
}
"""What scores are shown by."""
STATES: Mapping[str, State] = {"passed": "good", "failed": "bad", "malformed": "bad"}
CLOSING = (
    "Shares are of variants, with Wilson intervals, which take variants as independent although those of one "
    "brief are alike. Means are over drafts, resampled by brief. Copy that came back malformed counts as not "
    "valid; what is set aside is in no other figure.",
    "None of these figures has seen a click. Each scorer's description says when it lies.",
)


def run_page(run: SuiteRun) -> Page:
    """Lay out a run: verdict, origin, figures, scores by audience and channel, samples, the proxy's odds."""
    result = run.result
    sections: list[Section] = []
    for candidate in result.candidates:
        name = f" of {candidate.name}" if len(result.candidates) > 1 else ""
        samples = [sample for sample in run.samples if sample.candidate == candidate.name]
        sections += _sections(candidate, samples, name)
    if any(score.name == HEADLINE for each in run.samples for v in each.variants for score in v.scores):
        sections.append(odds_section(read_manifest()))
    first = find_candidate(result, None)
    for other in result.candidates[1:]:
        comparison = compare((result, first), (result, other))
        sections += _side_by_side(comparison, run.samples, run.samples, (first.name, other.name))
    return Page(
        kind="Evaluation",
        title=result.label,
        lede=" ".join(result.suite.purpose.split()),
        verdict=_verdict(result),
        facts=_facts(result),
        sections=tuple(sections),
        closing=CLOSING,
    )


def comparison_page(
    comparison: Comparison,
    before: tuple[SuiteResult, CandidateResult, Sequence[Sample]],
    after: tuple[SuiteResult, CandidateResult, Sequence[Sample]],
) -> Page:
    """Lay out what became better and what worse, and the copy of both where it was kept."""
    counts = {
        verdict: sum(entry.verdict == verdict for entry in comparison.differences)
        for verdict in ("worse", "better", "inconclusive")
    }
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    state: State = "bad" if counts["worse"] else "good" if counts["better"] else "plain"
    return Page(
        kind="Comparison",
        title=f"{before[0].label} and {after[0].label}"
        if before[0].label != after[0].label
        else before[0].label,
        verdict=Verdict(text=said.capitalize(), detail=" ".join(comparison.warnings), state=state),
        facts=(
            Fact(name="before", text=comparison.before),
            Fact(name="after", text=comparison.after),
            Fact(name="run before", text=before[0].origin.started),
            Fact(name="run after", text=after[0].origin.started),
        ),
        sections=tuple(_side_by_side(comparison, before[2], after[2], (before[1].name, after[1].name))),
        closing=CLOSING,
    )


def _verdict(result: SuiteResult) -> Verdict:
    goals = [entry for entry in result.figures if entry.goal is not None]
    missed = [entry for entry in goals if entry.met is False]
    if missed:
        detail = "; ".join(f"{entry.name} is {number(entry.value)}, goal {entry.goal}" for entry in missed)
        return Verdict(text=f"{len(missed)} of {len(goals)} goals missed", detail=detail, state="bad")
    return Verdict(text=f"All {len(goals)} goals met", detail=_counted(result), state="good")


def _counted(result: SuiteResult) -> str:
    asked = sum(candidate.asked for candidate in result.candidates)
    lost = sum(entry.stage != "scoring" for each in result.candidates for entry in each.set_aside)
    return f"{asked:,} drafts asked for, {asked - lost:,} written, {lost:,} set aside."


def _facts(result: SuiteResult) -> tuple[Fact, ...]:
    origin, suite = result.origin, result.suite
    told = {
        "suite": f"{result.label} @ {result.suite_digest}",
        **{f"engine {each.name}": f"{each.engine.name} / {each.engine.model}" for each in result.candidates},
        "drafts": _counted(result),
        "asked": f"{suite.n} variants a draft, seed {', '.join(map(str, suite.seeds))}"
        + (f", {suite.repeats} times" if suite.repeats > 1 else ""),
        "sentence encoder": origin.embedder,
        **origin.data,
        "run": f"{origin.started}, {origin.seconds:,.1f} s",
        "machine": origin.machine,
        "Pitchwright": origin.version + (f", {origin.revision}" if origin.revision else ""),
        "notes": " ".join(origin.notes),
        "engine's note": " ".join(dict.fromkeys(each.engine.note for each in result.candidates)),
    }
    return tuple(Fact(name=name, text=text) for name, text in told.items() if text)


def _sections(candidate: CandidateResult, samples: Sequence[Sample], name: str) -> list[Section]:
    best, worst = extremes(samples, EXTREMES)
    sections = [
        Section(
            title=f"Figures{name}",
            blocks=(
                FigureTable(figures=tuple(each for each in candidate.figures if not _is_cost(each))),
                FigureTable(
                    figures=tuple(filter(_is_cost, candidate.figures)),
                    caption="What it took. Answers kept from earlier runs count as they did then.",
                ),
                _prompts(candidate),
            ),
        )
    ]
    charts = _distributions(samples)
    if charts:
        sections.append(
            Section(
                title=f"Scores by audience and channel{name}",
                note="A dot is a variant, the band the middle half of its group, the bar its median.",
                blocks=(Distributions(charts=charts),),
            )
        )
    for title, pairs in (("Best", best), ("Worst", worst)):
        if pairs:
            sections.append(
                Section(
                    title=f"{title} samples{name}",
                    note="By whether they passed every check, then by the weighted sum that ranks drafts.",
                    blocks=(Cards(cards=tuple(_card(*pair) for pair in pairs)),),
                )
            )
    if candidate.set_aside:
        sections.append(_set_aside(candidate, name))
    return sections


def _is_cost(entry: Figure) -> bool:
    return entry.name.startswith(("cost.", "latency."))


def _prompts(candidate: CandidateResult) -> Block:
    return Table(
        header=("prompt", "digest"),
        rows=tuple(sorted(candidate.prompts.items())),
        caption="Prompts these variants were written with",
    )


def _set_aside(candidate: CandidateResult, name: str) -> Section:
    shown = candidate.set_aside[:ASIDE_SHOWN]
    return Section(
        title=f"Set aside{name}",
        note=f"{len(candidate.set_aside):,} in all, {len(shown):,} shown. They are in no other figure.",
        blocks=(
            Table(
                header=("what", "stage", "reason"),
                rows=tuple(
                    (entry.what, " by ".join(filter(None, (entry.stage, entry.scorer))), entry.reason)
                    for entry in shown
                ),
            ),
        ),
    )


def _distributions(samples: Sequence[Sample]) -> tuple[Distribution, ...]:
    """One drawing per score: its variants by audience, then by channel."""
    names = dict.fromkeys(score.name for s in samples for v in s.variants for score in v.scores)
    charts: list[Distribution] = []
    for name in names:
        scored = [
            (sample, score.value)
            for sample in samples
            for variant in sample.variants
            for score in variant.scores
            if score.name == name
        ]
        scale = scale_of([value for _, value in scored])
        strips = [
            strip(group, label, [value for sample, value in scored if of(sample) == label], scale)
            for group, of in GROUPS.items()
            for label in dict.fromkeys(of(sample) for sample, _ in scored)
        ]
        charts.append(
            Distribution(
                title=name,
                note=f"{len(scored):,} variants",
                strips=tuple(strips),
                low=scale.low,
                high=scale.high,
            )
        )
    return tuple(charts)


def _card(sample: Sample, variant: Variant) -> Card:
    fields = [
        Fact(name=name, text=value if isinstance(value, str) else "\n".join(value))
        for name, value in variant.fields.items()
    ]
    if variant.raw is not None:
        fields.append(Fact(name="the engine's answer", text=variant.raw))
    findings = [f"{each.rule}: {each.reason}" for result in variant.checks for each in result.findings]
    said = [*variant.scores, *variant.unscored]
    attempts = variant.provenance.attempts
    return Card(
        labels=_labels(sample),
        state=STATES[variant.status],
        status=variant.status,
        fields=tuple(fields),
        scores=tuple(Fact(name=score.name, text=number(score.value)) for score in variant.scores),
        reasons=(*findings, *(f"{each.name}: {each.reason}" for each in said if each.reason)),
        note=f"seed {variant.provenance.seed}, {attempts} {'ask' if attempts == 1 else 'asks'}",
    )


def _labels(sample: Sample) -> tuple[str, ...]:
    return sample.brief.channel, sample.brief.audience.name, sample.brief.product.title


def _side_by_side(
    comparison: Comparison, before: Sequence[Sample], after: Sequence[Sample], names: tuple[str, str]
) -> list[Section]:
    left_out = comparison.only_before + comparison.only_after
    notes = [*comparison.warnings]
    if left_out:
        notes.append(f"{left_out} briefs stand in one run alone and are not compared.")
    if comparison.not_compared:
        notes.append(f"Figures of one run alone: {', '.join(comparison.not_compared)}.")
    widest = (
        max((abs(end) for each in comparison.differences for end in (each.low, each.high)), default=1) or 1
    )
    table = Differences(
        figures=tuple(_compared(entry, widest) for entry in comparison.differences),
        caption=f"Before: {comparison.before}. After: {comparison.after}. Paired by brief; all verdicts "
        f"together hold with {comparison.confidence:.0%} confidence.",
    )
    pairs = _pairs(
        [sample for sample in before if sample.candidate == names[0]],
        [sample for sample in after if sample.candidate == names[1]],
    )
    sections = [Section(title=f"{names[0]} beside {names[1]}", note=" ".join(notes), blocks=(table,))]
    if pairs:
        sections.append(
            Section(
                title="The same briefs in both",
                note="The first variant of each, where the two differ most in their scores.",
                blocks=(Pairs(before=f"before: {names[0]}", after=f"after: {names[1]}", pairs=tuple(pairs)),),
            )
        )
    return sections


def _compared(entry: Difference, widest: float) -> ComparedFigure:
    states: Mapping[str, State] = {"better": "good", "worse": "bad", "inconclusive": "plain"}
    return ComparedFigure(
        name=entry.name,
        before=entry.before,
        after=entry.after,
        chart=around_zero(entry.difference, entry.low, entry.high, widest=widest),
        difference=f"{entry.difference:+.3f} ({entry.low:+.3f} to {entry.high:+.3f})",
        verdict=entry.verdict,
        state=states[entry.verdict],
    )


def _pairs(before: Sequence[Sample], after: Sequence[Sample]) -> list[Pair]:
    def by_brief(samples: Sequence[Sample]) -> dict[tuple[str, int], Sample]:
        return {(each.key, each.brief.seed): each for each in samples if each.variants and not each.repeat}

    old, new = by_brief(before), by_brief(after)
    both = [place for place in old if place in new]
    both.sort(key=lambda place: -abs(_merit(old[place]) - _merit(new[place])))
    return [
        Pair(
            title=", ".join(_labels(old[place])),
            before=_card(old[place], old[place].variants[0]),
            after=_card(new[place], new[place].variants[0]),
        )
        for place in both[:PAIRS]
    ]


def _merit(sample: Sample) -> float:
    return sum(map(merit, sample.variants)) / len(sample.variants)
