"""A campaign as a file: whom, what and where, and the units of work it comes to."""

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml

from prompts.brief import Audience, Brand, Brief, Goal, Offer, Tone
from prompts.channels import CHANNELS
from prompts.variant import CheckResult, Fields, Provenance, Score, Unscored, Variant
from service.contact.model import PERSONAL, Reach
from service.errors import InvalidInput

MAX_UNITS = 100_000
"""More in one file is a mistake, or a job for several files."""
MOST_QUERIED = 10_000
"""Items an item query may choose."""


class ItemQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which items of the catalogue are written about, as it is when the campaign begins."""

    category: str | None = None
    price_from: float | None = None
    """An item without a price has none of these."""
    price_to: float | None = None
    in_stock: bool = True
    """Leaves out what is sold out; `false` chooses both."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_QUERIED)] = MOST_QUERIED
    """The first so many, by id."""


class Budget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a campaign may cost; when it is spent, the campaign pauses."""

    tokens: Annotated[int, msgspec.Meta(ge=1, le=10**15)] | None = None
    """Of prompts and answers together."""
    seconds: Annotated[float, msgspec.Meta(gt=0, le=1e9)] | None = None
    """By the clock, from its first unit on, pauses left out."""


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One audience of a campaign; what it leaves out is the campaign's."""

    segment: str
    """A stored segment's name."""
    items: tuple[str, ...] = ()
    """Item ids; without any here and in the campaign, the item closest to the segment."""
    offer: Offer | str | None = None
    tone: Tone | None = None
    goal: Goal | None = None


class Campaign(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A campaign file: every segment meets its items on every channel."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.-]{0,79}\Z")]
    segments: Annotated[tuple[Target | str, ...], msgspec.Meta(min_length=1)]
    channels: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    items: tuple[str, ...] = ()
    n: Annotated[int, msgspec.Meta(ge=1, le=20)] = 3
    """Variants per unit."""
    offer: Offer | str | None = None
    items_where: ItemQuery | None = None
    """In the place of `items`: a question to the catalogue."""
    tone: Tone = "friendly"
    tones: tuple[Tone, ...] = ()
    """Several in the place of `tone`: each unit once in each, save for segments with a tone of their own."""
    goal: Goal = "shop"
    language: str = "en"
    languages: tuple[str, ...] = ()
    """Several in the place of `language`: each unit once in each."""
    prompts: dict[str, str] = {}
    """By channel, the prompt to write with, such as `email/full.v2`; the one in use where none is named."""
    control: dict[str, Fields] = {}
    """By channel, the text in use today: checked and scored beside what is written, as in a draft."""
    budget: Budget = Budget()
    fresh: bool = False
    """Write anew what an identical unit of another campaign has answered already."""
    brand: Brand | None = None
    """The workspace's own when left out."""
    personalise: bool = False
    per: Literal["audience", "person"] = "audience"
    """`audience`: copy is written once for each segment, and filled for its members. `person`: once for each
    member who may be written to, from his or her own interests; members of like interests share a text."""
    seed: int = 0


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a unit stands in its campaign, before anything is looked up."""

    custom_id: str
    """`<segment>/<item>/<channel>`, and `/<tone>`, `/<language>` where the campaign names several, and the
    number of the person where it writes for each."""
    segment: str
    item_id: str
    channel: str
    tone: Tone
    language: str
    profile_id: str | None = None
    """Whom it is for, of a campaign that writes for each person."""


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of work: a brief, and the digest of everything that decides its answer."""

    custom_id: str
    segment: str
    item_id: str
    brief: Brief
    audience: Audience
    """As it was asked for; the brief's own speaks of an interest the engine knows."""
    digest: str
    snapshot: str | None = None
    control: Variant | None = None
    """The text in use today, checked."""

    @property
    def asked(self) -> Brief:
        """The brief with the audience as it was asked for, which is what scores measure against."""
        return msgspec.structs.replace(self.brief, audience=self.audience)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `variants.jsonl`: one variant with all it came from."""

    custom_id: str
    unit: str
    """The unit's digest; a unit is finished when all its rows are there."""
    number: int
    """1..of, best first."""
    of: int
    campaign: str
    segment: str
    item_id: str
    channel: str
    id: str
    status: str
    fields: Fields
    checks: tuple[CheckResult, ...]
    scores: tuple[Score, ...]
    provenance: Provenance
    brief: Brief
    raw: str | None = None
    unscored: tuple[Unscored, ...] = ()
    """Scorers that have no number for it, and why."""
    control: Variant | None = None
    """The text in use today, checked and scored beside its unit's variants."""

    @property
    def language(self) -> str:
        """What it is written in."""
        return self.brief.language

    @property
    def profile_id(self) -> None:
        """Nobody: what is written into a folder is written for audiences."""


class UnitCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Units of a run."""

    total: int
    reused: int
    """Found finished in the output."""
    written: int
    without_passing: int
    """Units none of whose variants passed its checks."""


class CampaignSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did; also `summary.json`."""

    campaign: str
    out: str
    units: UnitCounts
    variants: dict[str, int]
    """By status, `total` too."""
    superseded: int
    """Rows of other units found in the output and moved to `superseded.jsonl`."""
    engine: str
    seconds: float
    reach: tuple[Reach, ...] = ()
    """Whom of each segment each channel reaches, by consent and the other rules as they were at the end."""
    scores_missing: dict[str, int] = {}
    """Scores that variants lack because a scorer broke, by scorer."""


