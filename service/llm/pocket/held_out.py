"""Briefs the model is measured with: combinations, products, brands and offers that training never sees."""

import hashlib
import random
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import msgspec
import yaml

from prompts.brief import Brief, Product
from prompts.interests import ANYONE
from service.llm.pocket.sketch import Sketch, draw_sketch


class HeldOutProduct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A product no training sees."""

    title: str
    kind: str
    brand: str | None = None
    benefits: tuple[str, ...] = ()
    link: str


class HeldOutFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All facts that no training sees."""

    products: tuple[HeldOutProduct, ...]
    offers: tuple[dict[str, str], ...]
    ends: tuple[str, ...]

    def strings(self) -> tuple[str, ...]:
        """Return every fact, as it would stand in a text."""
        names = (product.title for product in self.products)
        brands = (product.brand for product in self.products if product.brand)
        benefits = (benefit for product in self.products for benefit in product.benefits)
        offers = (value for offer in self.offers for value in offer.values())
        return tuple(dict.fromkeys((*names, *brands, *benefits, *offers, *self.ends)))


def _text() -> str:
    return resources.files("service.llm.pocket").joinpath("held_out_facts.yaml").read_text(encoding="utf-8")


@cache
def load_facts() -> HeldOutFacts:
    """Read the facts that ship with the package."""
    return msgspec.convert(yaml.safe_load(_text()), HeldOutFacts)


def facts_digest() -> str:
    """Return the sha256 of the facts' file, hex."""
    return hashlib.sha256(_text().encode()).hexdigest()


def draw_briefs(n: int, seed: int, *, held: bool = True) -> list[Brief]:
    """Draw n briefs from the held-out combinations (the trained ones without `held`), with held-out facts."""
    rng = random.Random(f"briefs:{seed}")  # noqa: S311  a seeded stream, nothing secret
    facts = load_facts()
    briefs: list[Brief] = []
    while len(briefs) < n:
        sketch = draw_sketch(rng, held=held)
        own = [product for product in facts.products if product.kind == sketch.kind]
        product = rng.choice(own)
        briefs.append(
            brief_of(
                rng,
                sketch,
                Product(
                    id=str(len(briefs)),
                    title=product.title,
                    kind=product.kind,
                    brand=product.brand,
                    benefits=product.benefits[: rng.choice((0, 1, 1, 2, 2))],
                    link=product.link if "link" in sketch.lengths else None,
                ),
            )
        )
    return briefs


def brief_of(rng: random.Random, sketch: Sketch, product: Product) -> Brief:
    """Ask for this product what a sketch asks for, with held-out facts where it gives an offer."""
    facts = load_facts()
    offer: dict[str, Any] | None = None
    if "offer" in sketch.lengths:
        offer = {
            **rng.choice(facts.offers),
            "ends": rng.choice(facts.ends) if "ends" in sketch.lengths else None,
        }
    interest = None if sketch.audience == ANYONE else sketch.audience
    values = {
        "channel": sketch.channel,
        "product": product,
        "audience": {"name": sketch.audience, "interest": interest, "stage": sketch.stage},
        "offer": offer,
        "tone": sketch.tone,
        "goal": sketch.goal,
        "personalise": sketch.name,
    }
    return msgspec.convert(values, Brief)


def by_channel(n: int, channels: Sequence[str], seed: int) -> list[Brief]:
    """Draw n held-out briefs of each channel, channel by channel."""
    briefs: dict[str, list[Brief]] = {channel: [] for channel in channels}
    size = 4 * n * len(channels)
    for brief in draw_briefs(size, seed):
        if len(briefs[brief.channel]) < n:
            briefs[brief.channel].append(brief)
    return [brief for drawn in briefs.values() for brief in drawn]
