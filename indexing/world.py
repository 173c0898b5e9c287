"""The columns everything in `indexing` works on, as the store hands them over."""

from datetime import datetime

import msgspec
import polars as pl

from indexing.errors import SnapshotError

ITEM_COLUMNS: dict[str, pl.DataType] = {
    "id": pl.String(),
    "title": pl.String(),
    "description": pl.String(),
    "category": pl.String(),  # null when unknown
    "brand": pl.String(),  # null when unknown
    "price": pl.Float64(),  # null when unknown
    "in_stock": pl.Boolean(),
}

_EVENTS_AT_ONCE = 1_000_000
"""Events checked at once: bounds what a check takes beside the world itself."""

PROFILE_COLUMNS: dict[str, pl.DataType] = {
    "id": pl.String(),
    "traits": pl.String(),  # a JSON object of scalars
    "created_at": pl.Datetime("us", "UTC"),
}

EVENT_COLUMNS: dict[str, pl.DataType] = {
    "profile": pl.UInt32(),  # row in the profiles frame
    "item": pl.UInt32(),  # row in the items frame; null when the event names none
    "type": pl.String(),
    "value": pl.Float64(),  # money or another amount; null when unknown
    "quantity": pl.Float64(),
    "time": pl.Datetime("us", "UTC"),
}


RESPONSE_COLUMNS: dict[str, pl.DataType] = {
    "profile": pl.UInt32(),  # row in the profiles frame
    "channel": pl.String(),
    "time": pl.Datetime("us", "UTC"),
}


def no_responses() -> pl.DataFrame:
    """Return what a world has whose events tell no channel."""
    return pl.DataFrame(schema=RESPONSE_COLUMNS)


class World(msgspec.Struct, frozen=True, kw_only=True):
    """One workspace's items, profiles and events at one moment.

    `items` and `profiles` are sorted by id, `events` by (profile, time); the frames have exactly the
    columns above. `as_of` is the reference time, in UTC; `timezone` an IANA name.
    """

    workspace: str
    as_of: datetime
    timezone: str
    event_weights: dict[str, float]
    """How much an event of a type says about taste, e.g. purchase 3, view 1; negative is dislike."""
    items: pl.DataFrame
    profiles: pl.DataFrame
    events: pl.DataFrame
    responses: pl.DataFrame = msgspec.field(default_factory=no_responses)
    """Opens, clicks and purchases that tell over which channel they came, in any order; kept in no file."""


def check_world(world: World) -> None:
    """Raise `SnapshotError` when a frame is not as promised: columns, order, ids, row numbers."""
    frames = (
        ("items", world.items, ITEM_COLUMNS),
        ("profiles", world.profiles, PROFILE_COLUMNS),
        ("events", world.events, EVENT_COLUMNS),
        ("responses", world.responses, RESPONSE_COLUMNS),
    )
    for name, frame, columns in frames:
        if dict(frame.schema) != columns:
            raise SnapshotError(f"The {name} have the columns {dict(frame.schema)}, expected {columns}.")
    for name, frame in (("items", world.items), ("profiles", world.profiles)):
        ids = frame["id"]
        wrong = (ids <= ids.shift(1)).fill_null(value=False) | ids.is_null()
        if wrong.any():
            raise SnapshotError(f"The {name} are not sorted by distinct ids: see {ids.filter(wrong)[0]!r}.")
    events = world.events
    for column, frame in (("profile", world.profiles), ("item", world.items)):
        beyond = events[column].filter(events[column] >= frame.height)
        if len(beyond):
            raise SnapshotError(f"An event names {column} row {beyond[0]}, there are only {frame.height}.")
    if events["profile"].null_count() or not _sorted(events):
        raise SnapshotError("The events are not sorted by (profile, time), or one names no profile.")


def _sorted(events: pl.DataFrame) -> bool:
    """Whether events come by (profile, time)."""
    order = events.select("profile", "time")
    for start in range(0, order.height, _EVENTS_AT_ONCE):
        part = order.slice(start, _EVENTS_AT_ONCE + 1)  # the first of the next part too
        profiles, times = part["profile"], part["time"]
        same = profiles == profiles.shift(1)
        later = times >= times.shift(1)
        if not profiles.is_sorted() or not bool((later | ~same).all()):
            return False
    return True
