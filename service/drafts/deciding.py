"""Decide about variants, and read who decided what."""

from prompts.errors import LengthError, OutputError, SlotError
from prompts.personal import prove, read_copy
from prompts.revision import recheck, revise
from prompts.variant import Variant
from service.drafts.actions import get_draft
from service.drafts.decision import (
    Actor,
    Copy,
    Decision,
    DecisionRequest,
    checked,
    copy_of,
)
from service.drafts.decision_store import DecisionStore, History
from service.drafts.model import Draft
from service.drafts.readers import find_readers
from service.errors import Conflict, InvalidInput, NotFound
from service.runtime import Runtime

TRIES = 5
"""How often a decision is made anew because somebody else decided about the variant meanwhile."""


async def decide(
    runtime: Runtime,
    workspace: str,
    draft_id: str,
    variant_id: str,
    request: DecisionRequest,
    by: Actor,
) -> Decision:
    """Store a decision about a variant as it stands.

    An edit changes the named fields, is held against the same rules, and leaves what was written in the
    draft. What an edit's merge tags may name, and how long its texts get, the newest snapshot says, as when
    copy is rendered. Raises NotFound; InvalidInput for a request that does not fit together or fields the
    channel cannot hold; Conflict for accepting copy that fails its checks, or that somebody who might read it
    could not be shown.
    """
    checked(request)
    for _ in range(TRIES):
        draft = await get_draft(runtime, workspace, draft_id)
        variant = find_variant(draft, variant_id)
        history = await history_of(runtime, workspace, draft_id)
        copy = await _decided(runtime, workspace, draft, variant, history, request)
        decision = Decision(
            number=len(history.get(variant_id, ())) + 1,
            verdict=request.verdict,
            by=by,
            at=runtime.now(),
            reason=request.reason.strip(),
            fields=copy.fields if request.verdict == "edited" else None,
            checks=copy.checks if request.verdict == "edited" else None,
        )
        async with runtime.database.write() as session:
            if await DecisionStore(session, workspace).add(draft_id, variant_id, decision):
                return decision
    raise Conflict(f"variant {variant_id!r} is being decided about by others: read it again, then decide")


async def list_decisions(
    runtime: Runtime, workspace: str, draft_id: str, variant_id: str
) -> tuple[Decision, ...]:
    """Return every decision about a variant, oldest first. Raises NotFound."""
    find_variant(await get_draft(runtime, workspace, draft_id), variant_id)
    return (await history_of(runtime, workspace, draft_id)).get(variant_id, ())


def find_variant(draft: Draft, variant_id: str) -> Variant:
    """Return a draft's variant; raises NotFound."""
    found = next((variant for variant in draft.variants if variant.id == variant_id), None)
    if found is None:
        raise NotFound(f"draft {draft.id!r} has no variant {variant_id!r}")
    return found


async def history_of(runtime: Runtime, workspace: str, draft_id: str) -> History:
    """Return the decisions about a draft's variants."""
    async with runtime.database.read() as session:
        return await DecisionStore(session, workspace).of_draft(draft_id)


async def _decided(
    runtime: Runtime,
    workspace: str,
    draft: Draft,
    variant: Variant,
    history: History,
    request: DecisionRequest,
) -> Copy:
    """Return the copy the decision leaves behind."""
    copy = copy_of(variant, history.get(variant.id, ()))
    channel = draft.brief.channel
    if request.verdict == "accepted":
        if copy.status != "passed":
            failed = ", ".join(check.rule for check in copy.checks if not check.passed)
            raise Conflict(f"variant {variant.id!r} fails {failed}: edit it until it passes, then accept it")
        readers = await find_readers(runtime, workspace, copy.fields, draft.segment)
        try:
            await runtime.run(lambda: prove(read_copy(channel, copy.fields, readers), readers))
        except (SlotError, LengthError) as error:
            raise Conflict(f"variant {variant.id!r} cannot be accepted: {error}") from error
    if request.verdict != "edited":
        return copy
    try:
        fields = revise(channel, copy.fields, request.fields or {})
    except OutputError as error:
        raise InvalidInput(f"the edit cannot be stored: {error}") from error
    others = (copy_of(other, history.get(other.id, ())) for other in draft.variants if other.id != variant.id)
    passed = [other.fields for other in others if other.status == "passed"]
    readers = await find_readers(runtime, workspace, fields, draft.segment)
    checks = await runtime.run(recheck, draft.brief, fields, passed, readers)
    return Copy(
        fields=fields, checks=checks, status="passed" if all(check.passed for check in checks) else "failed"
    )
