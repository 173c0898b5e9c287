"""An item: what is advertised."""

from typing import Any

import msgspec

from service.refusals import id_refusal, json_refusal, number_refusal, quoted, text_refusal

LONGEST = {"title": 1_000, "description": 50_000, "category": 500, "brand": 500, "url": 4_000}
"""Characters."""


class Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One product or article of the catalogue, as facts."""

    id: str
    """1 to 200 characters, without control characters."""
    title: str = ""
    description: str = ""
    category: str | None = None
    brand: str | None = None
    price: float | None = None
    """In `currency`; finite and not negative."""
    currency: str | None = None
    """ISO 4217; the workspace's when none."""
    url: str | None = None
    """Where copy leads; http or https."""
    in_stock: bool = True
    benefits: tuple[str, ...] = ()
    """Short noun phrases."""
    attributes: dict[str, Any] = {}
    """Anything else that JSON can say."""


def refusal(item: Item) -> str | None:
    """Why this item cannot be stored; none when it can."""
    for name, longest in LONGEST.items():
        if found := text_refusal(name, getattr(item, name), longest):
            return found
    if item.price is not None and item.price < 0:
        return f"price {item.price!r} is negative"
    if item.currency is not None and not (len(item.currency) == 3 and item.currency.isascii()):
        return f"currency {quoted(item.currency)} is no code of three letters, e.g. GBP"
    if item.url is not None and not item.url.lower().startswith(("http://", "https://")):
        return f"url {quoted(item.url)} does not start with http:// or https://"
    return (
        id_refusal("id", item.id)
        or number_refusal("price", item.price)
        or json_refusal("benefits", item.benefits)
        or json_refusal("attributes", item.attributes)
    )
