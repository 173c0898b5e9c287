"""Webhooks and deliveries: rows to values and back."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast
from uuid import uuid4

import msgspec
from sqlalchemy import ColumnElement, CursorResult, and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import insert_rows
from service.errors import NotFound
from service.webhooks.model import (
    KEPT,
    Delivery,
    Due,
    Event,
    Outcome,
    Status,
    Webhook,
    pause_after,
    wants,
)
from service.webhooks.tables import DeliveryRow, ToldRow, WebhookRow

LEASE = timedelta(minutes=10)
"""A delivery whose sender died is due again after so long; more than any try may take."""


class WebhookStore:
    """One workspace's webhooks, and up to which snapshot they know of segments."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace

    async def add(self, webhook: Webhook, secret: str) -> None:
        """Store a new webhook."""
        values = msgspec.structs.asdict(webhook) | {"secret": secret}
        await self._session.execute(
            insert(WebhookRow).values(workspace_id=self._workspace, **_listed(values))
        )

    async def count(self) -> int:
        """Count the webhooks."""
        return (
            await self._session.scalar(select(func.count()).select_from(WebhookRow).where(self._mine())) or 0
        )

    async def get(self, webhook_id: str) -> Webhook:
        """Return one webhook; raises NotFound."""
        return _webhook(await self._row(webhook_id))

    async def all(self, *, after: str = "", limit: int | None = None) -> tuple[Webhook, ...]:
        """Return webhooks by id, those after `after`."""
        query = select(WebhookRow).where(self._mine(), WebhookRow.id > after).order_by(WebhookRow.id)
        return tuple(_webhook(row) for row in await self._session.scalars(query.limit(limit)))

    async def change(self, webhook_id: str, **values: Any) -> Webhook:
        """Set some columns; raises NotFound."""
        row = await self._row(webhook_id, lock=True)
        for name, value in _listed(values).items():
            setattr(row, name, value)
        await self._session.flush()
        return _webhook(row)

    async def rotate(self, webhook_id: str, secret: str, now: datetime, overlap: timedelta) -> Webhook:
        """Put another secret in use; the one before signs as well until the overlap is over."""
        former = (await self._row(webhook_id, lock=True)).secret
        values = {"secret": secret, "former_secret": former, "former_secret_until": now + overlap}
        return await self.change(webhook_id, **values, updated_at=now)

    async def delete(self, webhook_id: str) -> None:
        """Delete a webhook and its deliveries; raises NotFound."""
        await self._row(webhook_id, lock=True)  # whoever tells it of something now waits, and finds it gone
        for table, column in ((DeliveryRow, DeliveryRow.webhook_id), (WebhookRow, WebhookRow.id)):
            await self._session.execute(
                delete(table).where(table.workspace_id == self._workspace, column == webhook_id)
            )

    async def told_up_to(self) -> str | None:
        """Return the snapshot up to which webhooks know of segments."""
        return await self._session.scalar(
            select(ToldRow.snapshot).where(ToldRow.workspace_id == self._workspace)
        )

    async def advance(self, told: str | None, snapshot: str) -> bool:
        """Move on to a newer snapshot, once: False when another process has been there."""
        if told is None:
            row = (self._workspace, snapshot)
            return await insert_rows(self._session, ToldRow, ("workspace_id", "snapshot"), [row]) == 1
        moved = await self._session.execute(
            update(ToldRow)
            .where(ToldRow.workspace_id == self._workspace, ToldRow.snapshot == told)
            .values(snapshot=snapshot)
        )
        return cast("CursorResult[Any]", moved).rowcount == 1

    async def _row(self, webhook_id: str, *, lock: bool = False) -> WebhookRow:
        query = select(WebhookRow).where(self._mine(), WebhookRow.id == webhook_id)
        row = await self._session.scalar(query.with_for_update() if lock else query)
        if row is None:
            raise NotFound(f"no webhook {webhook_id!r} in workspace {self._workspace!r}")
        return row

    def _mine(self) -> ColumnElement[bool]:
        return WebhookRow.workspace_id == self._workspace


