"""The registry of rules, and the one function that runs them."""

from prompts.brief import Brief
from prompts.checks import (
    brand,
    claims,
    duplicates,
    facts,
    invented,
    language,
    lengths,
    links,
    personal,
    profanity,
    words,
)
from prompts.checks.reading import Hit, Reading, Rule, read
from prompts.readers import ASSUMED, Readers
from prompts.variant import CheckResult, Fields, Finding

RULES: tuple[Rule, ...] = (
    *lengths.RULES,
    *facts.RULES,
    *invented.RULES,
    *claims.RULES,
    *words.RULES,
    *profanity.RULES,
    *brand.RULES,
    *language.RULES,
    *links.RULES,
    *personal.RULES,
    *duplicates.RULES,
)
"""Every rule, in the order in which results are listed. Ids are stable and unique."""


def run_checks(brief: Brief, fields: Fields, readers: Readers = ASSUMED) -> tuple[CheckResult, ...]:
    """Hold a variant's fields, slots filled, against every rule; rules that find nothing are listed too.

    Merge tags and lengths are held against those who might read it.

    Pure and deterministic. Raises `BriefError` for an unknown channel and nothing else: copy that cannot be
    read, such as a broken merge tag, is a finding.
    """
    reading = read(brief, fields, readers)
    return tuple(_run(rule, reading) for rule in RULES)


def passes(checks: tuple[CheckResult, ...]) -> bool:
    """Whether no check found an error."""
    return all(check.passed for check in checks)


def warnings(checks: tuple[CheckResult, ...]) -> int:
    """Count the findings that are warnings."""
    return sum(finding.severity == "warning" for check in checks for finding in check.findings)


def _run(rule: Rule, reading: Reading) -> CheckResult:
    findings = tuple(_finding(rule, hit) for hit in rule.check(reading))
    return CheckResult(
        rule=rule.id,
        passed=all(finding.severity != "error" for finding in findings),
        findings=findings,
    )


def _finding(rule: Rule, hit: Hit) -> Finding:
    return Finding(
        rule=rule.id,
        severity=hit.severity or rule.severity,
        field=hit.line.label if hit.line else None,
        span=hit.span,
        reason=hit.reason,
    )
