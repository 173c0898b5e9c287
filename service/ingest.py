"""Bulk writes: many rows in, checked one by one, stored in chunks, counted exactly."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from service.counts import Counts, Reject
from service.runtime import Runtime
from service.workspaces.store import WorkspaceStore

CHUNK_ROWS = 50_000
"""Rows per transaction. Ids come in no order, so each commit rewrites much of their index: few are fast."""


T = TypeVar("T")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a store did with a chunk: how many rows it wrote, and why it refused others, by place."""

    stored: int
    refused: dict[int, str] = {}
    noted: dict[int, str] = {}
    """What is odd about rows that were not refused."""


async def ingest(
    runtime: Runtime,
    workspace: str,
    rows: Iterable[T],
    refusal: Callable[[T], str | None],
    write: Callable[[AsyncSession, list[T]], Awaitable[Outcome]],
) -> Counts:
    """Check rows with `refusal`, hand the good ones of each chunk to `write`, and add up.

    Chunks are drawn and checked in the executor, so a lazy `rows` may parse files. A chunk is one
    transaction: when this returns, everything counted as stored is.
    """
    iterator = iter(rows)
    total, offset = Counts(), 0
    more = True
    while more:
        chunk, reasons = await runtime.run(_checked, iterator, refusal)
        more = len(chunk) == CHUNK_ROWS
        if not chunk:
            break
        places = [place for place in range(len(chunk)) if place not in reasons]
        good = [chunk[place] for place in places] if reasons else chunk
        async with runtime.database.write() as session:
            await WorkspaceStore(session, workspace).get()
            outcome = await write(session, good) if good else Outcome(stored=0)
        reasons |= {places[place]: reason for place, reason in outcome.refused.items()}
        total += _counted(chunk, offset, reasons, outcome.stored)
        offset += len(chunk)
    return total


def _checked(iterator: Iterator[T], refusal: Callable[[T], str | None]) -> tuple[list[T], dict[int, str]]:
    """Draw the next rows, and say which of them are refused."""
    chunk = list(islice(iterator, CHUNK_ROWS))
    return chunk, {place: reason for place, row in enumerate(chunk) if (reason := refusal(row)) is not None}


def _counted(chunk: list[T], offset: int, reasons: dict[int, str], stored: int) -> Counts:
    rejects = tuple(
        Reject(row=offset + place, id=str(getattr(chunk[place], "id", "")), reason=reasons[place])
        for place in sorted(reasons)
    )
    return Counts(
        read=len(chunk),
        stored=stored,
        duplicate=len(chunk) - len(rejects) - stored,
        rejected=len(rejects),
        rejects=rejects,
    )
