"""Write drafts: look up what a request names, write, score, rank, store; and read them again."""

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from eval.scorers.registry import rank, with_answers
from indexing.embedder import Embedder
from prompts.brief import Audience, Brand, Brief, Product, Tone
from prompts.brief_limits import MOST_EXAMPLES
from prompts.channels import find_channel
from prompts.copywriter import write
from prompts.readers import ASSUMED, Readers
from prompts.variant import Variant
from service.catalog.actions import get_item
from service.catalog.store import ItemStore
from service.drafts.control import control_of, score_beside
from service.drafts.facts import (
    EVERYONE,
    audience_of,
    audience_of_one,
    offer_of,
    product_of,
)
from service.drafts.few_shot import nearest_examples
from service.drafts.model import MAX_VARIANTS, Draft, DraftRequest, Parent
from service.drafts.repetition import SaidBefore, held_against, said_before
from service.drafts.store import DraftStore
from service.errors import InvalidInput, NotFound
from service.events.store import EventStore
from service.listing import Page
from service.llm.pocket.nearest import understand
from service.outcomes.actions import history_scores
from service.profiles.actions import get_profile
from service.profiles.store import ProfileStore
from service.prompts.actions import catalog_of
from service.runtime import Runtime
from service.segments.actions import get_segment
from service.segments.previews import resolve_audience
from service.workspaces.actions import get_workspace
from service.workspaces.model import Workspace

