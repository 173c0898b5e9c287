"""Whether new copy says almost what went out, or was accepted to, for the same channel before.

Gone out has what stands in a send list that was written whole, unless it was written for one person; whether
the list was then sent, only whoever sends it knows.
"""

from collections.abc import Sequence

import msgspec

from prompts.brief import Brief
from prompts.checks.duplicates import near
from prompts.variant import CheckResult, Fields, Finding, Variant
from service.drafts.model import Draft, Parent
from service.drafts.sent_store import Sent, SentStore
from service.drafts.store import DraftStore
from service.runtime import Runtime

SENT_RULE = "duplicates.sent"
"""The check that a variant is more than such copy with a word or two changed; it only warns."""
NEWEST = 50
"""Drafts with decisions that are looked through, the newest first."""

SaidBefore = Sequence[tuple[str, Fields]]
"""Copy of one channel, each with what it is, such as `D/V, which was accepted`."""


async def said_before(
    runtime: Runtime, workspace: str, channel: str, parent: Parent | None = None
) -> SaidBefore:
    """Look up what was accepted or went out for a channel, but not what a rewrite is made from."""
    async with runtime.database.read() as session:
        drafts = await DraftStore(session, workspace).newest_decided(channel, NEWEST)
        sent = await SentStore(session, workspace).newest(channel)
    accepted = [each for draft in drafts for each in _accepted(draft, parent)]
    return [*accepted, *(_sent(each) for each in sent if not parent or each.variant_id != parent.variant_id)]


async def held_against(
    runtime: Runtime, brief: Brief, variants: Sequence[Variant], before: SaidBefore
) -> list[Variant]:
    """Add the check to each variant that has copy; unchanged where nothing was said for the channel."""
    if not before:
        return list(variants)
    return await runtime.run(_checked, brief, variants, before)


def _accepted(draft: Draft, parent: Parent | None) -> list[tuple[str, Fields]]:
    return [
        (f"{draft.id}/{standing.variant_id}, which was accepted", standing.fields)
        for standing in draft.standings
        if standing.verdict == "accepted"
        and parent != Parent(draft_id=draft.id, variant_id=standing.variant_id)
    ]


def _sent(copy: Sent) -> tuple[str, Fields]:
    return (
        f"{copy.variant_id}, which went into a send list of campaign {copy.campaign!r} on "
        f"{copy.sent_at:%Y-%m-%d}",
        copy.fields,
    )


def _checked(brief: Brief, variants: Sequence[Variant], before: SaidBefore) -> list[Variant]:
    others = [fields for _, fields in before]
    found = iter(near(brief, [variant.fields for variant in variants if variant.fields], others))
    return [
        msgspec.structs.replace(variant, checks=(*variant.checks, _check(before, next(found))))
        if variant.fields
        else variant
        for variant in variants
    ]


def _check(before: SaidBefore, found: tuple[int, float] | None) -> CheckResult:
    findings: tuple[Finding, ...] = ()
    if found is not None:
        place, alike = found
        said = f"says almost the same as {before[place][0]} ({alike:.0%} alike)"
        findings = (Finding(rule=SENT_RULE, severity="warning", field=None, span=None, reason=said),)
    return CheckResult(rule=SENT_RULE, passed=True, findings=findings)
