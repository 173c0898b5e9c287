"""Copy that went into send lists: rows to values and back, the newest of each channel and no more."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import bindparam, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from prompts.channels import find_channel
from prompts.checks.duplicates import signature
from prompts.variant import Fields
from service.db import insert_rows
from service.drafts.tables import SentRow
from service.listing import content_digest
from service.workspaces.tables import WorkspaceRow

MOST_SENT = 100
"""Texts that are kept of each channel of a workspace, the newest; no two of them say the same."""
_COLUMNS = ("workspace_id", "channel", "digest", "variant_id", "campaign", "fields", "sent_at")
_NEWEST = (
    select(SentRow)
    .where(SentRow.workspace_id == bindparam("workspace"), SentRow.channel == bindparam("channel"))
    .order_by(SentRow.sent_at.desc(), SentRow.digest)
    .limit(MOST_SENT)
)
"""Written once: every draft asks."""


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A text of a send list, its merge tags not filled."""

    channel: str
    variant_id: str
    campaign: str
    """The campaign's name."""
    fields: Fields
    sent_at: datetime
    """When the list was written."""


class SentStore:
    """One workspace's sent copy."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace

    async def add(self, copies: Sequence[Sent]) -> None:
        """Keep copy, the first `MOST_SENT` of each channel, and forget what is older than as much.

        Copy that was sent before counts as sent now.
        """
        kept: dict[str, dict[str, Sent]] = {}
        for each in copies:
            mine = kept.setdefault(each.channel, {})
            if len(mine) < MOST_SENT:
                mine.setdefault(content_digest(signature(each.fields)), each)
        # One list at a time, so that two never wait for each other's rows in a ring.
        own = select(WorkspaceRow.id).where(WorkspaceRow.id == self._workspace)
        await self._session.execute(own.with_for_update(key_share=True))
        rows = [
            (self._workspace, channel, digest, one.variant_id, one.campaign, one.fields, one.sent_at)
            for channel, mine in kept.items()
            for digest, one in mine.items()
        ]
        await insert_rows(self._session, SentRow, _COLUMNS, rows, replace=_COLUMNS[3:])
        for channel in kept:
            theirs = (SentRow.workspace_id == self._workspace, SentRow.channel == channel)
            newest = select(SentRow.digest).where(*theirs).order_by(SentRow.sent_at.desc(), SentRow.digest)
            old = delete(SentRow).where(*theirs, SentRow.digest.not_in(newest.limit(MOST_SENT)))
            await self._session.execute(old)

    async def newest(self, channel: str) -> list[Sent]:
        """Return what was sent on a channel, newest first."""
        rows = await self._session.scalars(_NEWEST, {"workspace": self._workspace, "channel": channel})
        # Databases keep the keys of an object in an order of their own.
        ordered = find_channel(channel).ordered
        return [
            Sent(
                channel=channel,
                variant_id=row.variant_id,
                campaign=row.campaign,
                fields=ordered(msgspec.convert(row.fields, Fields)),
                sent_at=row.sent_at,
            )
            for row in rows
        ]
