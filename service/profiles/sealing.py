"""Encrypted traits brought to what the settings say now, and the keys that are still needed."""

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Text, cast, delete, exists, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import insert_rows
from service.errors import TraitsLocked
from service.profiles.tables import ProfileRow, TraitKeyRow
from service.runtime import Runtime
from service.vault import Vault, locked

CHUNK_ROWS = 1000
"""Profiles per transaction: writers wait no longer than for so many."""
_REWRITTEN = ""
"""A digest that no content has: whoever stores the profile again, with whatever traits, is stored."""

Progress = Callable[[str, int, int], None]
Place = tuple[str, str]
"""A profile's workspace and id."""


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """What a rotation did."""

    profiles: int
    """Looked at, of all workspaces."""
    rewritten: int
    """Of these, not as the settings say before."""
    key: str | None
    """Fingerprint of the key that encrypts; none where nothing is encrypted."""
    retired: tuple[str, ...]
    """Fingerprints of keys that nothing is encrypted with any more: they may leave the settings."""
    compacted: bool
    """Whether the database file was written anew; False while a reader holds the old state."""


async def check_keys(runtime: Runtime) -> None:
    """Raise TraitsLocked when a key that is in use is not at hand; note the newest one as in use."""
    vault = runtime.vault
    if missing := await missing_keys(runtime):
        raise TraitsLocked(locked(missing))
    if vault.names and vault.newest not in await _used_keys(runtime):
        async with runtime.database.write() as session:
            row = (vault.newest, runtime.now())
            await insert_rows(session, TraitKeyRow, ("fingerprint", "first_used_at"), [row])


async def missing_keys(runtime: Runtime) -> tuple[str, ...]:
    """Return the fingerprints of keys that are in use and that the settings lack."""
    return tuple(each for each in await _used_keys(runtime) if not runtime.vault.holds(each))


async def _used_keys(runtime: Runtime) -> frozenset[str]:
    async with runtime.database.read() as session:
        return frozenset(await session.scalars(select(TraitKeyRow.fingerprint)))


async def rotate_traits(runtime: Runtime, progress: Progress | None = None) -> Rotation:
    """Store every profile's traits as the settings say now, in all workspaces.

    Encrypts what is to be and is not, with the newest key what is with an older one, and decrypts what is no
    longer to be. A chunk is one transaction: a rotation that was killed goes on where it was when it is asked
    for again, since profiles that are as they should be stay untouched. Then keys that nothing is encrypted
    with are retired, and the database file is written anew, so that it holds no old page. Every process must
    have the new keys before. Raises TraitsLocked.
    """
    async with runtime.database.read() as session:
        total = await session.scalar(select(func.count()).select_from(ProfileRow)) or 0
    looked_at = rewritten = 0
    place: Place | None = ("", "")
    while place is not None:
        async with runtime.database.write() as session:
            seen, changed, place = await _rotate_chunk(runtime, session, place)
        looked_at, rewritten = looked_at + seen, rewritten + changed
        if progress is not None:
            progress("profiles", looked_at, max(total, looked_at))
    async with runtime.database.write() as session:
        retired = await _retire(session, runtime.vault)
    return Rotation(
        profiles=looked_at,
        rewritten=rewritten,
        key=runtime.vault.newest if runtime.vault.names else None,
        retired=retired,
        compacted=await runtime.database.compact(),
    )


async def _rotate_chunk(
    runtime: Runtime, session: AsyncSession, after: Place
) -> tuple[int, int, Place | None]:
    """Rewrite the next profiles; return how many were looked at and changed, and the last one's place."""
    key = (ProfileRow.workspace_id, ProfileRow.id)
    query = select(*key, cast(ProfileRow.traits, Text)).where(tuple_(*key) > after)
    rows = (await session.execute(query.order_by(*key).limit(CHUNK_ROWS).with_for_update())).tuples().all()
    due = await runtime.run(_due, runtime.vault, rows)
    if due:
        values = {"digest": _REWRITTEN, "updated_at": runtime.now()}
        await session.execute(update(ProfileRow), [{**each, **values} for each in due])
    last = rows[-1][:2] if len(rows) == CHUNK_ROWS else None
    return len(rows), len(due), last


def _due(vault: Vault, rows: Any) -> list[dict[str, Any]]:
    found = ((workspace, each, msgspec.json.decode(text)) for workspace, each, text in rows)
    return [
        {"workspace_id": workspace, "id": each, "traits": vault.opened(stored)}
        for workspace, each, stored in found
        if vault.is_due(stored)
    ]


async def _retire(session: AsyncSession, vault: Vault) -> tuple[str, ...]:
    """Forget keys that no profile needs, but not one that another process began to write with meanwhile."""
    used = list(await session.scalars(select(TraitKeyRow.fingerprint).order_by(TraitKeyRow.first_used_at)))
    retired: list[str] = []
    for each in used:
        if vault.names and each == vault.newest:
            continue
        needed = exists().where(cast(ProfileRow.traits, Text).contains(each))
        if not await session.scalar(select(needed)):
            await session.execute(delete(TraitKeyRow).where(TraitKeyRow.fingerprint == each))
            retired.append(each)
    return tuple(retired)
