"""What a brief says, from what is stored: an item as a product, one customer as an audience."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from prompts.brief import Audience, Offer, Product, Stage
from service.catalog.model import Item
from service.events.model import Event

CURRENCY_SIGNS: Mapping[str, str] = {
    "AUD": "A$",
    "CAD": "C$",
    "EUR": "€",
    "GBP": "£",
    "INR": "₹",
    "JPY": "¥",
    "USD": "$",
}
"""Signs that stand before the amount; any other currency is named after it."""

WITHOUT_CENTS = frozenset({"JPY", "KRW", "VND", "CLP", "ISK"})

LAPSED_AFTER = timedelta(days=60)
"""Nothing done for longer than this."""
BASKET_LASTS = timedelta(days=7)
"""Something put in the basket, and nothing bought since."""
NEW_FOR = timedelta(days=14)
"""Since the first thing done."""
LOYAL_PURCHASES = 3

MOST_BENEFITS, LONGEST_BENEFIT, LONGEST_LINK = 20, 120, 500
"""What a prompt takes; an item may hold more."""

EVERYONE = Audience(name="everyone")


def price_text(price: float | None, currency: str) -> str | None:
    """Write a price as a reader of that currency expects it, e.g. `£12.50`; none without a price."""
    if price is None:
        return None
    amount = f"{price:,.0f}" if currency in WITHOUT_CENTS else f"{price:,.2f}"
    sign = CURRENCY_SIGNS.get(currency)
    return f"{sign}{amount}" if sign else f"{amount} {currency}"


def product_of(item: Item, currency: str) -> Product:
    """Turn an item into the facts a prompt may use; `currency` is the workspace's."""
    link = item.url if item.url and len(item.url) <= LONGEST_LINK else None
    return Product(
        id=item.id,
        title=item.title or item.id,
        description=item.description,
        category=item.category,
        brand=item.brand,
        price=price_text(item.price, item.currency or currency),
        benefits=tuple(each for each in item.benefits if len(each) <= LONGEST_BENEFIT)[:MOST_BENEFITS],
        link=link,
    )


def offer_of(offer: Offer | str | None) -> Offer | None:
    """Read an offer given as a mere text; an empty one is none."""
    if isinstance(offer, str):
        return Offer(text=offer.strip()) if offer.strip() else None
    return offer


def audience_of(audience: Audience | str | None) -> Audience:
    """Read an audience given in a few words; none is everyone."""
    if audience is None:
        return EVERYONE
    if isinstance(audience, str):
        words = audience.strip()
        return Audience(name=words[:80], description=words, interest=words) if words else EVERYONE
    return audience


def audience_of_one(
    events: Sequence[Event], items: Mapping[str, Item], weights: Mapping[str, float], now: datetime
) -> Audience:
    """Describe one customer by what he or she did lately, without a name, a trait or any other personal data.

    `events` newest first; `items` those they name, by id; `weights` how much each type says about taste.
    """
    taste: dict[str, float] = {}
    for event in events:
        item = items.get(event.item_id or "")
        if item is not None and item.category:
            weight = max(weights.get(event.type, 0.0), 0.0)
            taste[item.category] = taste.get(item.category, 0.0) + weight
    liked = [name for name in sorted(taste, key=lambda name: (-taste[name], name))[:2] if taste[name] > 0]
    stage = _stage(events, now)
    sentences = [
        f"A customer who is drawn to {' and '.join(liked)}."
        if liked
        else "A customer without a clear taste.",
        _STAGE_SENTENCES[stage],
    ]
    return Audience(
        name="one customer",
        description=" ".join(sentences),
        interest=liked[0] if liked else None,
        stage=stage,
    )


_STAGE_SENTENCES: Mapping[Stage | None, str] = {
    "new": "Has only just arrived.",
    "loyal": "Buys here again and again.",
    "lapsed": "Has not been here for a long time.",
    "cart": "Has left something in the basket.",
    None: "Comes by now and then.",
}


def _stage(events: Sequence[Event], now: datetime) -> Stage | None:
    """Say where a customer stands; the basket decides before loyalty, a long absence before both."""
    if not events:
        return "new"
    newest, oldest = events[0].occurred_at, events[-1].occurred_at
    if now - newest > LAPSED_AFTER:
        return "lapsed"
    baskets = [event.occurred_at for event in events if event.type == "add_to_cart"]
    purchases = [event.occurred_at for event in events if event.type == "purchase"]
    if baskets and now - baskets[0] <= BASKET_LASTS and not (purchases and purchases[0] >= baskets[0]):
        return "cart"
    if len(purchases) >= LOYAL_PURCHASES:
        return "loyal"
    return "new" if now - oldest <= NEW_FOR else None