LIVE_EVENTS = 200
"""How many of a customer's newest events describe one customer."""


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A request with everything it names looked up."""

    brief: Brief
    """As it is written from; interest and kind of product are ones the engine knows."""
    audience: Audience
    """As it was asked for; scores measure against this one."""
    segment: str | None = None
    """Segment id."""
    as_of: datetime | None = None
    snapshot: str | None = None
    readers: Readers = ASSUMED
    """Who might read it, where copy is written again whose merge tags name their traits."""
    control: Variant | None = None
    """The text in use today, checked."""

    @property
    def asked(self) -> Brief:
        """The brief with the audience as it was asked for, which checks and scores hold copy against."""
        return msgspec.structs.replace(self.brief, audience=self.audience)


class Whom(msgspec.Struct, frozen=True, kw_only=True):
    """An audience, and where it was read from."""

    audience: Audience
    segment: str | None = None
    as_of: datetime | None = None
    snapshot: str | None = None


async def create_draft(runtime: Runtime, workspace: str, request: DraftRequest) -> Draft:
    """Write the draft that answers a request, and store it.

    Raises InvalidInput for a request that names too much or too little, NotFound for an item, profile or
    segment that is not there, Overloaded when too much waits for the engine, `BriefError`, `LanguageError`,
    `TemplateError`, the engine's errors from `prompts.errors`, and, for a segment,
    `indexing.errors.SnapshotMissing`.
    """
    prepared = await prepare_brief(runtime, workspace, request)
    async with runtime.admission.turn(workspace, request.n):
        variants = await write_prepared(runtime, workspace, prepared)
    return await finish_draft(runtime, workspace, request, prepared, variants)


async def write_prepared(
    runtime: Runtime,
    workspace: str,
    prepared: Prepared,
    *,
    on_variant: Callable[[int, Variant], None] | None = None,
    on_piece: Callable[[int, int, str], None] | None = None,
) -> list[Variant]:
    """Write the variants of what was prepared, by the workspace's prompts.

    Raises and tells as `prompts.copywriter.write` does.
    """
    return await write(
        prepared.brief,
        await runtime.engine(),
        await catalog_of(runtime, workspace),
        snapshot=prepared.snapshot,
        readers=prepared.readers,
        on_variant=on_variant,
        on_piece=on_piece,
    )


async def prepare_brief(
    runtime: Runtime, workspace: str, request: DraftRequest, known: Workspace | None = None
) -> Prepared:
    """Look up the item and the audience a request names. Raises as `create_draft` does.

    Whether there is room to write it is asked first, so that a refusal costs next to nothing. `known`: the
    workspace, where it was looked up already.
    """
    _check(request)
    runtime.admission.ask(workspace, request.n)
    settings = known or await get_workspace(runtime, workspace)
    product = await _product(runtime, settings, request)
    whom = await find_audience(
        runtime,
        settings,
        segment=request.segment,
        profile_id=request.profile_id,
        audience=request.audience,
    )
    brand = settings.brand if request.brand is None else request.brand
    brief = Brief(
        channel=request.channel,
        product=product,
        audience=whom.audience,
        offer=offer_of(request.offer),
        tone=request.tone or _usual_tone(brand),
        goal=request.goal,
        language=request.language,
        brand=brand,
        must_say=request.must_say,
        must_not_say=request.must_not_say,
        keywords=request.keywords,
        personalise=request.personalise,
        rewrite=request.rewrite,
        n=request.n,
        seed=request.seed,
    )
    return Prepared(
        brief=await _with_examples(runtime, workspace, await understood(runtime, brief), request),
        audience=whom.audience,
        segment=whom.segment,
        as_of=whom.as_of,
        snapshot=whom.snapshot,
        control=await control_of(runtime, brief, request.control),
    )


async def finish_draft(
    runtime: Runtime,
    workspace: str,
    request: DraftRequest,
    prepared: Prepared,
    variants: list[Variant],
    before: SaidBefore | None = None,
) -> Draft:
    """Score and rank what was written, and store it as a draft."""
    return await keep_draft(
        runtime,
        workspace,
        prepared,
        variants,
        item_id=request.item_id,
        profile_id=request.profile_id,
        before=before,
    )


async def keep_draft(
    runtime: Runtime,
    workspace: str,
    prepared: Prepared,
    variants: list[Variant],
    *,
    item_id: str | None,
    profile_id: str | None,
    parent: Parent | None = None,
    before: SaidBefore | None = None,
) -> Draft:
    """Hold variants against what was said before, score, rank and store them: about an item, for a profile.

    `before`: what was said, where it was looked up already. Raises NotFound for a profile that was erased
    while they were written: nothing of it is kept.
    """
    if before is None:
        before = await said_before(runtime, workspace, prepared.asked.channel, parent)
    held = await held_against(runtime, prepared.asked, variants, before)
    scored, control = await score_beside(runtime, prepared.asked, held, prepared.control)
    clicked = await history_scores(
        runtime, workspace, prepared.asked, scored, item_id=item_id, segment=prepared.segment
    )
    scored = [with_answers(variant, [score]) for variant, score in zip(scored, clicked, strict=True)]
    now = runtime.now()
    draft = Draft(
        # Sorts by time of writing, and cannot be guessed.
        id=f"{now:%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:12]}",
        created_at=now,
        brief=prepared.brief,
        variants=tuple(rank(scored)),
        item_id=item_id,
        segment=prepared.segment,
        profile_id=profile_id,
        as_of=prepared.as_of,
        snapshot=prepared.snapshot,
        parent=parent,
        control=control,
    )

    async def keep(session: AsyncSession) -> None:
        if profile_id is not None and not await ProfileStore(session, workspace).hold(profile_id):
            raise NotFound(f"profile {profile_id!r} of workspace {workspace!r} was erased meanwhile")
        await DraftStore(session, workspace).add(draft)

    await runtime.group_commit.write(workspace, keep)
    return draft


async def get_draft(runtime: Runtime, workspace: str, draft_id: str) -> Draft:
    """Return one draft; raises NotFound."""
    async with runtime.database.read() as session:
        draft = await DraftStore(session, workspace).get(draft_id)
    if draft is None:
        raise NotFound(f"no draft {draft_id!r} in workspace {workspace!r}")
    return draft


async def list_drafts(
    runtime: Runtime,
    workspace: str,
    after: str | None = None,
    limit: int = 50,
    *,
    text: str | None = None,
    item_id: str | None = None,
    channel: str | None = None,
) -> Page[Draft]:
    """Return a page of drafts, newest first: all, or those with a text, of an item, for a channel."""
    async with runtime.database.read() as session:
        store = DraftStore(session, workspace)
        return await store.page(after, limit, text=text, item_id=item_id, channel=channel)


def _check(request: DraftRequest) -> None:
    find_channel(request.channel)
    if (request.item_id is None) == (request.product is None):
        raise InvalidInput("name what to write about: `item_id` or `product`, one of the two")
    one_audience(segment=request.segment, profile_id=request.profile_id, audience=request.audience)
    if not 1 <= request.n <= MAX_VARIANTS:
        raise InvalidInput(f"n is {request.n}: ask for 1 to {MAX_VARIANTS} variants")
    if request.examples is not None and not 0 <= request.examples <= MOST_EXAMPLES:
        raise InvalidInput(f"examples is {request.examples}: ask for 0 to {MOST_EXAMPLES}")


def _usual_tone(brand: Brand) -> Tone:
    """Return the tone of a request that names none: the first of the brand's range."""
    return brand.tones[0] if brand.tones else "friendly"


