"""A suite's result as a report: JSON in the form of *Figures*, and Markdown for a reader."""

from collections.abc import Sequence

from eval.figures import Figures, figures, markdown
from eval.harness import SuiteResult
from eval.measures import Sample
from eval.scorers.registry import merit
from prompts.variant import Variant


def report(result: SuiteResult, *, command: str, seconds: float) -> Figures:
    """Put the result's figures into the common form; data names the suite, engine and embedder measured."""
    data = {
        "suite": f"{result.suite.name}.v{result.suite.version}@{result.suite_digest}",
        "engine": f"{result.engine.name}/{result.engine.model}",
        "embedder": result.embedder,
    }
    prompts = {
        f"{v.provenance.prompt}@{v.provenance.prompt_digest}" for s in result.samples for v in s.variants
    }
    if prompts:
        data["prompts"] = ", ".join(sorted(prompts))
    return figures(command, result.figures, seconds=seconds, seed=result.suite.seed, data=data)


def as_markdown(result: SuiteResult, summary: Figures, *, examples: int = 3) -> str:
    """Write the figures as a table, then the best and the worst variants with the reasons."""
    samples = [(sample, variant) for sample in result.samples for variant in sample.variants]
    ordered = sorted(samples, key=lambda pair: (pair[1].status != "passed", -merit(pair[1])))
    worst = [pair for pair in reversed(ordered) if pair not in ordered[:examples]][:examples]
    lines = [f"# {result.suite.name}", "", result.suite.purpose.strip(), "", markdown(summary)]
    lines += ["## Best", "", *_examples(ordered[:examples]), "## Worst", "", *_examples(worst)]
    return "\n".join(lines)


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
