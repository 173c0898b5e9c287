"""One page of rows out of a store, and the digest that tells a changed row from the same one."""

from hashlib import blake2b
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Some rows in the order of their ids; `next_after` is where the next page starts, none on the last."""

    rows: tuple[T, ...]
    next_after: str | None = None


def page_of(rows: list[T], limit: int, position: str | None) -> Page[T]:
    """Make a page of up to `limit` rows out of one more than that; `position` is its last row's id."""
    return Page(rows=tuple(rows[:limit]), next_after=position if len(rows) > limit else None)


def content_digest(value: object) -> str:
    """Return 32 hex digits that are the same for equal content, whatever the order of its keys."""
    return blake2b(msgspec.json.encode(value, order="deterministic"), digest_size=16).hexdigest()
