"""Item texts for the benchmark world: the demo shop's wares, varied by a small grammar.

A ware (280 kinds of thing, such as a watering can) appears in many forms (a case for it, a set with it, a
guide to it) and each form in many finishes, so that sentence vectors form neighbourhoods of different
width: neither noise nor points on top of each other.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from eval.datasets.demo_shop import LINES
from eval.datasets.demo_world import Ware, load_wares
from eval.errors import DatasetError
from indexing.world import ITEM_COLUMNS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FORMS: tuple[tuple[str, str, float], ...] = (
    ("{finish} {ware}", "{text}", 1.0),
    ("{material} {ware}", "{text} Made of {material_low}.", 1.2),
    ("{ware} in {colour}", "{text} This one comes in {colour_low}.", 1.0),
    ("{ware} Care Kit", "Brush, oil and cloths that keep the {ware_low} in good order for years.", 0.5),
    (
        "{material} Case for {ware}",
        "A padded {material_low} case that keeps the {ware_low} from knocks.",
        0.6,
    ),
    ("{ware} Wall Rack", "Hangs the {ware_low} within reach, on two screws. {material} arms.", 0.7),
    ("Travel {ware}", "Like our {ware_low}, but smaller: it folds flat and weighs little. {text}", 0.9),
    ("{ware} Gift Box", "One {ware_low} with a card and ribbon in a {colour_low} box. {benefit}.", 1.5),
    ("Children's {ware}", "One {ware_low} sized for small hands, with rounded edges. {benefit}.", 0.6),
    ("A Short Guide to the {ware}", "Ninety pages on choosing and using the {ware_low}, with drawings.", 0.3),
    (
        "Spare Parts for {ware}",
        "Screws, seals and the piece of the {ware_low} that always goes missing.",
        0.2,
    ),
    ("Professional {ware}", "Built for daily trade use and repairable. {benefit}.", 2.2),
    ("Restored {ware}", "The second-hand {ware_low}, cleaned, mended and guaranteed for a year.", 0.5),
    ("{ware} Print, {colour}", "An illustrated poster of the {ware_low} on a {colour_low} ground.", 0.4),
    ("{ware} Starter Set", "All a beginner needs beside the {ware_low}, and a leaflet. {benefit}.", 1.8),
    ("{finish} {ware}, Set of Two", "A pair, one to keep and one to give. {text}", 1.7),
)
"""Title, description and factor of the ware's price."""

MATERIALS: tuple[str, ...] = (
    *("Oak", "Walnut", "Bamboo", "Cork", "Linen", "Wool Felt", "Waxed Canvas", "Vegetable-Tanned Leather"),
    *("Brass", "Stainless Steel", "Aluminium", "Recycled Plastic", "Stoneware", "Glass", "Organic Cotton"),
    *("Copper", "Silicone", "Rattan", "Enamel"),
)
COLOURS: tuple[str, ...] = (
    *("Moss Green", "Slate Grey", "Mustard", "Midnight Blue", "Brick Red", "Chalk White", "Charcoal"),
    *("Dusty Pink", "Olive", "Rust", "Sky Blue", "Cream", "Plum"),
)
OCCASIONS: tuple[str, ...] = (
    *("A favourite as a birthday present.", "Chosen by our staff this season.", "Made to order in a week."),
    *("New this spring.", "For small flats.", "For a family of four.", "Sent without plastic."),
    *("Comes with a ten-year guarantee.", "A classic of ours since the beginning.", "Made in small batches."),
    *("Reduced while the last ones are here.", "For beginners.", "For the very particular.", ""),
    *("Made nearby by two sisters.", "Winner of a design award.", "Sold in aid of a local charity."),
)


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """Items and what nobody is told about them."""

    items: pl.DataFrame
    """The columns of `indexing.world.ITEM_COLUMNS`, sorted by id."""
    wares: Ints
    """int64[n_items]: the ware each item is a form of, 0 to `n_wares` - 1."""
    interests: Ints
    """int64[n_wares]: the demo shop's interest each ware belongs to."""

    @property
    def n_wares(self) -> int:
        return len(self.interests)


def draw_catalogue(items: int, rng: np.random.Generator) -> Catalogue:
    """Draw so many items with distinct texts; raises `DatasetError` when the grammar has not that many."""
    wares = load_wares()
    cycle = len(FORMS) * len(MATERIALS) * len(COLOURS) * len(OCCASIONS)
    most = len(wares) * len(MATERIALS) * len(COLOURS)  # every form and occasion, yet room to spare
    if not 1 <= items <= most:
        raise DatasetError(f"a benchmark catalogue of {items} items cannot be made: use 1 to {most}")
    order = rng.permutation(len(wares))
    sold = order[np.arange(items) % len(wares)]
    rng.shuffle(sold)
    turns = np.zeros(len(wares), np.int64)
    starts = rng.integers(cycle, size=len(wares))
    rows: list[dict[str, object]] = []
    prices = rng.random(items)
    in_stock = rng.random(items) < 0.93
    makers = rng.integers(1 << 30, size=items)
    for number, ware in enumerate(map(int, sold)):
        turn = int(starts[ware] + turns[ware])
        turns[ware] += 1
        row = _item(wares[ware], turn, float(prices[number]), int(makers[number]))
        rows.append({"id": f"i{number:06}", "in_stock": bool(in_stock[number]), **row})
    names = sorted({ware.interest for ware in wares})
    interests = np.array([names.index(ware.interest) for ware in wares])
    return Catalogue(items=pl.DataFrame(rows, schema=ITEM_COLUMNS), wares=sold, interests=interests)


def _item(ware: Ware, turn: int, price: float, maker: int) -> dict[str, object]:
    """One form of a ware. Material, colour and occasion move on with every turn, each by its own period."""
    title, text, factor = FORMS[turn % len(FORMS)]
    words = {
        "ware": ware.name,
        "ware_low": ware.name.lower(),
        "finish": _pick(ware.finishes, turn // len(FORMS)),
        "material": _pick(MATERIALS, turn),
        "material_low": _pick(MATERIALS, turn).lower(),
        "colour": _pick(COLOURS, turn),
        "colour_low": _pick(COLOURS, turn).lower(),
        "benefit": _pick(ware.benefits, turn).capitalize(),
        "text": ware.text,
    }
    line = LINES[ware.interest]
    described = (text.format(**words), _pick(OCCASIONS, turn), _pick(line.closings, maker))
    return {
        "title": title.format(**words),
        "description": " ".join(part for part in described if part),
        "category": line.category,
        "brand": _pick(line.makers, maker),
        "price": max(round((ware.low + price * (ware.high - ware.low)) * factor, 2), 0.5),
    }


def _pick(words: Sequence[str], place: int) -> str:
    return words[place % len(words)]
