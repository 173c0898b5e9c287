"""A campaign's units, each looked up and written by itself: by `campaign run` and by every worker alike.

What units need of the store at the same time is read together, and each is told alone what is wrong with it.
"""

import functools
import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NamedTuple

import msgspec

from eval.scorers.registry import rank
from prompts.brief import Audience, Product
from prompts.catalog import Catalog, Template
from prompts.copywriter import write
from prompts.engine import Answer, Ask, Engine, EngineInfo, OnText
from prompts.errors import BriefError, TemplateError
from prompts.variant import Variant
from service.campaigns.job import Written
from service.campaigns.model import Campaign, Place, Target, Unit, targets, unit_digest
from service.campaigns.store import CampaignStore
from service.catalog.actions import get_items
from service.catalog.model import Item
from service.drafts.actions import prepare_brief
from service.drafts.control import score_beside
from service.drafts.facts import product_of
from service.drafts.model import DraftRequest
from service.drafts.repetition import SENT_RULE, SaidBefore, held_against, said_before
from service.errors import InvalidInput
from service.gathering import Gathering, awaited
from service.prompts.actions import catalog_of
from service.runtime import Runtime
from service.segments.model import Segment
from service.segments.previews import audience_of, describe_segment
from service.segments.store import SegmentStore
from service.workspaces.model import Workspace
from service.workspaces.store import WorkspaceStore

OnVariant = Callable[[int, Variant], None]

READ_TOGETHER = 16
"""Units whose facts are read in one look at the store."""
SCORED_APART_SECONDS = 0.1
"""How long written units wait for others: the more are scored together, the less each costs."""
SENT_SECONDS = 10.0
"""How old what is known of copy that was sent may be."""

_RULES = ("prompts", "eval.scorers", "eval.proxies.headline")
"""Where what decides a unit's copy, its checks and its scores is written, besides the prompts themselves."""


