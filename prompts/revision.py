"""Copy that a person writes or changes: read as strictly as an engine's, held against the same rules."""

from collections.abc import Iterable, Mapping

import msgspec

from prompts.brief import Brief
from prompts.channels import channel_read
from prompts.checks.duplicates import signature
from prompts.checks.rules import passes, run_checks
from prompts.copywriter import DISTINCT_RULE
from prompts.output import read_fields
from prompts.readers import ASSUMED, Readers
from prompts.variant import CheckResult, Fields, Finding, Provenance, Variant

BY_HAND = Provenance(
    prompt="", prompt_digest="", engine="person", model="", seed=0, attempts=0, note="Written by a person."
)
"""The provenance of a text that a person brings."""

_PIECE = ("length.items", "facts.", "tags.greeting", "words.required", "brand.disclaimer")
"""Rules about the whole piece, by how their ids begin."""
_PRODUCT = ("facts.product", "facts.benefits", "facts.link", "invented.")
_OFFER = ("facts.offer", "facts.code", "facts.ends")


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Rules that were not run on a text, and why."""

    rules: tuple[str, ...]
    """How their ids begin."""
    reason: str


def gaps(brief: Brief, fields: Fields) -> tuple[Gap, ...]:
    """Say which rules cannot be run on a text: of a piece that is there in part, of facts nobody gave.

    A brief whose product has no title gives no product.
    """
    channel, found = channel_read(brief.channel), list[Gap]()
    missing = [
        field.name
        for field in channel.fields
        if field.name not in fields and (field.items is None or field.items[0] > 0)
    ]
    if missing:
        reason = f"only a part of the {channel.title} is there: without {', '.join(missing)}"
        found.append(Gap(rules=_PIECE, reason=reason))
    if not brief.product.title:
        rules = _PRODUCT if brief.offer else (*_PRODUCT, *_OFFER)
        found.append(Gap(rules=rules, reason="no product is known"))
    return tuple(found)


def by_hand(brief: Brief, given: Mapping[str, object], variant_id: str) -> Variant:
    """Read a text that a person wrote, all of the channel's fields or some, and hold it against the rules.

    Rules that cannot be run (`gaps`) are not among its checks. Raises `OutputError`, quoting the place, for
    what the channel's fields cannot hold, and `BriefError` for an unknown channel.
    """
    fields = read_fields(brief.channel, given, partly=True)
    left_out = tuple(rule for gap in gaps(brief, fields) for rule in gap.rules)
    checks = tuple(check for check in run_checks(brief, fields) if not check.rule.startswith(left_out))
    status = "passed" if passes(checks) else "failed"
    return Variant(id=variant_id, status=status, fields=fields, checks=checks, provenance=BY_HAND)


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