class DeliveryStore:
    """What is on its way to one workspace's webhooks, and what became of it."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace

    async def tell(self, event: Event, now: datetime) -> int:
        """Put an event on its way to every webhook that wants it; returns to how many.

        In the transaction of what it tells of: both are there, or neither.
        """
        # No webhook is deleted until this transaction ends; changes to its other columns do not wait.
        mine = select(WebhookRow).where(WebhookRow.workspace_id == self._workspace, WebhookRow.active)
        rows = await self._session.scalars(mine.with_for_update(read=True, key_share=True))
        wanting = [row.id for row in rows if wants(_webhook(row), event)]
        for webhook_id in wanting:
            await self.add(webhook_id, event.type, event.body(), now)
        return len(wanting)

    async def add(self, webhook_id: str, event_type: str, body: str, now: datetime) -> str:
        """Put one delivery on its way and return its id."""
        delivery_id = f"msg_{uuid4().hex}"
        await self._session.execute(
            insert(DeliveryRow).values(
                workspace_id=self._workspace,
                id=delivery_id,
                webhook_id=webhook_id,
                type=event_type,
                body=body,
                status="pending",
                attempts=0,
                next_attempt_at=now,
                created_at=now,
            )
        )
        return delivery_id

    async def get(self, webhook_id: str, delivery_id: str) -> Delivery:
        """Return one delivery; raises NotFound."""
        query = select(DeliveryRow).where(self._of(webhook_id), DeliveryRow.id == delivery_id)
        row = await self._session.scalar(query)
        if row is None:
            raise NotFound(f"no delivery {delivery_id!r} to webhook {webhook_id!r}")
        return _delivery(row)

    async def page(
        self, webhook_id: str, after: tuple[datetime, str] | None, limit: int, status: Status | None = None
    ) -> tuple[Delivery, ...]:
        """Return up to `limit` deliveries, the newest first."""
        query = select(DeliveryRow).where(self._of(webhook_id))
        if status is not None:
            query = query.where(DeliveryRow.status == status)
        if after is not None:
            moment, last = after
            same = and_(DeliveryRow.created_at == moment, DeliveryRow.id < last)
            query = query.where(or_(DeliveryRow.created_at < moment, same))
        ordered = query.order_by(DeliveryRow.created_at.desc(), DeliveryRow.id.desc()).limit(limit)
        return tuple(_delivery(row) for row in await self._session.scalars(ordered))

    async def replay(
        self,
        webhook_id: str,
        now: datetime,
        *,
        delivery_id: str | None = None,
        since: datetime | None = None,
        statuses: Collection[Status] = ("dead", "delivered"),
    ) -> int:
        """Put deliveries that have ended on their way again, under their ids; returns how many."""
        ended = update(DeliveryRow).where(self._of(webhook_id), DeliveryRow.status.in_(statuses))
        if delivery_id is not None:
            ended = ended.where(DeliveryRow.id == delivery_id)
        if since is not None:
            ended = ended.where(DeliveryRow.created_at >= since)
        again = {"status": "pending", "attempts": 0, "next_attempt_at": now, "ended_at": None}
        return cast("CursorResult[Any]", await self._session.execute(ended.values(**again))).rowcount

    async def claim(self, webhook_id: str, now: datetime) -> Due | None:
        """Take the delivery that has been due for longest, for `LEASE`: nobody else gets it meanwhile."""
        due = (self._of(webhook_id), DeliveryRow.status == "pending", DeliveryRow.next_attempt_at <= now)
        query = select(DeliveryRow).where(*due)
        query = query.order_by(DeliveryRow.next_attempt_at, DeliveryRow.created_at, DeliveryRow.id)
        row = await self._session.scalar(query.limit(1).with_for_update(skip_locked=True))
        webhook = await self._session.get(WebhookRow, (self._workspace, webhook_id))
        if row is None or webhook is None or not webhook.active:
            return None
        row.attempts += 1
        row.next_attempt_at = now + LEASE
        secrets = [webhook.secret]
        if webhook.former_secret and webhook.former_secret_until and now < webhook.former_secret_until:
            secrets.append(webhook.former_secret)
        return Due(
            id=row.id,
            attempt=row.attempts,
            url=webhook.url,
            body=row.body.encode(),
            secrets=tuple(secrets),
        )

    async def record(
        self, webhook_id: str, due: Due, outcome: Outcome, now: datetime, chance: float
    ) -> Status:
        """Note how a try went, and what comes next; a receiver that is gone is told of nothing more.

        What has been replayed or tried by another process since stays as that left it.
        """
        if outcome.gone:
            gone = {"active": False, "disabled_because": outcome.error, "updated_at": now}
            mine = and_(WebhookRow.workspace_id == self._workspace, WebhookRow.id == webhook_id)
            await self._session.execute(update(WebhookRow).where(mine).values(**gone))
        pause = None
        if outcome.error is not None and not outcome.gone:
            pause = pause_after(due.attempt, chance, outcome.retry_after_seconds)
        status: Status = "delivered" if outcome.error is None else "dead" if pause is None else "pending"
        still = and_(DeliveryRow.status == "pending", DeliveryRow.attempts == due.attempt)
        await self._session.execute(
            update(DeliveryRow)
            .where(self._of(webhook_id), DeliveryRow.id == due.id, still)
            .values(
                status=status,
                next_attempt_at=None if pause is None else now + pause,
                ended_at=now if pause is None else None,
                last_status=outcome.status,
                last_error=outcome.error,
            )
        )
        return status

    async def hand_back(self, webhook_id: str, due: Due, now: datetime) -> None:
        """Make a claimed delivery due at once, as if it had not been tried; the receiver may have got it."""
        still = and_(DeliveryRow.status == "pending", DeliveryRow.attempts == due.attempt)
        mine = update(DeliveryRow).where(self._of(webhook_id), DeliveryRow.id == due.id, still)
        await self._session.execute(mine.values(next_attempt_at=now, attempts=due.attempt - 1))

    def _of(self, webhook_id: str) -> ColumnElement[bool]:
        return and_(DeliveryRow.workspace_id == self._workspace, DeliveryRow.webhook_id == webhook_id)


async def due_webhooks(session: AsyncSession, now: datetime) -> tuple[tuple[str, str], ...]:
    """Return the (workspace, webhook) pairs of all workspaces for which something is due."""
    theirs = and_(
        WebhookRow.workspace_id == DeliveryRow.workspace_id, WebhookRow.id == DeliveryRow.webhook_id
    )
    query = (
        select(DeliveryRow.workspace_id, DeliveryRow.webhook_id)
        .join(WebhookRow, theirs)
        .where(DeliveryRow.status == "pending", DeliveryRow.next_attempt_at <= now, WebhookRow.active)
        .distinct()
    )
    return tuple((await session.execute(query)).tuples())


class Backlog(NamedTuple):
    """Deliveries of all workspaces that did not arrive, yet or at all."""

    pending: int
    dead: int
    overdue_seconds: float


async def backlog(session: AsyncSession, now: datetime) -> Backlog:
    """Count what did not arrive, and say how long the oldest of it has been due."""

    async def count(status: Status) -> int:
        query = select(func.count()).select_from(DeliveryRow).where(DeliveryRow.status == status)
        return await session.scalar(query) or 0

    oldest = select(func.min(DeliveryRow.next_attempt_at)).where(DeliveryRow.status == "pending")
    due = await session.scalar(oldest)
    overdue = 0.0 if due is None else max((now - due).total_seconds(), 0.0)
    return Backlog(await count("pending"), await count("dead"), overdue)


async def delete_old(session: AsyncSession, now: datetime) -> int:
    """Delete the deliveries of all workspaces that were kept for long enough; returns how many."""
    result = await session.execute(delete(DeliveryRow).where(DeliveryRow.created_at < now - KEPT))
    return cast("CursorResult[Any]", result).rowcount


def _listed(values: dict[str, Any]) -> dict[str, Any]:
    """Columns of JSON hold lists, values hold tuples."""
    return {
        name: list(cast("tuple[str, ...]", value)) if isinstance(value, tuple) else value
        for name, value in values.items()
    }


def _webhook(row: WebhookRow) -> Webhook:
    return msgspec.convert({name: getattr(row, name) for name in Webhook.__struct_fields__}, Webhook)


def _delivery(row: DeliveryRow) -> Delivery:
    values = {name: getattr(row, name) for name in Delivery.__struct_fields__}
    return msgspec.convert(values | {"body": msgspec.json.decode(row.body)}, Delivery)
