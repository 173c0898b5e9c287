"""Writing a text again: what may be asked, what stays as it was, and what the answer must keep.

A rewrite is asked for with one of three words every engine knows, or in free text, which is data: an
instruct model reads it fenced, and the rules stand whatever it says. Where only some fields are to be written
again the others are put back byte for byte, whatever the engine made of them.
"""

from collections.abc import Collection
from typing import get_args

from prompts.brief import Brief, Rewrite, RewriteRequest
from prompts.channels import find_channel
from prompts.checks.rules import run_checks
from prompts.engine import EngineInfo
from prompts.errors import BriefError
from prompts.readers import ASSUMED, Readers
from prompts.variant import CheckResult, Fields, Finding, texts

KNOWN: tuple[str, ...] = get_args(Rewrite)

CHANGED_RULE = "rewrite.changed"
"""The check that a rewrite is another text, and that a shorter one is shorter."""
FACTS_RULE = "rewrite.facts"
"""The check that a rewrite still states every fact that the text before it stated."""

LONGEST_INSTRUCTION = 500
LONGEST_TEXT = 50_000
_MAY_GO = frozenset({"facts.benefits"})
"""What a shorter text may leave out."""


def validate_rewrite(channel: str, rewrite: RewriteRequest) -> None:
    """Raise `BriefError`, quoting the value, for a rewrite that cannot be asked for."""
    if len(rewrite.instruction) > LONGEST_INSTRUCTION:
        raise BriefError(
            f"rewrite.instruction has {len(rewrite.instruction)} characters: at most {LONGEST_INSTRUCTION}; "
            f"it begins {rewrite.instruction[:40]!r}"
        )
    size = sum(map(len, texts(rewrite.fields)))
    if size > LONGEST_TEXT:
        raise BriefError(f"rewrite.fields hold {size} characters: at most {LONGEST_TEXT}")
    names = [field.name for field in find_channel(channel).fields]
    for name in rewrite.only:
        if name not in names:
            raise BriefError(
                f"cannot write {name[:80]!r} again: the fields of {channel} are {', '.join(names)}"
            )
    missing = [name for name in names if rewrite.only and name not in rewrite.fields]
    if missing:
        raise BriefError(
            f"rewrite.fields lack {', '.join(missing)}: where only some fields are written again, send all"
        )


def check_engine(rewrite: RewriteRequest, engine: EngineInfo) -> None:
    """Raise `BriefError` for free text where the engine understands the three words only."""
    if engine.dialect == "pocket" and rewrite.instruction not in ("", *KNOWN):
        raise BriefError(
            f"engine {engine.model!r} rewrites by the words {', '.join(KNOWN)} only, not by "
            f"{rewrite.instruction[:80]!r}: use one of them, or point the engine setting "
            "(PITCHWRIGHT_ENGINE_URL) at an instruct model"
        )


def keep(rewrite: RewriteRequest | None, fields: Fields) -> Fields:
    """Put back the fields that were not to be written again, byte for byte."""
    if rewrite is None or not rewrite.only:
        return fields
    return {name: value if name in rewrite.only else rewrite.fields[name] for name, value in fields.items()}


def rewrite_checks(brief: Brief, fields: Fields, readers: Readers = ASSUMED) -> tuple[CheckResult, ...]:
    """Hold a rewrite against the text it was made from; nothing for new copy."""
    rewrite = brief.rewrite
    if rewrite is None:
        return ()
    return (
        _verdict(CHANGED_RULE, _unchanged(rewrite, fields)),
        _verdict(FACTS_RULE, _lost(brief, rewrite, fields, readers)),
    )


def _unchanged(rewrite: RewriteRequest, fields: Fields) -> str | None:
    asked = rewrite.only or tuple(fields)
    before = {name: rewrite.fields.get(name) for name in asked}
    if all(fields[name] == before[name] for name in asked):
        return f"{', '.join(asked)} came back as before"
    if rewrite.instruction != "shorter":
        return None
    was, now = _length(rewrite.fields, asked), _length(fields, asked)
    return f"{now} characters are not shorter than {was}" if now >= was else None


def _length(fields: Fields, names: Collection[str]) -> int:
    return sum(map(len, texts({name: value for name, value in fields.items() if name in names})))


def _lost(brief: Brief, rewrite: RewriteRequest, fields: Fields, readers: Readers) -> str | None:
    free = _MAY_GO if rewrite.instruction == "shorter" else frozenset[str]()
    stated = {
        check.rule
        for check in run_checks(brief, rewrite.fields, readers)
        if check.rule.startswith("facts.") and check.rule not in free and not check.findings
    }
    reasons = [
        finding.reason
        for check in run_checks(brief, fields, readers)
        if check.rule in stated
        for finding in check.findings
    ]
    return f"it lost what the text before it said: {'; '.join(reasons)}" if reasons else None


def _verdict(rule: str, reason: str | None) -> CheckResult:
    if reason is None:
        return CheckResult(rule=rule, passed=True)
    finding = Finding(rule=rule, severity="error", field=None, span=None, reason=reason)
    return CheckResult(rule=rule, passed=False, findings=(finding,))
