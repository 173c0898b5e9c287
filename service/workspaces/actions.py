"""Make and change workspaces; make, check, list and revoke their keys."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import get_args
from uuid import uuid4

from prompts.brand import Brand, version
from service.errors import Conflict, InvalidInput, NotFound, PreconditionFailed, Unauthenticated
from service.runtime import Runtime
from service.security import matches, new_key, split_key
from service.workspaces.model import (
    ANALYST,
    ApiKey,
    CreatedKey,
    Scope,
    Workspace,
    WorkspacePatch,
    changed,
    checked,
    opens,
)
from service.workspaces.store import KeyStore, WorkspaceStore, find_key, list_workspaces

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")
USE_IS_NOTED_AFTER = timedelta(minutes=1)


async def create_workspace(
    runtime: Runtime, workspace: str, patch: WorkspacePatch | None = None
) -> Workspace:
    """Create a workspace; raises InvalidInput for a bad name or setting, Conflict when it exists."""
    if not NAME.match(workspace):
        raise InvalidInput(
            f"workspace {workspace!r} is no name: use 1 to 63 of a-z, 0-9, - and _, a letter or digit first"
        )
    fresh = Workspace(id=workspace, name=workspace, created_at=runtime.now())
    value = checked(changed(fresh, patch or WorkspacePatch()))
    async with runtime.database.write() as session:
        if not await WorkspaceStore(session, workspace).add(value):
            raise Conflict(f"workspace {workspace!r} exists already")
    return value


async def ensure_workspace(runtime: Runtime, workspace: str) -> Workspace:
    """Return the workspace, made with defaults when it does not exist."""
    try:
        return await get_workspace(runtime, workspace)
    except NotFound:
        pass
    try:
        return await create_workspace(runtime, workspace)
    except Conflict:  # another process made it in between
        return await get_workspace(runtime, workspace)


async def get_workspace(runtime: Runtime, workspace: str) -> Workspace:
    """Return the workspace; raises NotFound."""
    async with runtime.database.look() as session:
        return await WorkspaceStore(session, workspace).get()


async def list_all_workspaces(runtime: Runtime) -> tuple[Workspace, ...]:
    """Return every workspace, by id."""
    async with runtime.database.read() as session:
        return await list_workspaces(session)


async def set_workspace(runtime: Runtime, workspace: str, patch: WorkspacePatch) -> Workspace:
    """Change settings of a workspace; raises NotFound and InvalidInput (bad zone, time, weight, currency)."""
    async with runtime.database.write() as session:
        store = WorkspaceStore(session, workspace)
        value = checked(changed(await store.get(), patch))
        await store.replace(value)
    return value


async def get_brand(runtime: Runtime, workspace: str) -> Brand:
    """Return the workspace's brand; raises NotFound."""
    return (await get_workspace(runtime, workspace)).brand


async def set_brand(runtime: Runtime, workspace: str, brand: Brand, expected: str | None = None) -> Brand:
    """Replace the workspace's brand, only when it is still the `expected` version where one is given.

    Raises NotFound, PreconditionFailed, and `prompts.errors.BriefError` for a brand no copy could follow.
    """
    async with runtime.database.write() as session:
        store = WorkspaceStore(session, workspace)
        stored = await store.get()
        if expected is not None and version(stored.brand) != expected:
            raise PreconditionFailed(
                f"the brand is no longer {expected[:80]!r} but {version(stored.brand)!r}: get it, make the "
                "change again, and send its ETag"
            )
        await store.replace(checked(changed(stored, WorkspacePatch(brand=brand))))
    return brand


async def create_key(
    runtime: Runtime,
    workspace: str,
    name: str,
    scopes: Sequence[Scope],
    *,
    lifetime: timedelta | None = None,
) -> CreatedKey:
    """Make an API key; its text is in the answer and nowhere else, ever after. It ends after its lifetime.

    Raises InvalidInput for no or unknown scopes, `analyst` beside another, and a lifetime that is over at
    once; NotFound.
    """
    unknown = [scope for scope in scopes if scope not in get_args(Scope)]
    if unknown or not scopes:
        given = ", ".join(map(repr, unknown)) if unknown else "none"
        raise InvalidInput(f"scopes given: {given}; a key needs one or more of {', '.join(get_args(Scope))}")
    if ANALYST in scopes and len(set(scopes)) > 1:
        raise InvalidInput(f"scope {ANALYST} stands alone: another scope would tell whose the pseudonyms are")
    if lifetime is not None and lifetime <= timedelta(0):
        raise InvalidInput(f"a key cannot last {lifetime}: give it some time")
    fresh, now = new_key(), runtime.now()
    key = ApiKey(
        id=uuid4().hex,
        workspace=workspace,
        name=name,
        prefix=fresh.prefix,
        scopes=tuple(sorted(set(scopes))),
        created_at=now,
        expires_at=None if lifetime is None else now + lifetime,
    )
    async with runtime.database.write() as session:
        await WorkspaceStore(session, workspace).get()
        await KeyStore(session, workspace).add(key, fresh.secret_sha256)
    return CreatedKey(key=key, text=fresh.text)


async def list_keys(runtime: Runtime, workspace: str) -> tuple[ApiKey, ...]:
    """Return the workspace's keys, oldest first, revoked ones included."""
    async with runtime.database.read() as session:
        return await KeyStore(session, workspace).list()


async def rotate_key(
    runtime: Runtime, workspace: str, prefix_or_id: str, *, overlap: timedelta = timedelta(days=1)
) -> CreatedKey:
    """Make a key that does what another does, which itself ends after `overlap`; both open until then.

    The new one lasts as long as the other was made for. Raises NotFound, Conflict for a key that opens
    nothing any more.
    """
    now = runtime.now()
    async with runtime.database.write() as session:
        old = await KeyStore(session, workspace).expire(prefix_or_id, now + max(overlap, timedelta(0)))
        if not opens(old, now):
            raise Conflict(f"API key pw_{old.prefix}_... opens nothing any more: make a new one")
        made_for = None if old.expires_at is None else old.expires_at - old.created_at
    return await create_key(runtime, workspace, old.name, old.scopes, lifetime=made_for)


async def revoke_key(runtime: Runtime, workspace: str, prefix_or_id: str) -> ApiKey:
    """Revoke a key for good; doing so again changes nothing. Raises NotFound."""
    async with runtime.database.write() as session:
        return await KeyStore(session, workspace).revoke(prefix_or_id, runtime.now())


async def verify_key(runtime: Runtime, text: str) -> ApiKey:
    """Return the key whose text this is, and its workspace with it; raises Unauthenticated.

    Unknown, revoked, expired and wrong keys get the same answer. Use is noted once a minute.
    """
    prefix, secret = split_key(text)
    async with runtime.database.look() as session:
        found = await find_key(session, prefix)
    key, stored = found or (None, None)
    now = runtime.now()
    if not matches(secret, stored) or key is None or not opens(key, now):
        raise Unauthenticated(
            f"API key pw_{prefix}_... is unknown or revoked, or has expired: make one with `pitchwright keys "
            "create`"
        )
    if key.last_used_at is None or now - key.last_used_at >= USE_IS_NOTED_AFTER:
        async with runtime.database.write() as session:
            await KeyStore(session, key.workspace).note_use(key.id, now)
    return key
