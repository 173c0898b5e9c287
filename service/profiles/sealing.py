"""Encrypted traits and secrets brought to what the settings say now, and the keys that are still needed."""

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import (
    Text,
    cast,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import insert_rows
from service.errors import TraitsLocked
from service.profiles.tables import ProfileRow, TraitKeyRow
from service.runtime import Runtime
from service.vault import SEAL, Vault, locked
from service.webhooks.model import MARK
from service.webhooks.tables import WebhookRow
from service.workspaces.tables import IdempotencyKeyRow, answer_holds

CHUNK_ROWS = 1000
"""Profiles per transaction: writers wait no longer than for so many."""
_IN_PLAIN = b'"secret":"' + MARK.encode()
"""In an answer that tells a webhook's secret; no text in a string, where quotes are escaped."""
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
    secrets: int
    """Secrets of webhooks, and remembered answers with one, that were not under the newest key."""
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
            await note_key(session, runtime)


async def note_key(session: AsyncSession, runtime: Runtime) -> None:
    """Note, in the transaction that seals something, that the newest key is in use; nothing without keys."""
    if (newest := runtime.vault.newest) is not None:
        row = (newest, runtime.now())
        await insert_rows(session, TraitKeyRow, ("fingerprint", "first_used_at"), [row])


async def missing_keys(runtime: Runtime) -> tuple[str, ...]:
    """Return the fingerprints of keys that are in use and that the settings lack."""
    return tuple(each for each in await _used_keys(runtime) if not runtime.vault.holds(each))


async def _used_keys(runtime: Runtime) -> frozenset[str]:
    async with runtime.database.read() as session:
        return frozenset(await session.scalars(select(TraitKeyRow.fingerprint)))


async def rotate_traits(runtime: Runtime, progress: Progress | None = None) -> Rotation:
    """Store every profile's traits, and the secrets of webhooks, as the settings say now, in all workspaces.

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
        secrets = await _rotate_secrets(session, runtime)
    async with runtime.database.write() as session:
        retired = await _retire(session, runtime.vault)
        in_use = frozenset(await session.scalars(select(TraitKeyRow.fingerprint)))
    return Rotation(
        profiles=looked_at,
        rewritten=rewritten,
        secrets=secrets,
        key=runtime.vault.newest if runtime.vault.newest in in_use else None,
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


async def _rotate_secrets(session: AsyncSession, runtime: Runtime) -> int:
    """Seal secrets of webhooks, and remembered answers with one, under the newest key; return how many."""
    vault, changed = runtime.vault, 0
    key = (WebhookRow.workspace_id, WebhookRow.id)
    both = (type_coerce(WebhookRow.secret, Text), type_coerce(WebhookRow.former_secret, Text))
    for workspace, each, *stored in await session.execute(select(*key, *both).with_for_update()):
        if any(text is not None and vault.is_text_due(text) for text in stored):
            secret, former = (None if text is None else vault.opened_text(text) for text in stored)
            row = update(WebhookRow).where(WebhookRow.workspace_id == workspace, WebhookRow.id == each)
            await session.execute(row.values(secret=secret, former_secret=former))
            changed += 1
    dialect = session.get_bind().dialect.name
    confidential = or_(answer_holds(SEAL.encode(), dialect), answer_holds(_IN_PLAIN, dialect))
    for answer in await session.scalars(select(IdempotencyKeyRow).where(confidential)):
        holds_one = answer.body.startswith(SEAL.encode()) or _IN_PLAIN in answer.body
        if holds_one and vault.is_text_due(answer.body.decode()):
            answer.body = vault.sealed_body(vault.opened_body(answer.body))
            changed += 1
    if changed:
        await note_key(session, runtime)
    return changed


async def _retire(session: AsyncSession, vault: Vault) -> tuple[str, ...]:
    """Forget keys that nothing needs, but not one that another process began to write with meanwhile."""
    used = list(await session.scalars(select(TraitKeyRow.fingerprint).order_by(TraitKeyRow.first_used_at)))
    retired: list[str] = []
    for each in used:
        if vault.names and each == vault.newest:
            continue
        secrets = (type_coerce(WebhookRow.secret, Text), type_coerce(WebhookRow.former_secret, Text))
        answers = answer_holds(f"{SEAL}{each}".encode(), session.get_bind().dialect.name)
        needed = or_(
            exists().where(cast(ProfileRow.traits, Text).contains(each)),
            exists().where(or_(*(secret.contains(f"{SEAL}{each}") for secret in secrets))),
            exists().where(answers),
        )
        if not await session.scalar(select(needed)):
            await session.execute(delete(TraitKeyRow).where(TraitKeyRow.fingerprint == each))
            retired.append(each)
    return tuple(retired)