class Metered:
    """An engine that counts the tokens of what it is asked: those of one unit."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.asks = 0
        self.characters = 0
        """Of prompts."""
        self.prompt_tokens = 0
        self.answer_tokens = 0

    @property
    def tokens(self) -> int:
        """Of prompts and answers."""
        return self.prompt_tokens + self.answer_tokens

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    async def generate(self, asks: Sequence[Ask], *, on_text: OnText | None = None) -> list[Answer]:
        answers = await self._engine.generate(asks, on_text=on_text)
        self.asks += len(asks)
        self.characters += sum(len(message.content) for ask in asks for message in ask.messages)
        self.prompt_tokens += sum(answer.prompt_tokens for answer in answers)
        self.answer_tokens += sum(answer.completion_tokens for answer in answers)
        return answers

    async def healthy(self) -> bool:
        return await self._engine.healthy()

    async def close(self) -> None:
        await self._engine.close()


class _Facts(NamedTuple):
    """What the store says of a unit."""

    workspace: Workspace
    item: Item
    audience: Audience | None
    """None for one person, who is described by what the profile did, as in a draft for one."""
    snapshot: str | None


class Writer:
    """Writes the units of one campaign; what its segments are is looked up once per snapshot."""

    def __init__(self, runtime: Runtime, workspace: str, campaign: Campaign) -> None:
        self.campaign = campaign
        self._runtime = runtime
        self._workspace = workspace
        self._targets = {target.segment: target for target in targets(campaign)}
        self._audiences: dict[str, tuple[tuple[str, int, str], Audience | None]] = {}
        self._catalogs = Gathering[None, Catalog](awaited, self._find_catalogs, READ_TOGETHER)
        self._facts = Gathering[Place, _Facts](awaited, self._look_up, READ_TOGETHER)
        self._answers = Gathering[str, Written | None](awaited, self._find_answers, READ_TOGETHER)
        self._sent = Gathering[str, SaidBefore](awaited, self._find_sent, READ_TOGETHER)
        self._known_sent: dict[str, tuple[float, SaidBefore]] = {}

    async def catalog(self) -> Catalog:
        """Return the workspace's prompts, with those the campaign names in the place of those in use.

        Raises InvalidInput for a prompt that is not there, and as `catalog_of` does.
        """
        return await self._catalogs.do(None)

    async def prepare(self, place: Place, catalog: Catalog) -> Unit:
        """Look up what a unit names, as it is now: item, audience, brand.

        Its seed is its own, from the campaign's and its place in words, so that adding a segment changes no
        other unit. Raises NotFound (segment, item), InvalidInput (an empty segment), and as
        `prepare_brief` does.
        """
        runtime, campaign = self._runtime, self.campaign
        facts = await self._facts.do(place)
        product = product_of(facts.item, facts.workspace.currency)
        request = _request(campaign, self._targets[place.segment], facts.audience, place, product)
        prepared = await prepare_brief(runtime, self._workspace, request, facts.workspace)
        engine, embedder = await runtime.engine(), await runtime.embedder()
        prompt = catalog.get(place.channel, engine.info.dialect)
        return Unit(
            custom_id=place.custom_id,
            segment=place.segment,
            item_id=place.item_id,
            brief=prepared.brief,
            audience=prepared.audience,
            digest=unit_digest(
                prepared.brief,
                prepared.audience,
                prepared.control and prepared.control.fields,
                prompt.digest,
                engine.info.name,
                engine.info.model,
                embedder.digest,
                rules_digest(),
            ),
            snapshot=facts.snapshot,
            control=prepared.control,
        )

    async def answer(self, unit: Unit) -> Written | None:
        """Return what an identical unit was answered with; none where the campaign is to be written anew."""
        return None if self.campaign.fresh else await self._answers.do(unit.digest)

    async def write(
        self, unit: Unit, engine: Engine, catalog: Catalog, on_variant: OnVariant | None = None
    ) -> Written:
        """Write, check, score and rank a unit's variants. Raises as `prompts.copywriter.write` does."""
        variants = await write(unit.brief, engine, catalog, snapshot=unit.snapshot, on_variant=on_variant)
        scored, control = await score_beside(
            self._runtime, unit.asked, variants, unit.control, SCORED_APART_SECONDS
        )
        return Written(digest=unit.digest, variants=tuple(rank(scored)), control=control)

    async def hold_against_sent(self, unit: Unit, written: Written) -> Written:
        """Say of a unit's variants whether they nearly repeat what was accepted or sent before.

        That depends on the day and not on what was asked, so it is no part of the answer identical units
        share: what an answer of before says of it is put aside.
        """
        variants = [
            msgspec.structs.replace(
                variant, checks=tuple(check for check in variant.checks if check.rule != SENT_RULE)
            )
            for variant in written.variants
        ]
        before = await self._sent.do(unit.brief.channel)
        held = await held_against(self._runtime, unit.brief, variants, before)
        return msgspec.structs.replace(written, variants=tuple(held))

    async def _find_sent(self, channels: Sequence[str]) -> list[SaidBefore]:
        now = time.monotonic()
        for channel in sorted(set(channels)):
            read_at, _ = self._known_sent.get(channel, (-math.inf, ()))
            if now - read_at >= SENT_SECONDS:
                self._known_sent[channel] = now, await said_before(self._runtime, self._workspace, channel)
        return [self._known_sent[channel][1] for channel in channels]

    async def _find_catalogs(self, asked: Sequence[None]) -> list[Catalog]:
        catalog = await catalog_of(self._runtime, self._workspace)
        named = named_prompts(catalog, self.campaign, (await self._runtime.engine()).info)
        return [named for _ in asked]

    async def _look_up(self, asked: Sequence[Place]) -> list[_Facts]:
        """Read what units name. Raises for all what is wrong with one: they are then asked again alone."""
        runtime, workspace = self._runtime, self._workspace
        names = sorted({place.segment for place in asked if place.profile_id is None})
        async with runtime.database.read() as session:
            settings = await WorkspaceStore(session, workspace).get()
            segments = {name: await SegmentStore(session, workspace).get(name) for name in names}
        snapshot = (await runtime.snapshot(workspace)).version if names else ""
        audiences = {name: await self._audience(found, name, snapshot) for name, found in segments.items()}
        items = await get_items(runtime, workspace, [place.item_id for place in asked])
        if not rules_digest.cache_info().currsize:
            await runtime.run(rules_digest)  # from here on it is known
        return [
            _Facts(
                settings,
                items[place.item_id],
                *(audiences[place.segment] if place.profile_id is None else (None, None)),
            )
            for place in asked
        ]

    async def _find_answers(self, asked: Sequence[str]) -> list[Written | None]:
        async with self._runtime.database.read() as session:
            found = await CampaignStore(session, self._workspace).answered(asked)
        return [found.get(digest) for digest in asked]

    async def _audience(self, found: Segment, segment: str, snapshot: str) -> tuple[Audience, str]:
        """Describe a segment, again once its definition or the snapshot is another; with the snapshot."""
        state = (found.id, found.version, snapshot)
        known = self._audiences.get(segment)
        if known is None or known[0] != state:
            described = await describe_segment(self._runtime, self._workspace, segment)
            audience = audience_of(described) if described.description.size else None
            known = self._audiences[segment] = (state, audience)
        if known[1] is None:
            raise InvalidInput(
                f"segment {segment!r} has no members in snapshot {snapshot}: there is nobody to write for"
            )
        return known[1], snapshot


