"""Pages of a store's rows, in the order of ids or of changes; and the digest that tells a changed row.

A list in the order of changes starts at a moment and ends with the moment to start the next one from. That
lies `COMMIT_LAG` before the newest change listed: a row is dated before its transaction commits, so that one
with an earlier date may come to light later. Rows of that time are listed again; none is missed.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Annotated, Any, Generic, Protocol, TypeAlias, TypeVar

import msgspec
from sqlalchemy import Row, Select, and_, or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, Mapped

from service.errors import InvalidInput

T = TypeVar("T")

COMMIT_LAG = timedelta(minutes=10)
"""How long a write may take from its date to its commit, the clocks of several machines included."""


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """A place in the order of changes."""

    updated_at: Annotated[datetime, msgspec.Meta(tz=True)]
    id: str


Place: TypeAlias = str | Mark
"""Where a page ends: the id of its last row, or that row's place among the changes."""


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Some rows in the order of their ids; `next_after` is where the next page starts, none on the last."""

    rows: tuple[T, ...]
    next_after: str | None = None


class Part(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Some rows in either order."""

    rows: tuple[T, ...]
    next_after: Place | None = None
    """Where the next page starts; none on the last."""
    updated_since: datetime | None = None
    """What to ask with the next time; on the last page of a list in the order of changes."""


class Listed(Protocol):
    """A table whose rows can be listed either way."""

    id: Mapped[str]
    updated_at: Mapped[datetime]


def page_of(rows: list[T], limit: int, position: str | None) -> Page[T]:
    """Make a page of up to `limit` rows out of one more than that; `position` is its last row's id."""
    return Page(rows=tuple(rows[:limit]), next_after=position if len(rows) > limit else None)


async def part_of(
    session: AsyncSession,
    query: Select[Any],
    table: type[Listed],
    make: Callable[..., T],
    *,
    after: Place | None,
    limit: int,
    updated_since: datetime | None,
    by: InstrumentedAttribute[str] | None = None,
) -> Part[T]:
    """Read up to `limit` of a query's rows, those after `after`; `make` makes a value of each.

    In the order of ids, or of the column `by`; with `updated_since` those changed at that moment or later,
    in the order of changes, ids among those of one moment. Raises InvalidInput for a place of the other order
    and for a moment without an offset.
    """
    if updated_since is None:
        column = table.id if by is None else by
        listed = query.where(column > _of_kind(after, str, "")).order_by(column)
        rows, more = await _read(session, listed, limit)
        place = getattr(rows[-1][0], column.key) if more else None
        return Part(rows=tuple(make(*row) for row in rows), next_after=place)
    since = in_utc("updated_since", updated_since)
    mark = _of_kind(after, Mark, Mark(since, ""))
    later = or_(
        table.updated_at > mark.updated_at, and_(table.updated_at == mark.updated_at, table.id > mark.id)
    )
    rows, more = await _read(session, query.where(later).order_by(table.updated_at, table.id), limit)
    values = tuple(make(*row) for row in rows)
    if more:
        return Part(rows=values, next_after=Mark(rows[-1][0].updated_at, rows[-1][0].id))
    return Part(rows=values, updated_since=max(since, rows[-1][0].updated_at - COMMIT_LAG) if rows else since)


async def _read(session: AsyncSession, query: Select[Any], limit: int) -> tuple[Sequence[Row[Any]], bool]:
    """Read up to `limit` rows, and whether there are more."""
    rows = (await session.execute(query.limit(limit + 1))).all()
    return rows[:limit], len(rows) > limit


def in_utc(name: str, moment: datetime) -> datetime:
    """Return a moment in UTC. Raises InvalidInput for one that could be in any zone, or is in no year."""
    if moment.tzinfo is None:
        raise InvalidInput(f"{name} is {moment.isoformat()}: write it with an offset, e.g. +00:00")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise InvalidInput(f"{name} is {moment.isoformat()}, which is no moment in UTC") from error


def content_digest(value: object) -> str:
    """Return 32 hex digits that are the same for equal content, whatever the order of its keys."""
    return blake2b(msgspec.json.encode(value, order="deterministic"), digest_size=16).hexdigest()


def _of_kind(after: Place | None, kind: type[T], start: T) -> T:
    if after is None:
        return start
    if not isinstance(after, kind):
        raise InvalidInput(
            "the cursor is of this list in another order: keep `updated_since` as it was, or start without it"
        )
    return after
