"""What Segment's names of events mean here: one table, of its specifications of commerce and e-mail."""

from typing import NamedTuple


class Meaning(NamedTuple):
    """What an event of a name is stored as."""

    type: str
    each: bool = False
    """One event for each of the `products` in it."""
    money: bool = False
    """Its value is price times quantity where it says no value itself."""
    channel: str | None = None
    """Over which channel it came, where the name says so."""


MEANINGS: dict[str, Meaning] = {
    "Products Searched": Meaning("search"),
    "Product List Viewed": Meaning("impression", each=True),
    "Promotion Viewed": Meaning("impression"),
    "Promotion Clicked": Meaning("click"),
    "Product Clicked": Meaning("click"),
    "Product Viewed": Meaning("view"),
    "Product Added": Meaning("add_to_cart", money=True),
    "Product Removed": Meaning("remove_from_cart", money=True),
    "Product Added to Wishlist": Meaning("add_to_wishlist"),
    "Product Shared": Meaning("share"),
    "Product Reviewed": Meaning("review"),
    "Cart Viewed": Meaning("view_cart"),
    "Checkout Started": Meaning("checkout"),
    "Order Completed": Meaning("purchase", each=True, money=True),
    "Order Refunded": Meaning("refund", each=True, money=True),
    "Order Cancelled": Meaning("cancel", each=True, money=True),
    "Email Delivered": Meaning("delivered", channel="email"),
    "Email Opened": Meaning("open", channel="email"),
    "Email Link Clicked": Meaning("click", channel="email"),
    "Email Bounced": Meaning("bounce", channel="email"),
    "Email Marked as Spam": Meaning("complaint", channel="email"),
    "Unsubscribed": Meaning("unsubscribe", channel="email"),
    "Push Notification Received": Meaning("delivered", channel="push"),
    "Push Notification Tapped": Meaning("click", channel="push"),
}

_BY_NAME = {name.casefold(): meaning for name, meaning in MEANINGS.items()}


def meaning_of(name: str) -> Meaning:
    """Look a name up, in any case; one that is not in the table is a type of its own."""
    return _BY_NAME.get(name.strip().casefold()) or Meaning(name)
