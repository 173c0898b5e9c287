"""A draft as a person wants to read it in a terminal: the copy, how full its fields are, how good and why."""

from collections.abc import Iterable, Mapping

from eval.scorers.registry import RANK_WEIGHTS, merit
from prompts.channels import Channel, find_channel
from prompts.measure import UNITS, Length, room_used
from prompts.variant import CheckResult, Score, Variant

WORDS: Mapping[str, str] = {
    "relevance": "relevance",
    "distinct_2": "variety",
    "self_similarity": "sameness",
    "readability": "ease",
}
"""What scores are called for a reader; the share of rules passed is told by the rules."""

LONGEST_RAW = 300
"""Characters of a malformed answer that are shown."""


def heading(number: int, variant: Variant) -> str:
    """Say in one line which variant this is, whether it passed, and how it was ranked."""
    ranked = f", score {merit(variant):.2f}" if variant.scores else ""
    return f"{number}. {variant.status.upper()}{ranked}"


def rows_of(variant: Variant, channel: str) -> list[tuple[str, str, str]]:
    """Lay a variant out as rows of what it is, a number, and a text."""
    rows = [*_copy(variant, find_channel(channel)), ("", "", ""), *_checks(variant.checks)]
    scores = (score for score in variant.scores if score.name in WORDS)
    return rows + [(WORDS[score.name], f"{score.value:.2f}", _why(score)) for score in scores]


def _copy(variant: Variant, channel: Channel) -> Iterable[tuple[str, str, str]]:
    if not variant.fields:
        raw = " ".join((variant.raw or "").split())
        cut = f"{raw[:LONGEST_RAW]} ..." if len(raw) > LONGEST_RAW else raw
        yield "answer", "", f"{cut!r}"
    for label, text, length in room_used(channel, variant.fields):
        yield label, used(length), "\n".join(line for line in text.split("\n") if line.strip())


def used(length: Length) -> str:
    """Write how much of its tightest limit a text uses, `41/60`, in another unit than characters by name."""
    unit = "" if length.counting == "characters" else f" {UNITS[length.counting]}"
    over = " too long" if length.over else ""
    return f"{length.length}/{length.limit}{unit}{over}"


def _checks(checks: Iterable[CheckResult]) -> Iterable[tuple[str, str, str]]:
    found = tuple(checks)
    failed = [check.rule for check in found if not check.passed]
    summary = f"fails {', '.join(failed)}" if failed else "passed every rule"
    yield "checks", f"{len(found) - len(failed)}/{len(found)}", summary
    for check in found:
        for finding in check.findings:
            place = f"{finding.field}: " if finding.field else ""
            yield f"  {finding.severity}", "", f"{check.rule}, {place}{finding.reason}"


def _why(score: Score) -> str:
    weight = f"weight {RANK_WEIGHTS.get(score.name, 0.0):g}"
    return f"{score.reason} ({weight})" if score.reason else weight
