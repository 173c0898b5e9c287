"""A draft as a person wants to read it in a terminal: the copy, how full its fields are, how good and why."""

from collections.abc import Iterable, Mapping, Sequence

from eval.scorers.registry import RANK_WEIGHTS, merit, rank
from prompts.channels import PLAIN, Channel, channel_read
from prompts.measure import UNITS, Length, room_used
from prompts.variant import CheckResult, Score, Variant

WORDS: Mapping[str, str] = {
    "audience": "audience",
    "voice": "voice",
    "distinct_2": "variety",
    "self_similarity": "sameness",
    "readability": "ease",
    "headline": "headline",
    "clicks": "clicks",
    "judge": "judge",
    "judge_preference": "preferred",
}
"""What scores are called for a reader; shares of rules passed are told by the rules, and what only repeats
another is left to JSON."""
QUOTING = frozenset({"audience", "voice", "judge", "judge_preference"})
"""Scores whose evidence a reader wants to see: the closest line, what a judge said."""

LONGEST_RAW = 300
"""Characters of a malformed answer that are shown."""


def heading(number: int, variant: Variant) -> str:
    """Say in one line which variant this is, whether it passed, and how it was ranked."""
    ranked = f", score {merit(variant):.2f}" if variant.scores else ""
    return f"{number}. {variant.status.upper()}{ranked}"


def control_heading(control: Variant, others: Sequence[Variant]) -> str:
    """Say in one line how the text in use today did, and where it would stand among the others."""
    place = 1 + [each.id for each in rank([*others, control])].index(control.id)
    return (
        f"In use today: {control.status.upper()}, score {merit(control):.2f}, "
        f"would stand {place} of {len(others) + 1}"
    )


def rows_of(variant: Variant, channel: str, control: Variant | None = None) -> list[tuple[str, str, str]]:
    """Lay a variant out as rows of what it is, a number, and a text; beside the text in use, if there is one.

    Of scores that are missing only those are told whose scorer broke, or that a judge owes.
    """
    rows = [*_copy(variant, channel_read(channel)), ("", "", ""), *_checks(variant.checks)]
    before = {score.name: score.value for score in control.scores} if control else {}
    for score in variant.scores:
        if score.name in WORDS:
            rows.append((WORDS[score.name], f"{score.value:.2f}", _why(score, before.get(score.name))))
            quoted = score.evidence if score.name in QUOTING else ()
            rows += [("", "", f"“{' '.join(text.split())}”") for text in quoted]
    missing = (entry for entry in variant.unscored if entry.failed or entry.name.startswith("judge"))
    return rows + [(word(entry.name), "none", entry.reason) for entry in missing]


def word(name: str) -> str:
    """Say what a score is called for a reader."""
    return WORDS.get(name, name)


def _copy(variant: Variant, channel: Channel) -> Iterable[tuple[str, str, str]]:
    if not variant.fields:
        raw = " ".join((variant.raw or "").split())
        cut = f"{raw[:LONGEST_RAW]} ..." if len(raw) > LONGEST_RAW else raw
        yield "answer", "", f"{cut!r}"
    for label, text, length in room_used(channel, variant.fields):
        room = str(length.length) if channel is PLAIN else used(length)
        yield label, room, "\n".join(line for line in text.split("\n") if line.strip())


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


def _why(score: Score, before: float | None) -> str:
    told = [score.reason] if score.reason else []
    if score.low is not None and score.high is not None:
        told.insert(0, f"{score.low:.2f} to {score.high:.2f}")
    if before is not None:
        told.insert(0, f"in use today {before:.2f}")
    weight = RANK_WEIGHTS.get(score.name, 0.0)
    reason = "; ".join(told)
    if not weight:
        return reason
    return f"{reason} (weight {weight:g})" if reason else f"weight {weight:g}"
