"""Note what is odd about data, and look it up."""

from collections.abc import Iterable

import msgspec

from service.quality.model import Finding, Observation, added_up
from service.quality.store import FindingStore, inspect_store
from service.runtime import Runtime
from service.workspaces.store import WorkspaceStore

STORE = "store"
"""The source that what lies in the store now is reported under."""


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


async def check_data(runtime: Runtime, workspace: str, source: str | None = None) -> tuple[Finding, ...]:
    """Return what is odd in the store now, and what was noted of every source; raises NotFound."""
    now = runtime.now()
    async with runtime.database.read() as session:
        await WorkspaceStore(session, workspace).get()
        noted = await FindingStore(session, workspace).list(source)
        found = await inspect_store(session, workspace) if source in {None, STORE} else []
    stored = [
        Finding(source=STORE, first_at=now, last_at=now, **msgspec.structs.asdict(one))
        for one in added_up(found)
    ]
    return (*stored, *noted)
