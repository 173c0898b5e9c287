"""A file of events for the back-test: JSON, NDJSON or CSV, in the form of `POST /v1/events`."""

import csv
import gzip
import hashlib
import io
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from eval.proxies.outcomes import EVENT_SCHEMA, SHOWN, Copy
from service.bulk import parse_rows
from service.console import Usage
from service.errors import InvalidInput
from service.events.model import Event, refusal
from service.openapi import NDJSON
from service.outcomes.model import copy_said

_KINDS = {".json": "application/json", ".jsonl": NDJSON, ".ndjson": NDJSON, ".csv": "text/csv"}
_MOST_ROWS = 50_000_000
_COLUMNS = frozenset(Event.__struct_fields__)


class EventFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a file held."""

    events: tuple[Event, ...]
    refused: tuple[str, ...]
    """Why rows could not be read, with their numbers from 1."""
    repeated: int
    """Rows whose id had come before."""
    digest: str
    """The start of its sha256."""


def read_events(path: Path, now: datetime) -> EventFile:
    """Read a file of events; CPU work. Raises `Usage` when it cannot be read at all or holds no event.

    In a CSV the columns are an event's fields, all others are properties, an empty cell is none, and a row
    without an `id` is named by its number. A bad row is set aside with its reason.
    """
    kind = _KINDS.get(path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix)
    if kind is None:
        raise Usage(
            f"{path} is of a kind that is not read: give .json, .jsonl, .ndjson or .csv, or one with .gz"
        )
    try:
        body = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        rows, refused = _csv(body.decode("utf-8-sig")) if kind == "text/csv" else _json(body, kind)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, InvalidInput) as error:
        raise Usage(f"{path} cannot be read: {error}") from None
    digest = hashlib.sha256(body).hexdigest()[:16]
    good: dict[str, Event] = {}
    repeated = 0
    for number, event in rows:
        if reason := refusal(event, now):
            refused.append(f"row {number}: {reason}")
        elif event.id in good:
            repeated += 1
        else:
            good[event.id] = event
    if not good:
        raise Usage(f"{path} holds no event that can be used ({refused[0] if refused else 'it is empty'})")
    return EventFile(events=tuple(good.values()), refused=tuple(refused), repeated=repeated, digest=digest)


def frame_of(events: Iterable[Event]) -> pl.DataFrame:
    """Lay impressions and clicks out in columns of `EVENT_SCHEMA`."""
    rows = [(event.variant_id, event.profile_id, event.type, event.occurred_at) for event in events]
    return pl.DataFrame(rows, schema=EVENT_SCHEMA, orient="row")


def copies_in(events: Iterable[Event]) -> dict[str, Copy]:
    """Read what variants say from their impressions' properties; the first that names a channel counts."""
    copies: dict[str, Copy] = {}
    for event in events:
        new = event.type == SHOWN and event.variant_id and event.variant_id not in copies
        if new and (copy := copy_said(event.item_id, event.properties)) is not None:
            copies[event.variant_id or ""] = copy
    return copies


def _json(body: bytes, kind: str) -> tuple[list[tuple[int, Event]], list[str]]:
    parsed = parse_rows(body, kind, Event, _MOST_ROWS)
    rows = [(place + 1, event) for place, event in zip(parsed.places, parsed.rows, strict=True)]
    return rows, [f"row {reject.row + 1}: {reject.reason}" for reject in parsed.rejects]


def _csv(text: str) -> tuple[list[tuple[int, Event]], list[str]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = {"profile_id", "type", "occurred_at"} - set(reader.fieldnames or ())
    if missing:
        raise InvalidInput(f"it has no column {', '.join(sorted(missing))}, only {reader.fieldnames}")
    rows: list[tuple[int, Event]] = []
    refused: list[str] = []
    for number, row in enumerate(reader, start=1):
        try:
            rows.append((number, _event(number, row)))
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            refused.append(f"row {number}: {error}")
    return rows, refused


def _event(number: int, row: Mapping[str, Any]) -> Event:
    if None in row:
        raise msgspec.ValidationError("more cells than the header has")
    cells = {name: cell for name, cell in row.items() if cell}
    properties = {name: cell for name, cell in cells.items() if name not in _COLUMNS}
    fields = {name: cell for name, cell in cells.items() if name in _COLUMNS and name != "properties"}
    if said := cells.get("properties"):
        properties |= msgspec.json.decode(said, type=dict[str, Any])
    return msgspec.convert({"id": f"row-{number}", **fields, "properties": properties}, Event, strict=False)
