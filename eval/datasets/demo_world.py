"""The demo world: a seeded shop this project invents, with people whose tastes are known."""

import csv
import hashlib
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from eval.datasets.demo_events import ENDS, INTERESTS, Floats, Ints, draw_events
from eval.datasets.demo_shop import AGE_BANDS, CHANNELS, FIRST_NAMES, LINES, PLACES
from eval.datasets.demo_shop import QUERY_WORDS as QUERY_WORDS
from eval.errors import DatasetError
from indexing.world import EVENT_COLUMNS, ITEM_COLUMNS, PROFILE_COLUMNS, World

SHOP = "Quillfern"
TIMEZONE = "Europe/London"
WEIGHTS: dict[str, float] = {
    "view": 1,
    "click": 1.5,
    "add_to_cart": 2,
    "purchase": 3,
    "impression": 0,
    "unsubscribe": 0,
}


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """What nobody is told: it stays out of the store and the files."""

    profiles: dict[str, tuple[str, str]]
    """Profile id to its two interests, the stronger first."""
    items: dict[str, str]
    """Item id to its interest."""


class DemoWorld(msgspec.Struct, frozen=True, kw_only=True):
    """A shop's catalogue, customers and their events.

    `items`: id, title, description, category, brand, price, currency, url, in_stock, benefits (list).
    `profiles`: id, created_at, first_name, country, city, age_band, signed_up, channel, newsletter.
    `events`: id, profile_id, type, item_id, value, quantity, occurred_at; sorted by time.
    """

    seed: int
    items: pl.DataFrame
    profiles: pl.DataFrame
    events: pl.DataFrame
    truth: Truth


