"""The columns everything in `indexing` works on, as the store hands them over."""

from datetime import datetime

import msgspec
import polars as pl

ITEM_COLUMNS: dict[str, pl.DataType] = {
    "id": pl.String(),
    "title": pl.String(),
    "description": pl.String(),
    "category": pl.String(),  # null when unknown
    "brand": pl.String(),  # null when unknown
    "price": pl.Float64(),  # null when unknown
    "in_stock": pl.Boolean(),
}

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
