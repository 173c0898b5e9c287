"""What a suite asks: its briefs, one for each seed, each with the key by which runs are paired."""

import hashlib
from collections.abc import Iterable, Sequence
from itertools import product

import msgspec

from eval.suite import Crossing, Suite
from prompts.brief import Brief, Product

SEED_STEP = 1000
"""Between the seeds of neighbouring briefs; the variants of a brief derive theirs from its own."""


def expand(suite: Suite, products: Sequence[Product] = ()) -> tuple[Brief, ...]:
    """List the suite's briefs for its first seed, then the next; each with the suite's `n` and its own seed.

    `products` are those drawn from the suite's data; a suite without data has its own.
    """
    briefs = suite.briefs
    if suite.crossing is not None:
        briefs = tuple(_crossed(suite.crossing, _own_products(suite) or products))
    return tuple(
        msgspec.structs.replace(brief, n=suite.n, seed=seed + SEED_STEP * place)
        for seed in suite.seeds
        for place, brief in enumerate(briefs)
    )


def key(brief: Brief) -> str:
    """Identify what a brief asks for, whatever its seed and number of variants: 12 hex digits.

    The key is of the brief as the suite says it, before it is put into an engine's words, so that runs of two
    engines pair.
    """
    asked = msgspec.structs.replace(brief, seed=0, n=1)
    return hashlib.sha256(msgspec.json.encode(asked, order="deterministic")).hexdigest()[:12]


def _own_products(suite: Suite) -> Sequence[Product]:
    if suite.grid is not None:
        return suite.grid.products
    if suite.world is not None:
        from eval.datasets.products import draw_products

        return draw_products(seed=suite.world.seed, n=suite.world.items)
    return ()


def _crossed(crossing: Crossing, products: Sequence[Product]) -> Iterable[Brief]:
    """Tone, goal and offer turn with the product, so that briefs of one product differ in audience alone."""
    for (place, item), channel, audience in product(
        enumerate(products), crossing.channels, crossing.audiences
    ):
        yield Brief(
            channel=channel,
            product=item,
            audience=audience,
            offer=crossing.offers[place % len(crossing.offers)] if crossing.offers else None,
            tone=crossing.tones[place % len(crossing.tones)],
            goal=crossing.goals[place % len(crossing.goals)],
            language=crossing.language,
            brand=crossing.brand,
        )
