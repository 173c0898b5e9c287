"""Products of a generated demo world, as briefs hold them."""

import random
from typing import Any

from eval.datasets import demo_world
from prompts.brief import Product


def draw_products(*, seed: int, n: int) -> tuple[Product, ...]:
    """Draw n items of the demo world of a seed, categories in turn, so that few cover many kinds.

    The same seed always draws the same; fewer come back when the world holds fewer items.
    """
    items = demo_world.generate(seed=seed).items.sort("id").to_dicts()
    random.Random(seed).shuffle(items)  # noqa: S311 -- a sample, not a secret
    turns: dict[str, int] = {}

    def turn(item: dict[str, Any]) -> int:
        category = item["category"] or ""
        turns[category] = turns.get(category, -1) + 1
        return turns[category]

    ordered = sorted(
        ((turn(item), item["category"] or "", item) for item in items), key=lambda entry: entry[:2]
    )
    return tuple(_product(item) for _, _, item in ordered[:n])


def _product(item: dict[str, Any]) -> Product:
    return Product(
        id=item["id"],
        title=item["title"],
        description=item["description"] or "",
        category=item["category"],
        brand=item["brand"],
        benefits=tuple(item["benefits"] or ()),
        link=item["url"],
    )
