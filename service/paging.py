"""Pages of results: a limit, an opaque cursor, and the link to the next page.

A cursor names the last result seen, so rows that come or go meanwhile neither repeat nor skip the others.
It is opaque to clients (base64url of JSON) and holds no secret.
"""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar, cast
from urllib.parse import urlencode

import msgspec
from litestar.params import QueryParameter

from service.errors import InvalidInput
from service.listing import Mark, Part, Place

DEFAULT_LIMIT = 50
MAX_LIMIT = 500

T = TypeVar("T")

UpdatedSince = Annotated[
    datetime | None,
    QueryParameter(
        description="Lists what was stored or changed at this moment (RFC 3339) or later, oldest change "
        "first. The last page's `paging.updated_since` is what to ask with the next time: nothing is missed, "
        "what changed last is listed again."
    ),
]
"""Query parameter of lists that a client keeps a copy of."""

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its offset, as the store takes it; for cursors and bodies."""


class Next(msgspec.Struct, frozen=True, kw_only=True):
    """Where the next page starts."""

    after: str
    """Pass it as `after`."""
    link: str
    """The whole path and query of the next page."""


class Paging(msgspec.Struct, frozen=True, kw_only=True):
    """How to go on; `next` is null on the last page."""

    next: Next | None = None
    updated_since: datetime | msgspec.UnsetType = msgspec.UNSET
    """What to ask with the next time; only on the last page of a list that was asked with `updated_since`."""


class Results(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page of results."""

    results: list[T]
    paging: Paging = Paging()


def checked_limit(
    limit: int | None, *, default: int = DEFAULT_LIMIT, maximum: int = MAX_LIMIT, name: str = "limit"
) -> int:
    """Check the number of results to return. Raises InvalidInput below 1 or above `maximum`."""
    value = default if limit is None else limit
    if not 1 <= value <= maximum:
        more = ", and page on with `after` for more" if name == "limit" else ""
        raise InvalidInput(f"{name} is {value}: ask for 1 to {maximum}{more}")
    return value


def encode_cursor(position: Any) -> str:
    """Make an opaque cursor for any JSON value."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).rstrip(b"=").decode("ascii")


def decode_cursor(after: str | None, shape: type[T]) -> T | None:
    """Read the position a cursor names; none without one. Raises InvalidInput when it is not one of ours."""
    if after is None or after == "":
        return None
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)), type=shape)
    except (binascii.Error, msgspec.DecodeError, ValueError, RecursionError) as error:
        raise InvalidInput(
            f"after is {after[:80]!r}, which is no cursor of this listing: start again without it"
        ) from error


def decode_place(after: str | None) -> Place | None:
    """Read a place in a list that has two orders. Raises InvalidInput as `decode_cursor` does."""
    return decode_cursor(after, cast("type[Place]", str | Mark))


def part_results(part: Part[T], path: str, query: dict[str, Any]) -> Results[T]:
    """Make a page of a list that has two orders."""
    results = results_of(list(part.rows), part.next_after, path, query)
    if part.updated_since is None:
        return results
    return Results(results=results.results, paging=Paging(updated_since=part.updated_since))


def results_of(results: list[T], position: Any | None, path: str, query: dict[str, Any]) -> Results[T]:
    """Make a page of `results`; `position` (any JSON value) names the last one when there are more."""
    if position is None:
        return Results(results=results)
    after = encode_cursor(position)
    kept = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in query.items()
        if value is not None and name != "after"
    }
    return Results(
        results=results,
        paging=Paging(next=Next(after=after, link=f"{path}?{urlencode({**kept, 'after': after})}")),
    )
