"""A suite: what is asked of which engines, and what the answers must reach, as a strictly typed YAML file."""

import hashlib
import math
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml

from eval.errors import SuiteError
from prompts.brief import Audience, Brand, Brief, Goal, Offer, Product, Tone
from prompts.channels import CHANNELS
from prompts.engine import Dialect

Count = Annotated[int, msgspec.Meta(ge=1, le=20)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*\Z", max_length=60)]
Seed = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Better = Literal["higher", "lower"]


def _need_finite(*goals: float | None) -> None:
    if not all(goal is None or math.isfinite(goal) for goal in goals):
        raise ValueError("a goal is a finite number: nothing is at least or at most NaN")


class Threshold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a figure must reach; exactly one of the two."""

    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("a threshold has either at_least or at_most")
        _need_finite(self.at_least, self.at_most)


class ScorerGoal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A scorer to use, which way its score is better, and what its mean must reach, if anything."""

    better: Better | None = None
    """None: as the scorer is known to be; `lower` where `at_most` is given."""
    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        if self.at_least is not None and self.at_most is not None:
            raise ValueError("a scorer has either at_least or at_most, or neither")
        _need_finite(self.at_least, self.at_most)
        if (self.better == "lower" and self.at_least is not None) or (
            self.better == "higher" and self.at_most is not None
        ):
            raise ValueError("a score that is better lower has at_most, one that is better higher at_least")

    @property
    def threshold(self) -> Threshold | None:
        """What the mean must reach; none without a goal."""
        if self.at_least is None and self.at_most is None:
            return None
        return Threshold(at_least=self.at_least, at_most=self.at_most)


class NamedEngine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An engine of the suite's own: a server by URL, or a folder of weights by `model`."""

    name: Name
    """What results call it."""
    url: str | None = None
    """Of an OpenAI-compatible server; several, with commas between them."""
    model: str | None = None
    """What the server calls it; without a URL, a folder."""
    dialect: Dialect | None = None
    languages: tuple[str, ...] | None = None
    api_key_variable: Annotated[str, msgspec.Meta(pattern=r"^[A-Z][A-Z0-9_]*_EVAL_KEY\Z")] | None = None
    """The environment variable that holds its key. Its name ends in _EVAL_KEY, so that a suite somebody sent
    cannot have other secrets sent to its URL."""

    def __post_init__(self) -> None:
        if self.url is None and self.model is None:
            raise ValueError("an engine has a url, or a model that is a folder")


Engine = Literal["settings", "pocket"] | NamedEngine
"""`settings`: whatever the service is set to; `pocket`: the embedded model whatever the settings."""


class PromptSet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prompts that go before the newest shipped ones."""

    name: Name
    templates: tuple[str, ...] = ()
    """Versions by name, e.g. `email/full.v1`."""
    folder: str | None = None
    """A folder of templates, relative to the suite's file."""


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What each candidate may cost in a run; answers kept from earlier runs cost nothing, and asks under way
    are finished.
    """

    tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Read and written together."""
    seconds: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Of writing, by the clock."""


class Crossing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every product meets every audience on every channel, so that copy can be compared between audiences at
    the same product; tones, goals and offers are taken in turn.
    """

    audiences: Annotated[tuple[Audience, ...], msgspec.Meta(min_length=1)]
    channels: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    offers: tuple[Offer, ...] = ()
    tones: Annotated[tuple[Tone, ...], msgspec.Meta(min_length=1)] = ("friendly",)
    goals: Annotated[tuple[Goal, ...], msgspec.Meta(min_length=1)] = ("shop",)
    language: str = "en"
    brand: Brand = Brand()


class Grid(Crossing, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A crossing whose products are written in the suite."""

    products: Annotated[tuple[Product, ...], msgspec.Meta(min_length=1)]


class WorldGrid(Crossing, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A crossing whose products are drawn from a generated demo world: one per category, in turn."""

    seed: int = 0
    """Of the world; the draw of its items too."""
    items: Annotated[int, msgspec.Meta(ge=1, le=1000)]


class DataGrid(Crossing, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A crossing whose products are a sample of a catalogue in a CSV, JSON Lines or Parquet file."""

    folder: str
    """Where the mapping's files are, relative to the suite's file."""
    mapping: str | dict[str, Any]
    """An import mapping with `items`: the path of one, relative to the suite's file, or itself."""
    items: Annotated[int, msgspec.Meta(ge=1, le=10_000)]
    """How many products are drawn, each as likely as any other."""
    seed: Seed = 0
    """Of the draw."""


class Suite(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One suite file. Exactly one of `briefs`, `grid`, `world` and `data` says what is asked."""

    name: Name
    version: Annotated[int, msgspec.Meta(ge=1)]
    """To be raised whenever the suite asks or demands something else."""
    purpose: str = ""
    engine: Engine | Annotated[tuple[Engine, ...], msgspec.Meta(min_length=1)] = "settings"
    """One, or several to compare."""
    prompts: tuple[PromptSet, ...] = ()
    """Sets to compare; none: the newest of every prompt."""
    n: Count = 2
    """Variants per brief."""
    seed: Seed | Annotated[tuple[Seed, ...], msgspec.Meta(min_length=1, max_length=100)] = 0
    """With several, every brief is written once for each."""
    repeats: Count = 1
    """How often the very same is asked. More than one shows whether an engine repeats itself."""
    briefs: tuple[Brief, ...] = ()
    grid: Grid | None = None
    world: WorldGrid | None = None
    data: DataGrid | None = None
    scorers: dict[str, ScorerGoal] = {}
    """By name; none: every scorer there is, without goals."""
    thresholds: dict[str, Threshold] = {}
    """By the name of a figure."""
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        given = [bool(self.briefs), self.grid is not None, self.world is not None, self.data is not None]
        if sum(given) != 1:
            raise ValueError("a suite has exactly one of briefs, grid, world and data")

    @property
    def engines(self) -> tuple[Engine, ...]:
        """List the engines, one or several."""
        return self.engine if isinstance(self.engine, tuple) else (self.engine,)

    @property
    def seeds(self) -> tuple[int, ...]:
        """List the seeds, one or several; the first is also that of resampling."""
        return self.seed if isinstance(self.seed, tuple) else (self.seed,)

    @property
    def crossing(self) -> Grid | WorldGrid | DataGrid | None:
        """Give whichever crossing there is."""
        return self.grid or self.world or self.data


def engine_name(engine: Engine) -> str:
    """Say what results call an engine."""
    return engine if isinstance(engine, str) else engine.name


def load_suite(path: Path) -> Suite:
    """Read and check a suite file.

    Raises `SuiteError` for a file that is missing, no YAML, or holds an unknown key, channel or scorer.
    """
    try:
        document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SuiteError(
            f"suite {path} does not exist: give the path of a YAML file, or begin one with `eval init`"
        ) from None
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
    source = suite.crossing
    channels = source.channels if source else [brief.channel for brief in suite.briefs]
    _need_known(name, "channel", channels, CHANNELS)
    from eval.scorers.registry import SCORERS

    _need_known(name, "scorer", suite.scorers, SCORERS)
    for what, names in (
        ("engine", [engine_name(engine) for engine in suite.engines]),
        ("set of prompts", [prompts.name for prompts in suite.prompts]),
        ("seed", list(map(str, suite.seeds))),
    ):
        twice = [value for value, count in Counter(names).items() if count > 1]
        if twice:
            raise SuiteError(f"{name}: {what} {twice[0]!r} is given twice: results could not tell them apart")
    return suite


def _need_known(where: str, what: str, given: Any, known: Any) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise SuiteError(f"{where}: unknown {what} {unknown[0]!r}; known are {', '.join(known)}")


def digest(suite: Suite) -> str:
    """Identify what a suite asks and demands: sha256 of its canonical JSON, first 16 hex digits."""
    return hashlib.sha256(msgspec.json.encode(suite, order="deterministic")).hexdigest()[:16]


def shipped_suites() -> dict[str, Path]:
    """Find the suite files of this package, by name."""
    folder = Path(__file__).resolve().parent / "suites"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
