"""Workspaces, keys and remembered answers: rows to values and back."""

import secrets
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, bindparam, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import insert_rows
from service.errors import KeyReused, NotFound, RequestInProgress
from service.workspaces.model import ApiKey, Remembered, Workspace
from service.workspaces.tables import ApiKeyRow, IdempotencyKeyRow, PseudonymKeyRow, WorkspaceRow

PSEUDONYM_KEY_BYTES = 32
_KEY = select(ApiKeyRow).where(ApiKeyRow.prefix == bindparam("prefix"))
_WORKSPACE = select(WorkspaceRow).where(WorkspaceRow.id == bindparam("workspace"))
"""Written once: every request asks."""


class WorkspaceStore:
    """One workspace's own row."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace

    async def get(self) -> Workspace:
        """Return the workspace; raises NotFound."""
        row = await self._session.scalar(_WORKSPACE, {"workspace": self._workspace})
        if row is None:
            raise NotFound(
                f"no workspace {self._workspace!r}: `pitchwright import` makes one, "
                "or check PITCHWRIGHT_WORKSPACE"
            )
        return _workspace(row)

    async def add(self, workspace: Workspace) -> bool:
        """Store a new workspace, with a key for pseudonyms; False when its id is taken."""
        values = _columns(workspace)
        if not await insert_rows(self._session, WorkspaceRow, list(values), [tuple(values.values())]):
            return False
        secret = secrets.token_bytes(PSEUDONYM_KEY_BYTES)
        await self._session.execute(
            insert(PseudonymKeyRow).values(workspace_id=self._workspace, secret=secret)
        )
        return True

    async def replace(self, workspace: Workspace) -> None:
        """Store changed settings."""
        values = _columns(workspace)
        await self._session.execute(
            update(WorkspaceRow).where(WorkspaceRow.id == self._workspace).values(**values)
        )


async def list_workspaces(session: AsyncSession) -> tuple[Workspace, ...]:
    """Return every workspace, by id."""
    rows = await session.scalars(select(WorkspaceRow).order_by(WorkspaceRow.id))
    return tuple(_workspace(row) for row in rows)


class KeyStore:
    """One workspace's API keys."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace

    async def add(self, key: ApiKey, secret_sha256: str) -> None:
        """Store a key with its secret's digest."""
        await self._session.execute(
            insert(ApiKeyRow).values(
                workspace_id=self._workspace,
                id=key.id,
                name=key.name,
                prefix=key.prefix,
                secret_sha256=secret_sha256,
                scopes=list(key.scopes),
                created_at=key.created_at,
                expires_at=key.expires_at,
            )
        )

    async def list(self) -> tuple[ApiKey, ...]:
        """Return all keys, oldest first."""
        query = select(ApiKeyRow).where(ApiKeyRow.workspace_id == self._workspace)
        rows = await self._session.scalars(query.order_by(ApiKeyRow.created_at, ApiKeyRow.id))
        return tuple(_key(row) for row in rows)

    async def revoke(self, prefix_or_id: str, now: datetime) -> ApiKey:
        """Revoke a key; raises NotFound."""
        row = await self._row(prefix_or_id)
        row.revoked_at = row.revoked_at or now
        return _key(row)

    async def expire(self, prefix_or_id: str, at: datetime) -> ApiKey:
        """Let a key end at a moment, unless it ends earlier; returns it as it was. Raises NotFound."""
        row = await self._row(prefix_or_id)
        before = _key(row)
        row.expires_at = at if row.expires_at is None else min(row.expires_at, at)
        return before

    async def _row(self, prefix_or_id: str) -> ApiKeyRow:
        prefix = prefix_or_id.removeprefix("pw_")
        row = await self._session.scalar(
            select(ApiKeyRow).where(
                ApiKeyRow.workspace_id == self._workspace,
                or_(ApiKeyRow.id == prefix_or_id, ApiKeyRow.prefix == prefix),
            )
        )
        if row is None:
            raise NotFound(
                f"no API key {prefix_or_id[:40]!r} in workspace {self._workspace!r}: "
                "see `pitchwright keys list`"
            )
        return row

    async def note_use(self, key_id: str, now: datetime) -> None:
        """Remember when the key was last used."""
        await self._session.execute(
            update(ApiKeyRow)
            .where(ApiKeyRow.workspace_id == self._workspace, ApiKeyRow.id == key_id)
            .values(last_used_at=now)
        )


