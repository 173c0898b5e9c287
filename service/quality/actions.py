"""Note what is odd about data, and look it up."""

from collections.abc import Iterable

from service.quality.model import Finding, Observation, added_up
from service.quality.store import FindingStore
from service.runtime import Runtime


async def note_findings(
    runtime: Runtime, workspace: str, source: str, observations: Iterable[Observation]
) -> None:
    """Count observations of a source; none is written where there are none."""
    found = added_up(observations)
    if found:
        async with runtime.database.write() as session:
            await FindingStore(session, workspace).add(source, found, runtime.now())


async def list_findings(runtime: Runtime, workspace: str, source: str | None = None) -> tuple[Finding, ...]:
    """Return what was noted, by source, the latest first."""
    async with runtime.database.read() as session:
        return await FindingStore(session, workspace).list(source)
