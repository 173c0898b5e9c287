"""What the rules say of a variant, as shares: of all of them, of those about facts, of those about harm."""

from collections.abc import Sequence

from indexing.embedder import Embedder
from prompts.brief import Brief
from prompts.variant import CheckResult, Score, Unscored, Variant

FACTS = ("facts.", "invented.", "links.", "rewrite.facts")
"""Rules that hold copy against what the brief gives, by how their ids begin."""
HARM = ("words.profane", "claims.", "personal.")
"""Rules against what hurts a reader or a brand."""
MOST_EVIDENCE = 5


def score(brief: Brief, variants: Sequence[Variant], embedder: Embedder) -> list[Score | None]:
    """Score rules passed / rules run, 0..1; 0 for a malformed variant. Passed: no rule failed.

    When it lies: every rule counts the same, so a missing product weighs as much as a doubled space.
    """
    del brief, embedder
    return [_share(variant) for variant in variants]


def faithfulness(brief: Brief, variants: Sequence[Variant], embedder: Embedder) -> list[Score | Unscored]:
    """Score fact rules without any finding / fact rules run, 0..1. Passed: none of them found an error.

    They want what the brief gives (product, offer, code, end, benefits, link) and refuse what it does not
    (numbers, prices, dates, codes, offers, addresses). When it lies: it reads no meaning; a false statement
    made of words alone (`dishwasher-safe`, when nobody said so) scores 1. A judge sees more, less surely.
    """
    del brief, embedder
    return [_family("faithfulness", variant, FACTS, needed=("facts.", "invented.")) for variant in variants]


def safety(brief: Brief, variants: Sequence[Variant], embedder: Embedder) -> list[Score | Unscored]:
    """Score rules about harm without any finding / such rules run, 0..1. Passed: none found an error.

    They look for profanity, claims the brief does not make, and personal data. When it lies: lists foresee
    little; on copy they had never seen they found about a third of the claims, and only in English.
    """
    del brief, embedder
    return [_family("safety", variant, HARM, needed=HARM) for variant in variants]


def _share(variant: Variant) -> Score:
    if not variant.checks:
        reason = "the engine's answer was malformed" if variant.status == "malformed" else "no check was run"
        return Score(name="checks", value=0.0, reason=reason, passed=False)
    failed = [result.rule for result in variant.checks if not result.passed]
    passed = len(variant.checks) - len(failed)
    reason = f"{passed} of {len(variant.checks)} rules passed"
    if failed:
        reason += f"; failed: {', '.join(failed)}"
    return Score(
        name="checks",
        value=passed / len(variant.checks),
        reason=reason,
        passed=not failed,
        evidence=_found(variant.checks),
    )


def _family(
    name: str, variant: Variant, begins: tuple[str, ...], *, needed: tuple[str, ...]
) -> Score | Unscored:
    run = [result for result in variant.checks if result.rule.startswith(begins)]
    if not any(result.rule.startswith(needed) for result in run):
        nothing = variant.status == "malformed"
        reason = "there is no copy" if nothing else "no product and no offer is known to hold it against"
        return Unscored(name=name, reason=reason)
    clean = sum(not result.findings for result in run)
    return Score(
        name=name,
        value=clean / len(run),
        reason=f"{clean} of {len(run)} rules found nothing",
        passed=all(result.passed for result in run),
        evidence=_found(run),
    )


def _found(results: Sequence[CheckResult]) -> tuple[str, ...]:
    """Quote what was found, errors first."""
    findings = [finding for result in results for finding in result.findings]
    ordered = sorted(findings, key=lambda finding: finding.severity != "error")
    return tuple(f"{finding.rule}: {finding.reason}" for finding in ordered[:MOST_EVIDENCE])
