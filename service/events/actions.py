"""Record and read events."""

from collections.abc import Iterable

from service.counts import Counts
from service.events.model import Event, refusal
from service.events.store import EventStore
from service.ingest import ingest
from service.runtime import Runtime


async def record_events(runtime: Runtime, workspace: str, rows: Iterable[Event]) -> Counts:
    """Record events; one whose id is there counts as a duplicate and changes nothing.

    An unknown profile is made, bare. Rejected, with the value quoted: an unknown item, an erased
    profile, a time more than a day ahead, a number that is not finite. Raises NotFound without the
    workspace. Any iterable will do: it is read in chunks, each its own transaction.
    """
    now = runtime.now()
    return await ingest(
        runtime,
        workspace,
        rows,
        lambda event: refusal(event, now),
        lambda session, good: EventStore(session, workspace).record(good, runtime.now()),
    )


async def newest_events(
    runtime: Runtime, workspace: str, profile_id: str, limit: int = 200
) -> tuple[Event, ...]:
    """Return a profile's newest events, newest first; none for an unknown or erased profile."""
    async with runtime.database.read() as session:
        return await EventStore(session, workspace).newest(profile_id, limit)


async def count_events(runtime: Runtime, workspace: str) -> int:
    """Return how many events the workspace holds."""
    async with runtime.database.read() as session:
        return await EventStore(session, workspace).count()
