"""Whether new copy says almost what was accepted, and so perhaps sent, for the same channel before."""

from collections.abc import Sequence

import msgspec

from prompts.brief import Brief
from prompts.checks.duplicates import NEAR, nearest
from prompts.variant import CheckResult, Fields, Finding, Variant
from service.drafts.model import Draft, Parent
from service.drafts.store import DraftStore
from service.runtime import Runtime

SENT_RULE = "duplicates.sent"
"""The check that a variant is more than accepted copy with a word or two changed; it only warns."""
NEWEST = 50
"""Drafts with decisions that are looked through, the newest first."""


async def against_accepted(
    runtime: Runtime, workspace: str, brief: Brief, variants: Sequence[Variant], parent: Parent | None
) -> list[Variant]:
    """Add the check to each variant that has copy; unchanged where nothing was accepted for the channel.

    What a rewrite was made from does not count against it.
    """
    async with runtime.database.read() as session:
        drafts = await DraftStore(session, workspace).newest_decided(brief.channel, NEWEST)
    accepted = {name: fields for draft in drafts for name, fields in _accepted(draft, parent)}
    if not accepted:
        return list(variants)
    return await runtime.run(_checked, brief, variants, accepted)


def _accepted(draft: Draft, parent: Parent | None) -> list[tuple[str, Fields]]:
    return [
        (f"{draft.id}/{standing.variant_id}", standing.fields)
        for standing in draft.standings
        if standing.verdict == "accepted"
        and parent != Parent(draft_id=draft.id, variant_id=standing.variant_id)
    ]


def _checked(brief: Brief, variants: Sequence[Variant], accepted: dict[str, Fields]) -> list[Variant]:
    names, texts = list(accepted), list(accepted.values())
    checked: list[Variant] = []
    for variant in variants:
        found = nearest(brief, variant.fields, texts) if variant.fields else None
        findings: tuple[Finding, ...] = ()
        if found is not None and found[1] >= NEAR:
            said = f"says almost the same as {names[found[0]]}, which was accepted ({found[1]:.0%} alike)"
            findings = (Finding(rule=SENT_RULE, severity="warning", field=None, span=None, reason=said),)
        check = CheckResult(rule=SENT_RULE, passed=True, findings=findings)
        checks = (*variant.checks, check) if variant.fields else variant.checks
        checked.append(msgspec.structs.replace(variant, checks=checks))
    return checked
