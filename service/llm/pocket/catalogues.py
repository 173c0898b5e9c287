"""Real catalogues the model is measured on: products as their shops wrote them, asked for at random."""

import html
import random
from collections.abc import Mapping
from pathlib import Path

import msgspec
import polars as pl

from eval.datasets.description import dataset
from eval.datasets.public import load
from indexing.embedder import Embedder
from prompts.brief import Brief, Product
from service.importing.transforms import title_case
from service.llm.pocket.held_out import brief_of
from service.llm.pocket.nearest import nearest_kind
from service.llm.pocket.sketch import draw_sketch

FILES: Mapping[str, tuple[str, str]] = {
    "online_retail": ("online_retail", "items.csv.gz"),
    "gift_cards": ("amazon_reviews", "gift_cards_items.csv.gz"),
}
"""Catalogues by the name of their figures: data set and file."""
FIRST_ITEMS = 300
"""Products taken of Online Retail; of gift cards, all that have a description."""


def read_catalogue(folder: Path, name: str) -> list[Product]:
    """Read a catalogue's products, kinds not known yet; raises `DatasetError` for another file."""
    rows = load(*FILES[name], folder)
    if name == "online_retail":
        rows = rows.filter(pl.col("is_product") == 1).head(FIRST_ITEMS)
        titles = rows["description"].str.strip_chars()
        rows = rows.select(id="stock_code", title=title_case(titles), description=pl.lit(""))
    else:
        rows = rows.filter(pl.col("description").fill_null("").str.strip_chars() != "")
        rows = rows.select(id="asin", title=pl.col("title").str.strip_chars(), description="description")
    # These titles were scraped off pages: `Chili&#39;s` is read as a browser shows it.
    return [_product(row) for row in rows.to_dicts()]


def _product(row: dict[str, str]) -> Product:
    return msgspec.convert({name: html.unescape(text) for name, text in row.items()}, Product)


def catalogue_briefs(folder: Path, name: str, embedder: Embedder, seed: int) -> list[Brief]:
    """Ask once for each product of a catalogue: channel, tone, audience, offer and the rest drawn at random.

    Kinds are found as the service finds them; combinations are held out. Raises `DatasetError` when the file
    is missing or another version.
    """
    rng = random.Random(f"{name}:{seed}")  # noqa: S311  a seeded stream, nothing secret
    products = read_catalogue(folder, name)
    briefs: list[Brief] = []
    for product in products:
        sketch = draw_sketch(rng, held=True)
        kind = nearest_kind(product, embedder)
        known = Product(id=product.id, title=product.title, description=product.description[:500], kind=kind)
        link = "https://shop.example/p" if "link" in sketch.lengths else None
        briefs.append(
            brief_of(
                rng,
                sketch,
                Product(id=known.id, title=known.title, description=known.description, kind=kind, link=link),
            )
        )
    return briefs


def catalogue_digest(name: str) -> str:
    """Return the sha256 of a catalogue's file, hex: of the one version that is read."""
    of, file = FILES[name]
    return dataset(of).file(file).sha256
