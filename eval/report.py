"""A suite's result as a report: JSON in the form of *Figures*, and Markdown for a reader."""

from collections.abc import Sequence

from eval.figures import Figures, figures, markdown
from eval.measures import Sample
from eval.result import SetAside, SuiteRun
from eval.scorers.registry import merit
from prompts.variant import Variant

ASIDE_TOLD = 20


def report(run: SuiteRun, *, command: str, seconds: float) -> Figures:
    """Put the figures into the common form; data names all that was measured with."""
    result = run.result
    data = {
        "suite": f"{result.label}@{result.suite_digest}",
        "engine": ", ".join(f"{each.engine.name}/{each.engine.model}" for each in result.candidates),
        "embedder": result.origin.embedder,
        **{f"data {name}": digest for name, digest in result.origin.data.items()},
    }
    prompts = {f"{name}@{digest}" for each in result.candidates for name, digest in each.prompts.items()}
    if prompts:
        data["prompts"] = ", ".join(sorted(prompts))
    if result.origin.revision is not None:
        data["revision"] = result.origin.revision
    return figures(command, result.figures, seconds=seconds, seed=result.suite.seeds[0], data=data)


def as_markdown(run: SuiteRun, summary: Figures, *, examples: int = 3) -> str:
    """Write the figures as a table, what was set aside, then the best and the worst variants with reasons."""
    suite = run.result.suite
    best, worst = extremes(run.samples, examples)
    lines = [f"# {suite.name}", "", suite.purpose.strip(), "", markdown(summary)]
    aside = [entry for candidate in run.result.candidates for entry in candidate.set_aside]
    if aside:
        lines += ["## Set aside", "", *(f"- {told(entry)}" for entry in aside[:ASIDE_TOLD])]
        if len(aside) > ASIDE_TOLD:
            lines.append(f"- and {len(aside) - ASIDE_TOLD:,} more, in result.json")
        lines.append("")
    lines += ["## Best", "", *_examples(best), "## Worst", "", *_examples(worst)]
    return "\n".join(lines)


def extremes(
    samples: Sequence[Sample], most: int
) -> tuple[list[tuple[Sample, Variant]], list[tuple[Sample, Variant]]]:
    """Pick the best and the worst variants, by whether they passed and then by merit; none is in both.

    Repeats of what was asked already are left out.
    """
    pairs = [(sample, variant) for sample in samples if not sample.repeat for variant in sample.variants]
    ordered = sorted(pairs, key=lambda pair: (pair[1].status != "passed", -merit(pair[1])))
    best = ordered[:most]
    return best, list(reversed(ordered[len(best) :]))[:most]


def told(entry: SetAside) -> str:
    """Say in one line what was set aside."""
    scorer = f" by {entry.scorer}" if entry.scorer else ""
    return f"{entry.stage}{scorer}: {' '.join(entry.what.split())}: {' '.join(entry.reason.split())[:300]}"


def _examples(pairs: Sequence[tuple[Sample, Variant]]) -> list[str]:
    return [line for sample, variant in pairs for line in _example(sample, variant)]


def _example(sample: Sample, variant: Variant) -> list[str]:
    brief = sample.brief
    lines = [f"**{brief.channel}** for *{brief.audience.name}*, {brief.product.title}: {variant.status}", ""]
    for name, value in variant.fields.items():
        text = value if isinstance(value, str) else " / ".join(value)
        lines.append(f"- {name}: {' '.join(text.split())}")
    if variant.raw is not None:
        lines.append(f"- the engine's answer: {' '.join(variant.raw.split())[:200]}")
    lines += [
        f"- {finding.rule}: {finding.reason}" for result in variant.checks for finding in result.findings
    ]
    return [*lines, ""]
