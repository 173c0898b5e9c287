"""A campaign as a file: whom, what and where, and the units of work it comes to."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

from prompts.brief import Audience, Brand, Brief, Goal, Offer, Tone
from prompts.channels import CHANNELS
from prompts.variant import CheckResult, Fields, Provenance, Score, Unscored, Variant
from service.contact.model import Reach
from service.errors import InvalidInput

MAX_UNITS = 100_000
"""More in one file is a mistake, or a job for several files."""


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
    tone: Tone = "friendly"
    goal: Goal = "shop"
    language: str = "en"
    brand: Brand | None = None
    """The workspace's own when left out."""
    personalise: bool = False
    seed: int = 0


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of work: a brief, and the digest of everything that decides its answer."""

    custom_id: str
    """`<segment>/<item>/<channel>`."""
    segment: str
    item_id: str
    brief: Brief
    audience: Audience
    """As it was asked for; the brief's own speaks of an interest the engine knows."""
    digest: str
    snapshot: str | None = None


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
    names = [target.segment for target in targets(campaign)]
    for what, values in (("segment", names), ("channel", campaign.channels), ("item", campaign.items)):
        repeated = [value for value, times in Counter(values).items() if times > 1]
        if repeated:
            raise InvalidInput(f"{what} {repeated[0]!r} is named twice: name each once")
    units = sum(max(1, len(target.items)) for target in targets(campaign)) * len(campaign.channels)
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


def unit_digest(brief: Brief, prompt: str, engine: str) -> str:
    """Identify a unit by its brief, the prompt's digest and the engine's model; 16 hex digits of sha256."""
    content = msgspec.json.encode((brief, prompt, engine), order="deterministic")
    return hashlib.sha256(content).hexdigest()[:16]


def rows_of(campaign: str, unit: Unit, variants: list[Variant]) -> list[Row]:
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
        )
        for number, variant in enumerate(variants, start=1)
    ]
