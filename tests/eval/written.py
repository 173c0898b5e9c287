"""Variants written by hand."""

from collections.abc import Callable

from prompts.variant import CheckResult, Fields, Finding, Provenance, Variant

MakeVariant = Callable[..., Variant]


def variant_of(
    fields: Fields | None = None,
    *,
    failed: tuple[str, ...] = (),
    warned: tuple[str, ...] = (),
    attempts: int = 1,
) -> Variant:
    """A variant as the copywriter makes it: no fields is a malformed answer."""
    rules = ("length.hard", "facts.product", "facts.offer", "facts.code", "facts.ends", "facts.benefits")
    checks = tuple(
        CheckResult(rule=rule, passed=rule not in failed, findings=_findings(rule, failed, warned))
        for rule in rules
    )
    return Variant(
        id="v1",
        status="malformed" if fields is None else "failed" if failed else "passed",
        fields=fields or {},
        checks=() if fields is None else checks,
        provenance=Provenance(
            prompt="push/pocket.v1",
            prompt_digest="d1",
            engine="scripted",
            model="m@1",
            seed=1,
            attempts=attempts,
        ),
        raw="{" if fields is None else None,
    )


def _findings(rule: str, failed: tuple[str, ...], warned: tuple[str, ...]) -> tuple[Finding, ...]:
    if rule in failed:
        return (Finding(rule=rule, severity="error", field=None, span=None, reason=f"{rule} failed"),)
    if rule in warned:
        return (Finding(rule=rule, severity="warning", field=None, span=None, reason=f"{rule} strained"),)
    return ()