async def find_key(session: AsyncSession, prefix: str) -> tuple[ApiKey, str] | None:
    """Return the key of that prefix, in whatever workspace, with its secret's digest."""
    row = await session.scalar(_KEY, {"prefix": prefix})
    return None if row is None else (_key(row), row.secret_sha256)


class IdempotencyStore:
    """What requests with an idempotency key were answered."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace

    async def begin(
        self, key: str, fingerprint: str, now: datetime, time_to_live: timedelta = timedelta(days=1)
    ) -> Remembered | None:
        """Claim a key, or return what it was answered.

        Raises KeyReused for another fingerprint, RequestInProgress while the first request runs. Claims
        and answers past their time are forgotten first.
        """
        await self._session.execute(
            delete(IdempotencyKeyRow).where(self._mine(), IdempotencyKeyRow.expires_at <= now)
        )
        columns = (
            "workspace_id",
            "key",
            "fingerprint",
            "status",
            "headers",
            "body",
            "created_at",
            "expires_at",
        )
        headers: dict[str, str] = {}
        row = (self._workspace, key, fingerprint, None, headers, b"", now, now + time_to_live)
        if await insert_rows(self._session, IdempotencyKeyRow, columns, [row]):
            return None
        known = await self._session.scalar(
            select(IdempotencyKeyRow).where(self._mine(), IdempotencyKeyRow.key == key)
        )
        if known is None:
            raise RequestInProgress(f"Idempotency-Key {key!r} was forgotten just now: send the request again")
        if known.fingerprint != fingerprint:
            raise KeyReused(
                f"Idempotency-Key {key!r} was used for another request: use a new key for a new request"
            )
        if known.status is None:
            raise RequestInProgress(
                f"the request with Idempotency-Key {key!r} is still running: ask again in a moment"
            )
        return Remembered(status=known.status, headers=known.headers, body=known.body)

    async def finish(self, key: str, answer: Remembered, until: datetime | None = None) -> None:
        """Remember the answer, until that moment when one is given, else as long as it was claimed for."""
        lasts = {} if until is None else {"expires_at": until}
        await self._session.execute(
            update(IdempotencyKeyRow)
            .where(self._mine(), IdempotencyKeyRow.key == key)
            .values(status=answer.status, headers=answer.headers, body=answer.body, **lasts)
        )

    async def forget(self, key: str) -> None:
        """Let go of a claim whose request failed, so that it can be tried again."""
        await self._session.execute(
            delete(IdempotencyKeyRow).where(
                self._mine(), IdempotencyKeyRow.key == key, IdempotencyKeyRow.status.is_(None)
            )
        )

    def _mine(self) -> ColumnElement[bool]:
        return IdempotencyKeyRow.workspace_id == self._workspace


def _workspace(row: WorkspaceRow) -> Workspace:
    values = {name: getattr(row, name) for name in Workspace.__struct_fields__}
    return msgspec.convert(values, Workspace)


def _columns(workspace: Workspace) -> dict[str, Any]:
    built = {name: msgspec.to_builtins(getattr(workspace, name)) for name in ("brand", "contact")}
    return {**msgspec.structs.asdict(workspace), **built}


def _key(row: ApiKeyRow) -> ApiKey:
    values = {name: getattr(row, name) for name in ApiKey.__struct_fields__ if name != "workspace"}
    return msgspec.convert({**values, "workspace": row.workspace_id}, ApiKey)