class Ware(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of thing the shop sells, in a few finishes."""

    interest: str
    name: str
    low: float
    high: float
    finishes: tuple[str, ...]
    text: str
    benefits: tuple[str, ...]
    lasts: int | None
    """Days until it is used up and bought again; none when it is not."""


def _wares_text() -> str:
    return resources.files("eval.datasets").joinpath("demo_wares.csv").read_text(encoding="utf-8")


def wares_digest() -> str:
    """Name the phrase data (sha256, 12 hex digits): a world made of other phrases is another world."""
    return hashlib.sha256(_wares_text().encode()).hexdigest()[:12]


def load_wares() -> tuple[Ware, ...]:
    """Read the phrase data of the catalogue."""
    text = _wares_text()
    return tuple(
        Ware(
            interest=row["interest"],
            name=row["name"],
            low=float(row["low"]),
            high=float(row["high"]),
            finishes=tuple(row["finishes"].split("; ")),
            text=row["text"],
            benefits=tuple(row["benefits"].split("; ")),
            lasts=int(row["lasts"]) if row["lasts"] else None,
        )
        for row in csv.DictReader(text.splitlines(), delimiter="|")
    )


def generate(seed: int = 7, items: int = 420, profiles: int = 4000, events: int = 80_000) -> DemoWorld:
    """Make a world; the same arguments always make the same one.

    Raises `eval.errors.DatasetError` when the phrase data has not that many items, or a size is below 1
    (below 20 for items: one of each interest).
    """
    wares = load_wares()
    most = sum(len(ware.finishes) for ware in wares)
    if not len(INTERESTS) <= items <= most or profiles < 1 or events < 1:
        raise DatasetError(
            f"a demo world of {items} items, {profiles} profiles and {events} events cannot be made: "
            f"use {len(INTERESTS)} to {most} items and at least one profile and event"
        )
    rng = np.random.default_rng(seed)
    catalogue, sold = _catalogue(rng, wares, items)
    people, tastes = _people(rng, profiles)
    item_interest = np.array([INTERESTS.index(ware.interest) for ware in sold])
    happened = draw_events(
        rng,
        prices=catalogue["price"].to_numpy(),
        lasts=np.array([ware.lasts or 0 for ware in sold], dtype=np.float64),
        item_interest=item_interest,
        people=people,
        tastes=tastes,
        count=events,
    )
    ids = happened.select(
        pl.format("e{}-{}", pl.lit(seed), pl.int_range(pl.len()).cast(pl.String).str.zfill(7)).alias("id"),
        pl.lit(people["id"]).gather("profile").alias("profile_id"),
        "type",
        pl.lit(catalogue["id"]).gather("item").alias("item_id"),
        pl.when(pl.col("quantity").is_not_null())
        .then((pl.lit(catalogue["price"]).gather("item") * pl.col("quantity")).round(2))
        .alias("value"),
        "quantity",
        pl.col("time").alias("occurred_at"),
    )
    truth = Truth(
        profiles={
            profile: (INTERESTS[first], INTERESTS[second])
            for profile, (first, second) in zip(people["id"].to_list(), tastes.tolist(), strict=True)
        },
        items=dict(zip(catalogue["id"].to_list(), (ware.interest for ware in sold), strict=True)),
    )
    return DemoWorld(seed=seed, items=catalogue, profiles=people, events=ids, truth=truth)


def _catalogue(
    rng: np.random.Generator, wares: tuple[Ware, ...], count: int
) -> tuple[pl.DataFrame, list[Ware]]:
    """Choose finishes of wares, every interest the same number (one more for the first few)."""
    rows: list[dict[str, Any]] = []
    sold: list[Ware] = []
    for number, interest in enumerate(INTERESTS):
        share = count // len(INTERESTS) + (number < count % len(INTERESTS))
        offers: list[tuple[Ware, str]] = []
        for ware in wares:
            if ware.interest == interest:
                offers += [(ware, finish) for finish in ware.finishes]
        order: list[int] = rng.permutation(len(offers)).tolist()
        for ware, finish in (offers[place] for place in order[:share]):
            rows.append(_item(rng, ware, finish, number=len(rows) + 1))
            sold.append(ware)
    schema = {**ITEM_COLUMNS, "currency": pl.String(), "url": pl.String(), "benefits": pl.List(pl.String())}
    return pl.DataFrame(rows, schema_overrides=schema), sold


def _item(rng: np.random.Generator, ware: Ware, finish: str, number: int) -> dict[str, Any]:
    line = LINES[ware.interest]
    title = f"{finish} {ware.name}"
    maker = line.makers[int(rng.integers(len(line.makers)))]
    closing = line.closings[int(rng.integers(len(line.closings)))]
    whole = int(rng.integers(int(ware.low), int(ware.high) + 1))
    slug = "-".join("".join(c if c.isalnum() else " " for c in title.lower()).split())
    return {
        "id": f"QF-{number:04d}",
        "title": title,
        "description": f"{ware.text} {closing}",
        "category": line.category,
        "brand": maker,
        "price": whole + (0.5 if whole < 40 and rng.random() < 0.5 else 0.0),
        "currency": "GBP",
        "url": f"https://quillfern.example/shop/{slug}",
        "in_stock": bool(rng.random() < 0.96),
        "benefits": list(ware.benefits),
    }


def _people(rng: np.random.Generator, count: int) -> tuple[pl.DataFrame, Ints]:
    """Make customers, and int64[count, 2]: the two interests of each."""
    draws = rng.random((count, len(INTERESTS))).argsort(axis=1)
    tastes: Ints = draws[:, :2].astype(np.int64)
    countries = list(PLACES)
    where = rng.choice(len(countries), size=count, p=_shares([share for share, _ in PLACES.values()]))
    days = rng.integers(1, 1400, size=count)
    minutes = rng.integers(0, 1440, size=count)
    rows: list[dict[str, Any]] = []
    bands = rng.choice(list(AGE_BANDS), size=count, p=_shares(list(AGE_BANDS.values()))).tolist()
    channels = rng.choice(list(CHANNELS), size=count, p=_shares(list(CHANNELS.values()))).tolist()
    names = rng.choice(FIRST_NAMES, size=count).tolist()
    for row in range(count):
        country = countries[int(where[row])]
        cities = PLACES[country][1]
        created = ENDS - timedelta(days=int(days[row]), minutes=int(minutes[row]))
        rows.append(
            {
                "id": f"P{row + 1:05d}",
                "created_at": created,
                "first_name": names[row],
                "country": country,
                "city": cities[int(rng.integers(len(cities)))],
                "age_band": bands[row],
                "signed_up": created.date().isoformat(),
                "channel": channels[row],
                "newsletter": bool(rng.random() < 0.7),
            }
        )
    return pl.DataFrame(rows, schema_overrides={"created_at": pl.Datetime("us", "UTC")}), tastes


def _shares(values: list[float]) -> Floats:
    shares = np.array(values)
    return shares / shares.sum()


def write(world: DemoWorld, folder: Path) -> Path:
    """Write items.jsonl, profiles.jsonl, events.jsonl and demo.yaml, and return the mapping's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in (("items", world.items), ("profiles", world.profiles), ("events", world.events)):
        times = [column for column, kind in frame.schema.items() if kind.is_temporal()]
        texts = frame.with_columns(pl.col(times).dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
        texts.write_ndjson(folder / f"{name}.jsonl")
    mapping = folder / "demo.yaml"
    mapping.write_bytes(resources.files("eval.datasets").joinpath("demo.yaml").read_bytes())
    return mapping


def as_world(world: DemoWorld, workspace: str = "demo") -> World:
    """Give the same data as `indexing` reads it, without a store between."""
    items = world.items.select(list(ITEM_COLUMNS)).sort("id")
    traits = pl.struct(pl.exclude("id", "created_at")).struct.json_encode().alias("traits")
    profiles = world.profiles.select("id", traits, "created_at").select(list(PROFILE_COLUMNS)).sort("id")
    numbers = {
        name: frame.select(
            pl.col("id").alias(f"{name}_id"), pl.int_range(pl.len(), dtype=pl.UInt32).alias(name)
        )
        for name, frame in (("profile", profiles), ("item", items))
    }
    events = (
        world.events.join(numbers["profile"], on="profile_id")
        .join(numbers["item"], on="item_id", how="left")
        .rename({"occurred_at": "time"})
        .select(list(EVENT_COLUMNS))
        .sort("profile", "time", maintain_order=True)
    )
    last: Any = world.events["occurred_at"].max()
    return World(
        workspace=workspace,
        as_of=last,
        timezone=TIMEZONE,
        event_weights=dict(WEIGHTS),
        items=items,
        profiles=profiles,
        events=events,
    )