def load_campaign(path: Path) -> Campaign:
    """Read and check a campaign file.

    Raises `InvalidInput` for a file that is missing, no YAML, holds an unknown key or channel, names
    something twice, or asks for more than `MAX_UNITS` units.
    """
    try:
        document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidInput(f"campaign {path} does not exist: give the path of a YAML file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"campaign {path} cannot be read: {error}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise InvalidInput(f"campaign {path} is not YAML: {' '.join(str(error).split())}") from error
    try:
        campaign = msgspec.convert(document, Campaign)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise InvalidInput(f"campaign {path}: {error}") from error
    check_campaign(campaign)
    return campaign


def check_campaign(campaign: Campaign) -> None:
    """Refuse unknown channels, repeated names and absurd sizes with `InvalidInput`."""
    for channel in campaign.channels:
        if channel not in CHANNELS:
            raise InvalidInput(f"unknown channel {channel!r}; known are {', '.join(CHANNELS)}")
    for channel in (*campaign.prompts, *campaign.control):
        if channel not in campaign.channels:
            raise InvalidInput(f"prompts or control name channel {channel!r}, which is none of `channels`")
    if campaign.items and campaign.items_where:
        raise InvalidInput("items and items_where both say what to write about: name one of them")
    if campaign.per == "person":
        for channel in campaign.channels:
            if channel not in PERSONAL:
                raise InvalidInput(
                    f"per: person writes to people, and a {CHANNELS[channel].title} has no one reader: leave "
                    "it out, or write `per: audience`"
                )
    named = {
        "segment": [target.segment for target in targets(campaign)],
        "channel": campaign.channels,
        "item": campaign.items,
        "tone": campaign.tones,
        "language": campaign.languages,
        **{
            f"item of {target.segment}": target.items
            for target in campaign.segments
            if isinstance(target, Target)
        },
    }
    for what, values in named.items():
        repeated = [value for value, times in Counter(values).items() if times > 1]
        if repeated:
            raise InvalidInput(f"{what} {repeated[0]!r} is named twice: name each once")
    check_size(sum(max(1, len(target.items)) for target in targets(campaign)), campaign)


def check_size(choices: int, campaign: Campaign) -> None:
    """Refuse more units than `MAX_UNITS`; `choices` are the pairs of a segment and an item."""
    units = choices * len(campaign.channels) * max(1, len(campaign.tones)) * max(1, len(campaign.languages))
    if units > MAX_UNITS:
        raise InvalidInput(
            f"{units:,} units are more than {MAX_UNITS:,}: split the campaign into several files"
        )


def targets(campaign: Campaign) -> tuple[Target, ...]:
    """List the audiences with everything they left out filled in from the campaign."""
    given = [Target(segment=entry) if isinstance(entry, str) else entry for entry in campaign.segments]
    return tuple(
        Target(
            segment=target.segment,
            items=target.items or campaign.items,
            offer=target.offer if target.offer is not None else campaign.offer,
            tone=target.tone or campaign.tone,
            goal=target.goal or campaign.goal,
        )
        for target in given
    )


def tones_of(campaign: Campaign) -> list[tuple[Tone, ...]]:
    """List the tones each segment is written to in, in the order of `targets`: its own, or the campaign's."""
    usual: tuple[Tone, ...] = campaign.tones or (campaign.tone,)
    listed: list[tuple[Tone, ...]] = []
    for each in campaign.segments:
        own: Tone | None = None if isinstance(each, str) else each.tone
        listed.append((own,) if own else usual)
    return listed


def languages_of(campaign: Campaign) -> tuple[str, ...]:
    """List the languages a campaign is written in."""
    return campaign.languages or (campaign.language,)


def custom_id(campaign: Campaign, segment: str, item_id: str, channel: str, tone: str, language: str) -> str:
    """Name a unit for whoever ordered it: tone and language stand in it where there may be several."""
    parts = [segment, item_id, channel]
    parts += [tone] if campaign.tones else []
    parts += [language] if campaign.languages else []
    return "/".join(parts)


def places(campaign: Campaign, chosen: Mapping[str, Sequence[str]]) -> Iterator[Place]:
    """List a campaign's units; `chosen` says which items each segment is shown.

    In the order of segment, item, channel, tone, language: neighbours share what is costly to look up.
    """
    for target, tones in zip(targets(campaign), tones_of(campaign), strict=True):
        for item_id, channel, tone, language in itertools.product(
            chosen[target.segment], campaign.channels, tones, languages_of(campaign)
        ):
            yield Place(
                custom_id=custom_id(campaign, target.segment, item_id, channel, tone, language),
                segment=target.segment,
                item_id=item_id,
                channel=channel,
                tone=tone,
                language=language,
            )


def unit_digest(*matters: object) -> str:
    """Identify a unit by everything that decides its answer; 32 hex digits of sha256."""
    content = msgspec.json.encode(matters, order="deterministic")
    return hashlib.sha256(content).hexdigest()[:32]


def rows_of(
    campaign: str, unit: Unit, variants: Sequence[Variant], control: Variant | None = None
) -> list[Row]:
    """Make the lines of one finished unit, in the order of the variants."""
    return [
        Row(
            custom_id=unit.custom_id,
            unit=unit.digest,
            number=number,
            of=len(variants),
            campaign=campaign,
            segment=unit.segment,
            item_id=unit.item_id,
            channel=unit.brief.channel,
            id=variant.id,
            status=variant.status,
            fields=variant.fields,
            checks=variant.checks,
            scores=variant.scores,
            provenance=variant.provenance,
            brief=unit.brief,
            raw=variant.raw,
            unscored=variant.unscored,
            control=control,
        )
        for number, variant in enumerate(variants, start=1)
    ]
