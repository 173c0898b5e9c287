"""A campaign's units, each looked up and written by itself: by `campaign run` and by every worker alike."""

import asyncio
import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from importlib.resources.abc import Traversable

from eval.scorers.registry import rank
from prompts.brief import Audience
from prompts.catalog import Catalog, Template
from prompts.copywriter import write
from prompts.engine import Answer, Ask, Engine, EngineInfo, OnText
from prompts.errors import BriefError, TemplateError
from prompts.variant import Variant
from service.campaigns.job import Written
from service.campaigns.model import Campaign, Place, Target, Unit, targets, unit_digest
from service.drafts.actions import prepare_brief
from service.drafts.control import score_beside
from service.drafts.model import DraftRequest
from service.errors import InvalidInput
from service.prompts.actions import catalog_of
from service.runtime import Runtime
from service.segments.actions import get_segment
from service.segments.previews import audience_of, describe_segment

OnVariant = Callable[[int, Variant], None]

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


class Writer:
    """Writes the units of one campaign; what its segments are is looked up once per snapshot."""

    def __init__(self, runtime: Runtime, workspace: str, campaign: Campaign) -> None:
        self.campaign = campaign
        self._runtime = runtime
        self._workspace = workspace
        self._targets = {target.segment: target for target in targets(campaign)}
        self._audiences: dict[str, tuple[tuple[str, int, str], Audience | None]] = {}
        self._looking = asyncio.Lock()

    async def catalog(self) -> Catalog:
        """Return the workspace's prompts, with those the campaign names in the place of those in use.

        Raises InvalidInput for a prompt that is not there, and as `catalog_of` does.
        """
        catalog = await catalog_of(self._runtime, self._workspace)
        return named_prompts(catalog, self.campaign, (await self._runtime.engine()).info)

    async def prepare(self, place: Place, catalog: Catalog) -> Unit:
        """Look up what a unit names, as it is now: item, audience, brand.

        Its seed is its own, from the campaign's and its place in words, so that adding a segment changes no
        other unit. Raises NotFound (segment, item), InvalidInput (an empty segment), and as
        `prepare_brief` does.
        """
        runtime, workspace, campaign = self._runtime, self._workspace, self.campaign
        if place.profile_id is None:
            audience, snapshot = await self._audience(place.segment)
        else:  # described by what the profile did, as in a draft for one
            audience, snapshot = None, None
        request = _request(campaign, self._targets[place.segment], audience, place)
        prepared = await prepare_brief(runtime, workspace, request)
        engine, embedder = await runtime.engine(), await runtime.embedder()
        prompt = catalog.get(place.channel, engine.info.dialect)
        rules = await runtime.run(rules_digest)
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
                rules,
            ),
            snapshot=snapshot,
            control=prepared.control,
        )

    async def write(
        self, unit: Unit, engine: Engine, catalog: Catalog, on_variant: OnVariant | None = None
    ) -> Written:
        """Write, check, score and rank a unit's variants. Raises as `prompts.copywriter.write` does."""
        variants = await write(unit.brief, engine, catalog, snapshot=unit.snapshot, on_variant=on_variant)
        scored, control = await score_beside(self._runtime, unit.asked, variants, unit.control)
        return Written(digest=unit.digest, variants=tuple(rank(scored)), control=control)

    async def _audience(self, segment: str) -> tuple[Audience, str]:
        """Describe a segment, again once its definition or the snapshot is another; with the snapshot."""
        runtime, workspace = self._runtime, self._workspace
        found = await get_segment(runtime, workspace, segment)
        snapshot = (await runtime.snapshot(workspace)).version
        state = (found.id, found.version, snapshot)
        async with self._looking:
            known = self._audiences.get(segment)
            if known is None or known[0] != state:
                described = await describe_segment(runtime, workspace, segment)
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


def _request(campaign: Campaign, target: Target, audience: Audience | None, place: Place) -> DraftRequest:
    return DraftRequest(
        channel=place.channel,
        item_id=place.item_id,
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
