"""Store, read and erase profiles; note consent and suppression."""

from collections.abc import Iterable

from service.counts import Counts
from service.errors import NotFound
from service.ingest import ingest
from service.listing import Page
from service.profiles.model import Consent, Erasure, Profile, Suppression, refusal
from service.profiles.store import ProfileStore
from service.runtime import Runtime


async def upsert_profiles(runtime: Runtime, workspace: str, rows: Iterable[Profile]) -> Counts:
    """Store profiles; the traits of one that is there are replaced as a whole.

    `created_at` stays as it was first stored unless it is given. An erased id is rejected: it does not
    come back. Raises NotFound without the workspace.
    """
    now = runtime.now()
    return await ingest(
        runtime,
        workspace,
        rows,
        refusal,
        lambda session, good: ProfileStore(session, workspace).upsert(good, now),
    )


async def get_profile(runtime: Runtime, workspace: str, profile_id: str) -> Profile:
    """Return one profile; raises NotFound, also for an erased one."""
    async with runtime.database.read() as session:
        profile = await ProfileStore(session, workspace).get(profile_id)
    if profile is None:
        raise NotFound(f"no profile {profile_id!r} in workspace {workspace!r}")
    return profile


async def list_profiles(
    runtime: Runtime, workspace: str, after: str | None = None, limit: int = 50
) -> Page[Profile]:
    """Return a page of profiles in the order of their ids."""
    async with runtime.database.read() as session:
        return await ProfileStore(session, workspace).page(after, limit)


async def erase_profile(runtime: Runtime, workspace: str, profile_id: str) -> Erasure:
    """Erase a profile: from now on no read returns it, and no import brings it back.

    Traits, events, consents and drafts written for it are deleted at once; a tombstone and suppressions
    stay. Erasing again returns the first erasure. Raises NotFound.
    """
    async with runtime.database.write() as session:
        return await ProfileStore(session, workspace).erase(profile_id, runtime.now())


async def erased_profiles(runtime: Runtime, workspace: str, ids: Iterable[str]) -> frozenset[str]:
    """Return which of these ids are erased: what is read from an older snapshot is masked by it."""
    async with runtime.database.read() as session:
        return await ProfileStore(session, workspace).erased_among(ids)


async def set_consent(runtime: Runtime, workspace: str, consent: Consent) -> Consent:
    """Note a profile's word about a channel; an older word than the stored one changes nothing."""
    async with runtime.database.write() as session:
        return await ProfileStore(session, workspace).set_consent(consent)


async def list_consents(runtime: Runtime, workspace: str, profile_id: str) -> tuple[Consent, ...]:
    """Return the profile's consents by channel; raises NotFound."""
    await get_profile(runtime, workspace, profile_id)
    async with runtime.database.read() as session:
        return await ProfileStore(session, workspace).consents(profile_id)


async def suppress(runtime: Runtime, workspace: str, suppression: Suppression) -> None:
    """Keep a profile from being written to; the first reason stands."""
    async with runtime.database.write() as session:
        await ProfileStore(session, workspace).suppress(suppression)


async def suppressed_profiles(
    runtime: Runtime, workspace: str, ids: Iterable[str], channel: str
) -> frozenset[str]:
    """Return which of these ids must not be written to on the channel."""
    async with runtime.database.read() as session:
        return await ProfileStore(session, workspace).suppressed_among(ids, channel)
