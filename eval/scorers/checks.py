"""The share of checks a variant passed."""

from collections.abc import Sequence

from indexing.embedder import Embedder
from prompts.brief import Brief
from prompts.variant import Score, Variant


def score(brief: Brief, variants: Sequence[Variant], embedder: Embedder) -> list[Score | None]:
    """Score rules passed / rules run, 0..1; 0 for a malformed variant.

    When it lies: every rule counts the same, so a missing product weighs as much as a doubled space.
    """
    del brief, embedder
    return [_share(variant) for variant in variants]


def _share(variant: Variant) -> Score:
    if not variant.checks:
        reason = "the engine's answer was malformed" if variant.status == "malformed" else "no check was run"
        return Score(name="checks", value=0.0, reason=reason)
    failed = [result.rule for result in variant.checks if not result.passed]
    passed = len(variant.checks) - len(failed)
    reason = f"{passed} of {len(variant.checks)} rules passed"
    if failed:
        reason += f"; failed: {', '.join(failed)}"
    return Score(name="checks", value=passed / len(variant.checks), reason=reason)
