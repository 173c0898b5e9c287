"""Impressions and clicks of an invented shop's copy, with the truth behind them: for tests and measurements.

Nothing here is real, and no figure made of it says how good a proxy is on people. Copy of one item, channel
and segment competes: each person is shown one text at random and clicks with a probability whose log-odds are
a sum of normal effects: channel, template, segment, item, opening line and text.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from eval.proxies.history.history import Place
from eval.proxies.history.model import expit
from eval.proxies.outcomes import CLICKED, EVENT_SCHEMA, SHOWN, Copy
from eval.proxies.port import Floats

STARTS = datetime(2026, 9, 1, tzinfo=UTC)
DAYS = 28
TRUE_SD = {"template": 0.15, "segment": 0.3, "item": 0.5, "opening": 0.25, "text": 0.3}
"""Of the effects, in log-odds."""
CHANNEL_LOG_ODDS = {"email": -3.0, "push": -3.8}
_TEMPLATES, _SEGMENTS, _OPENINGS = 4, 5, 24

_FIRST = ("Made", "Ready", "Chosen", "Kept", "Mended", "Waiting")
_REST = ("for slow mornings", "with the garden in mind", "to last for years", "by people who care")
_ENDS = ("See it now", "Have a look", "Take one home", "Find yours", "Come and choose", "Start today")


class DemoCopies(msgspec.Struct, frozen=True, kw_only=True):
    """What each variant says and where, and what nobody but the generator knows."""

    copies: dict[str, Copy]
    truth: dict[str, float]
    """Log-odds of a click, by variant."""


class DemoOutcomes(DemoCopies, frozen=True, kw_only=True):
    """Copies, and what was logged of them."""

    events: pl.DataFrame
    """Columns of `EVENT_SCHEMA`, by time."""


def draw_copies(rng: np.random.Generator, *, groups: int = 60, variants: int = 4) -> DemoCopies:
    """Draw `groups` items' copy, `variants` texts each (24 at most), with their true log-odds."""
    sizes = {"template": _TEMPLATES, "segment": _SEGMENTS, "item": groups, "opening": _OPENINGS}
    effects = {name: rng.normal(0, TRUE_SD[name], size) for name, size in sizes.items()}
    copies: dict[str, Copy] = {}
    truth: dict[str, float] = {}
    for item in range(groups):
        channel = ("email", "push")[item % 2]
        segment = int(rng.integers(_SEGMENTS))
        base = CHANNEL_LOG_ODDS[channel] + effects["item"][item] + effects["segment"][segment]
        for number, opening in enumerate(rng.permutation(_OPENINGS)[:variants].tolist()):
            template = int(rng.integers(_TEMPLATES))
            prompt = f"{channel}/full.v{template + 1}"
            name = f"d{item:04}/{number + 1}"
            copies[name] = Copy(
                text=_text(opening, item, number),
                place=Place(channel, prompt, f"segment-{segment}", f"item-{item:04}"),
                campaign=f"week-{item % 4 + 1}",
            )
            own = effects["template"][template] + effects["opening"][opening]
            truth[name] = float(base + own + rng.normal(0, TRUE_SD["text"]))
    return DemoCopies(copies=copies, truth=truth)


def draw_outcomes(seed: int, *, groups: int = 60, variants: int = 4, people: int = 500) -> DemoOutcomes:
    """Draw copies, and show each over four weeks: to a third of `people`, to three times as many."""
    rng = np.random.default_rng(seed)
    drawn = draw_copies(rng, groups=groups, variants=variants)
    sizes = np.maximum((people * 3 ** rng.uniform(-1, 1, len(drawn.truth))).astype(np.int64), 1)
    return DemoOutcomes(copies=drawn.copies, truth=drawn.truth, events=_events(rng, drawn.truth, sizes))


def _text(opening: int, item: int, number: int) -> str:
    first = f"{_FIRST[opening % 6]} {_REST[opening // 6]}"
    return f"{first}\nThing {item}, told in way {number + 1}.\n{_ENDS[(item + number) % 6]}"


def _events(
    rng: np.random.Generator, truth: Mapping[str, float], sizes: npt.NDArray[np.int64]
) -> pl.DataFrame:
    """Show each variant to people of its own, at any time; who clicks does so an hour later on average."""
    rates: Floats = np.repeat(expit(np.array(list(truth.values()))), sizes)
    second: Floats = rng.uniform(0, DAYS * 86_400, len(rates))
    shown = pl.DataFrame(
        {
            "variant": pl.Series(list(truth)).gather(np.repeat(np.arange(len(sizes)), sizes)),
            "second": second,
            "later": second + rng.exponential(3_600, len(second)),
            "clicks": rng.random(len(second)) < rates,
        }
    ).with_columns(pl.format("p-{}-{}", "variant", pl.int_range(pl.len()).over("variant")).alias("profile"))
    start = pl.lit(STARTS).cast(EVENT_SCHEMA["time"])
    parts = [
        rows.select(
            "variant",
            "profile",
            pl.lit(kind).alias("type"),
            (start + pl.duration(microseconds=(pl.col(when) * 1e6).cast(pl.Int64))).alias("time"),
        )
        for kind, when, rows in (
            (SHOWN, "second", shown),
            (CLICKED, "later", shown.filter("clicks")),
        )
    ]
    return pl.concat(parts).sort("time", "variant", "profile")
