"""Store, read and erase profiles."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from service.counts import Counts
from service.errors import NotFound
from service.ingest import ingest
from service.listing import COMMIT_LAG, Part, Place
from service.privacy.leftovers import blank_rejects
from service.privacy.model import Erasure, Removed
from service.privacy.store import ErasureStore
from service.privacy.subjects import ids_of
from service.profiles.model import Profile, refusal
from service.profiles.store import ProfileStore
from service.runtime import Runtime


async def upsert_profiles(runtime: Runtime, workspace: str, rows: Iterable[Profile]) -> Counts:
    """Store profiles; the traits of one that is there are replaced as a whole.

    `created_at` stays as it was first stored unless it is given. An erased id is rejected: it does not
    come back. Raises NotFound without the workspace.
    """
    return await ingest(
        runtime,
        workspace,
        rows,
        refusal,
        lambda session, good: ProfileStore(session, workspace).upsert(good, runtime.now()),
    )


async def get_profile(runtime: Runtime, workspace: str, profile_id: str) -> Profile:
    """Return one profile; raises NotFound, also for an erased one."""
    async with runtime.database.read() as session:
        profile = await ProfileStore(session, workspace).get(profile_id)
    if profile is None:
        raise NotFound(f"no profile {profile_id!r} in workspace {workspace!r}")
    return profile


async def list_profiles(
    runtime: Runtime,
    workspace: str,
    after: Place | None = None,
    limit: int = 50,
    *,
    updated_since: datetime | None = None,
) -> Part[Profile]:
    """Return a page of profiles in the order of their ids.

    With `updated_since` those stored or changed then or later, in that order. Raises InvalidInput.
    """
    async with runtime.database.read() as session:
        return await ProfileStore(session, workspace).page(after, limit, updated_since=updated_since)


async def erase_profile(runtime: Runtime, workspace: str, profile_id: str) -> Erasure:
    """Erase a profile and all merged into it: from now on no read returns them, no import brings them back.

    Everything about it in the store is deleted at once, and blanked in what imports set aside on this
    machine; the next snapshot no longer holds it, and then the older ones go too. What stays is the receipt.
    Erasing again returns the first receipt. Raises NotFound.
    """
    async with runtime.database.read() as session:
        ids = await ids_of(session, workspace, profile_id)
        if not ids:
            known = await ErasureStore(session, workspace).find(profile_id)
            if known is None:
                raise NotFound(f"no profile {profile_id!r} in workspace {workspace!r}")
            return known
    # First, while the ids are at hand: after a failure the whole erasure can be asked for again.
    imports = Path(runtime.settings.data_dir) / "imports" / workspace
    blanked = sum([await runtime.run(blank_rejects, imports, each) for each in ids])
    removed = [Removed(where="files.import_rejects", count=blanked)] if blanked else []
    async with runtime.database.write() as session:
        return await ErasureStore(session, workspace).erase(profile_id, runtime.now(), removed)


async def erased_profiles(
    runtime: Runtime, workspace: str, ids: Iterable[str], *, since: datetime | None = None
) -> frozenset[str]:
    """Return which of these ids are erased: what is read from an older snapshot is masked by it.

    `since`: when the snapshot the ids are from was built. Only later erasures can be in it, so that most
    often nothing needs to be looked up.
    """
    async with runtime.database.read() as session:
        store = ErasureStore(session, workspace)
        if since is None:
            return await store.erased_among(frozenset(ids))
        erased = await store.since(since - COMMIT_LAG)
    return frozenset[str]() if erased is None else await runtime.run(erased.among, ids)
