"""A suite: what is asked of an engine, and what the answers must reach, as a strictly typed YAML file."""

import hashlib
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml

from eval.errors import SuiteError
from prompts.brief import Audience, Brief, Goal, Offer, Product, Tone
from prompts.channels import CHANNELS

Count = Annotated[int, msgspec.Meta(ge=1, le=20)]


class Threshold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a figure must reach; exactly one of the two."""

    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("a threshold has either at_least or at_most")


class Grid(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Briefs as the cross product of its lists, tones and offers taken in turn.

    Every product meets every audience on every channel, so copy can be compared between audiences at the
    same product.
    """

    products: Annotated[tuple[Product, ...], msgspec.Meta(min_length=1)]
    audiences: Annotated[tuple[Audience, ...], msgspec.Meta(min_length=1)]
    channels: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    offers: tuple[Offer, ...] = ()
    tones: tuple[Tone, ...] = ("friendly",)
    goals: tuple[Goal, ...] = ("shop",)


class WorldGrid(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `Grid` whose products are drawn from a generated demo world: one per category, in turn."""

    seed: int = 0
    """Of the world; the draw of its items too."""
    items: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    audiences: Annotated[tuple[Audience, ...], msgspec.Meta(min_length=1)]
    channels: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    offers: tuple[Offer, ...] = ()
    tones: tuple[Tone, ...] = ("friendly",)
    goals: tuple[Goal, ...] = ("shop",)


class Suite(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One suite file. Exactly one of `briefs`, `grid` and `world` says what is asked."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*\Z")]
    version: Annotated[int, msgspec.Meta(ge=1)]
    purpose: str = ""
    engine: Literal["settings", "pocket"] = "settings"
    """`settings`: whatever the service is set to; `pocket`: the embedded model whatever the settings."""
    n: Count = 2
    """Variants per brief."""
    seed: int = 0
    briefs: tuple[Brief, ...] = ()
    grid: Grid | None = None
    world: WorldGrid | None = None
    thresholds: dict[str, Threshold] = {}
    """By figure name."""

    def __post_init__(self) -> None:
        given = [bool(self.briefs), self.grid is not None, self.world is not None]
        if sum(given) != 1:
            raise ValueError("a suite has exactly one of briefs, grid and world")


def load_suite(path: Path) -> Suite:
    """Read and check a suite file.

    Raises `SuiteError` for a file that is missing, no YAML, or holds an unknown key, channel or figure.
    """
    try:
        document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SuiteError(f"suite {path} does not exist: give the path of a YAML file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteError(f"suite {path} cannot be read: {error}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise SuiteError(f"suite {path} is not YAML: {' '.join(str(error).split())}") from error
    return parse_suite(document, name=str(path))


def parse_suite(document: object, *, name: str = "suite") -> Suite:
    """Check an already decoded suite; `name` is what errors call it. Raises `SuiteError`."""
    try:
        suite = msgspec.convert(document, Suite)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise SuiteError(f"{name}: {error}") from error
    unknown = sorted(set(_channels(suite)) - set(CHANNELS))
    if unknown:
        raise SuiteError(f"{name}: unknown channel {unknown[0]!r}; known are {', '.join(CHANNELS)}")
    return suite


def _channels(suite: Suite) -> Iterable[str]:
    source = suite.grid or suite.world
    return source.channels if source else (brief.channel for brief in suite.briefs)


def digest(suite: Suite) -> str:
    """Identify what a suite asks and demands: sha256 of its canonical JSON, first 16 hex digits."""
    return hashlib.sha256(msgspec.json.encode(suite, order="deterministic")).hexdigest()[:16]


def expand(suite: Suite) -> tuple[Brief, ...]:
    """List the suite's briefs, each with the suite's `n` and a seed of its own."""
    briefs = suite.briefs or tuple(_crossed(suite.grid or _from_world(suite.world)))
    return tuple(
        msgspec.structs.replace(brief, n=suite.n, seed=suite.seed + 1000 * place)
        for place, brief in enumerate(briefs)
    )


def _crossed(grid: Grid) -> Iterable[Brief]:
    """Tone, goal and offer turn with the product, so that briefs of one product differ in audience alone."""
    for (place, item), channel, audience in product(enumerate(grid.products), grid.channels, grid.audiences):
        yield Brief(
            channel=channel,
            product=item,
            audience=audience,
            offer=grid.offers[place % len(grid.offers)] if grid.offers else None,
            tone=grid.tones[place % len(grid.tones)],
            goal=grid.goals[place % len(grid.goals)],
        )


def _from_world(world: WorldGrid | None) -> Grid:
    from eval.datasets.products import draw_products

    assert world is not None  # noqa: S101 -- one of the three is given: Suite.__post_init__
    return Grid(
        products=draw_products(seed=world.seed, n=world.items),
        audiences=world.audiences,
        channels=world.channels,
        offers=world.offers,
        tones=world.tones,
        goals=world.goals,
    )
