"""Write a stored variant again: by a word, by free text, or one field alone."""

import hashlib

import msgspec

from prompts.brief import RewriteRequest
from service.drafts.actions import Prepared, get_draft, keep_draft, understood, write_prepared
from service.drafts.deciding import find_variant, history_of
from service.drafts.decision import copy_of
from service.drafts.model import MAX_VARIANTS, Draft, Parent, RewriteOrder
from service.drafts.readers import find_readers
from service.errors import Conflict, InvalidInput
from service.runtime import Runtime


async def rewrite_variant(
    runtime: Runtime, workspace: str, draft_id: str, variant_id: str, order: RewriteOrder
) -> Draft:
    """Write a variant again as it stands, from the facts of its brief, and store that as a draft of its own.

    Raises NotFound; InvalidInput for an order that asks for nothing; Conflict for a variant without copy;
    `BriefError` for a field the channel does not have, or free text where the engine does not understand it;
    and what `create_draft` raises of the engine.
    """
    _check(order)
    runtime.admission.ask(workspace, order.n)
    draft = await get_draft(runtime, workspace, draft_id)
    variant = find_variant(draft, variant_id)
    history = await history_of(runtime, workspace, draft_id)
    copy = copy_of(variant, history.get(variant_id, ()))
    if not copy.fields:
        raise Conflict(
            f"variant {variant_id!r} is malformed and has no copy to rewrite: write a new draft, or edit it"
        )
    rewrite = RewriteRequest(
        instruction=order.instruction.strip(), fields=copy.fields, only=order.fields, given=False
    )
    seed = _seed(order, variant_id)
    brief = msgspec.structs.replace(draft.brief, rewrite=rewrite, examples=(), n=order.n, seed=seed)
    prepared = Prepared(
        brief=await understood(runtime, brief),
        audience=brief.audience,
        segment=draft.segment,
        as_of=draft.as_of,
        snapshot=draft.snapshot,
        readers=await find_readers(runtime, workspace, copy.fields, draft.segment),
        control=draft.control,
    )
    async with runtime.admission.turn(workspace, order.n):
        variants = await write_prepared(runtime, workspace, prepared)
    return await keep_draft(
        runtime,
        workspace,
        prepared,
        variants,
        item_id=draft.item_id,
        profile_id=draft.profile_id,
        parent=Parent(draft_id=draft_id, variant_id=variant_id),
    )


def _check(order: RewriteOrder) -> None:
    if not order.instruction.strip() and not order.fields:
        raise InvalidInput("say what to change: an `instruction`, or the `fields` to write again")
    if not 1 <= order.n <= MAX_VARIANTS:
        raise InvalidInput(f"n is {order.n}: ask for 1 to {MAX_VARIANTS} variants")


def _seed(order: RewriteOrder, variant_id: str) -> int:
    """Derive a seed of 31 bits, so that a field that is written anew does not come back as it was."""
    named = msgspec.json.encode((order.seed, variant_id, order.instruction.strip(), order.fields))
    return int.from_bytes(hashlib.sha256(named).digest()[:4], "big") >> 1