def named_prompts(catalog: Catalog, campaign: Campaign, engine: EngineInfo) -> Catalog:
    """Put the prompts a campaign names before the others.

    Raises InvalidInput for one that is not there, or not in the engine's dialect.
    """
    named = check_prompts(catalog, campaign)
    for template in named:
        if template.front.dialect != engine.dialect:
            raise InvalidInput(
                f"prompt {template.name!r} is not in the dialect of engine {engine.model!r}: name a version "
                f"of {template.front.channel}/{engine.dialect}"
            )
    return catalog.overridden(named) if named else catalog


def check_prompts(catalog: Catalog, campaign: Campaign) -> tuple[Template, ...]:
    """Find the prompts a campaign names. Raises InvalidInput for one not there, or of another channel."""
    found: list[Template] = []
    for channel, name in campaign.prompts.items():
        try:
            found.append(catalog.find(name))
        except (TemplateError, BriefError) as error:
            raise InvalidInput(f"prompts: {error}") from error
        if found[-1].front.channel != channel:
            raise InvalidInput(f"prompts: {name!r} is no prompt for channel {channel!r}")
    return tuple(found)


@functools.cache
def rules_digest() -> str:
    """Digest of the code and data by which copy is asked for, sampled, checked and scored.

    Templates are left out: a unit is written with one of them, whose digest counts by itself.
    """
    total = hashlib.sha256()
    for package in _RULES:
        for file in _files(resources.files(package)):
            total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def _files(folder: Traversable) -> Iterator[Traversable]:
    for each in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if each.is_dir() and each.name not in ("templates", "__pycache__"):
            yield from _files(each)
        elif each.is_file() and not each.name.endswith((".pyc", ".md")):
            yield each


def _request(
    campaign: Campaign, target: Target, audience: Audience | None, place: Place, product: Product
) -> DraftRequest:
    return DraftRequest(
        channel=place.channel,
        product=product,
        profile_id=place.profile_id,
        audience=audience,
        offer=target.offer,
        tone=place.tone,
        goal=target.goal or campaign.goal,
        language=place.language,
        brand=campaign.brand,
        personalise=campaign.personalise,
        control=campaign.control.get(place.channel),
        # A campaign that is resumed writes on from the same briefs, whatever was accepted meanwhile.
        examples=0,
        n=campaign.n,
        # Not of the person: who is alike is answered alike, and once.
        seed=_seed(f"{campaign.seed}/{place.segment}/{place.item_id}/{place.channel}"),
    )


def _seed(place: str) -> int:
    """Derive a seed of 31 bits from a unit's place in words."""
    return int.from_bytes(hashlib.sha256(place.encode()).digest()[:4], "big") >> 1
