"""Copy that a person changes: read as strictly as an engine's answer, held against the same rules."""

from collections.abc import Iterable, Mapping

from prompts.brief import Brief
from prompts.checks.duplicates import signature
from prompts.checks.rules import run_checks
from prompts.copywriter import DISTINCT_RULE
from prompts.output import read_fields
from prompts.readers import ASSUMED, Readers
from prompts.variant import CheckResult, Fields, Finding


def revise(channel: str, fields: Fields, changes: Mapping[str, object]) -> Fields:
    """Put changed fields into copy; the others stay byte for byte.

    Raises `OutputError`, quoting the place, for what the channel's fields cannot hold, and `BriefError` for
    an unknown channel.
    """
    read = read_fields(channel, {**fields, **changes})
    return {name: value if name in changes else fields.get(name, value) for name, value in read.items()}


def recheck(
    brief: Brief, fields: Fields, others: Iterable[Fields], readers: Readers = ASSUMED
) -> tuple[CheckResult, ...]:
    """Hold copy against every rule, and against the other variants of its draft, as the copywriter does.

    Its merge tags and lengths are held against `readers`.
    """
    written = signature(fields)
    repeats = any(signature(other) == written for other in others)
    finding = Finding(
        rule=DISTINCT_RULE,
        severity="error",
        field=None,
        span=None,
        reason="says the same as another variant of this draft",
    )
    distinct = CheckResult(rule=DISTINCT_RULE, passed=not repeats, findings=(finding,) if repeats else ())
    return (*run_checks(brief, fields, readers), distinct)