async def _product(runtime: Runtime, workspace: Workspace, request: DraftRequest) -> Product:
    if request.product is not None:
        return request.product
    return product_of(await get_item(runtime, workspace.id, request.item_id or ""), workspace.currency)


def one_audience(**for_whom: object) -> None:
    """Raise InvalidInput where more than one thing says whom copy is for."""
    given = [name for name, value in for_whom.items() if value is not None]
    if len(given) > 1:
        raise InvalidInput(f"{' and '.join(given)} both say whom to write for: send one of them")


async def find_audience(
    runtime: Runtime,
    workspace: Workspace,
    *,
    segment: str | None,
    profile_id: str | None,
    audience: Audience | str | None,
) -> Whom:
    """Look up whom copy is for; everyone where nothing says so. Raises NotFound, and SnapshotMissing."""
    if segment is not None:
        found = await get_segment(runtime, workspace.id, segment)
        described = await resolve_audience(runtime, workspace.id, found.id)
        manifest = (await runtime.snapshot(workspace.id)).manifest
        return Whom(audience=described, segment=found.id, as_of=manifest.as_of, snapshot=manifest.version)
    if profile_id is not None:
        return Whom(audience=await _one_customer(runtime, workspace, profile_id))
    return Whom(audience=EVERYONE if audience is None else audience_of(audience))


async def _one_customer(runtime: Runtime, workspace: Workspace, profile_id: str) -> Audience:
    await get_profile(runtime, workspace.id, profile_id)
    async with runtime.database.read() as session:
        events = await EventStore(session, workspace.id).newest(profile_id, LIVE_EVENTS)
        named = {event.item_id for event in events if event.item_id is not None}
        items = await ItemStore(session, workspace.id).get_many(named)
        latest = await EventStore(session, workspace.id).latest()
    now = runtime.now() if workspace.reference_time == "now" else latest or runtime.now()
    return audience_of_one(events, items, workspace.event_weights, now)


async def understood(runtime: Runtime, brief: Brief) -> Brief:
    """Tell the pocket model what it was trained on; any other engine reads the brief's own words."""
    engine = await runtime.engine()
    if engine.info.dialect != "pocket":
        return brief
    return await runtime.run_together(_understand, (brief, await runtime.embedder()))


def _understand(asked: Sequence[tuple[Brief, Embedder]]) -> list[Brief]:
    return [understand(brief, embedder) for brief, embedder in asked]


async def _with_examples(runtime: Runtime, workspace: str, brief: Brief, request: DraftRequest) -> Brief:
    """Show an instruct model accepted copy, where that is switched on; a rewrite has its own text."""
    most = runtime.settings.accepted_examples if request.examples is None else request.examples
    engine = await runtime.engine()
    if not most or engine.info.dialect != "full" or brief.rewrite is not None:
        return brief
    return msgspec.structs.replace(brief, examples=await nearest_examples(runtime, workspace, brief, most))
