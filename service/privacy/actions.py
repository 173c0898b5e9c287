"""Erase somebody here and now, and read the receipts."""

from datetime import datetime

from service.errors import NotFound
from service.listing import Page
from service.privacy.model import Erasure
from service.privacy.store import ErasureStore
from service.privacy.sweeping import sweep_files
from service.profiles.actions import erase_profile
from service.runtime import Runtime
from service.snapshots.actions import build_snapshot

WAIT_SECONDS = 600
"""How long the end of another build is awaited."""


async def erase_now(runtime: Runtime, workspace: str, profile_id: str) -> Erasure:
    """Erase a profile and build a snapshot without it at once, so that no file of ours holds it on return.

    Raises NotFound, and what `build_snapshot` raises: the profile is erased then, and its files follow with
    the next snapshot.
    """
    erasure = await erase_profile(runtime, workspace, profile_id)
    if erasure.completed_at is None and await sweep_files(runtime, workspace):
        await build_snapshot(runtime, workspace, wait_seconds=WAIT_SECONDS)
    return await get_erasure(runtime, workspace, erasure.id)


async def get_erasure(runtime: Runtime, workspace: str, erasure_id: str) -> Erasure:
    """Return one receipt; raises NotFound."""
    async with runtime.database.read() as session:
        found = await ErasureStore(session, workspace).get(erasure_id)
    if found is None:
        raise NotFound(f"no erasure {erasure_id[:80]!r} in workspace {workspace!r}: list them without an id")
    return found


async def list_erasures(
    runtime: Runtime,
    workspace: str,
    *,
    after: tuple[datetime, str] | None = None,
    limit: int = 50,
    profile_id: str | None = None,
) -> Page[Erasure]:
    """Return a page of receipts, oldest first; with `profile_id` the one of that profile, or none."""
    async with runtime.database.read() as session:
        store = ErasureStore(session, workspace)
        if profile_id is None:
            return await store.page(after, limit)
        found = await store.find(profile_id)
    return Page(rows=() if found is None else (found,))
