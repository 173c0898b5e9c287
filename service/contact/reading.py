"""What the rules need to know about one channel, read from the store as it is now."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.contact.addresses import profiles_at
from service.contact.model import EVERY_CHANNEL, ContactPolicy
from service.contact.rules import Lists
from service.contact.tables import ConsentRow, SuppressedAddressRow, SuppressionRow
from service.drafts.tables import DraftRow
from service.events.model import FURTHEST_AHEAD
from service.events.tables import EventRow
from service.listing import COMMIT_LAG
from service.privacy.store import ErasureStore
from service.profiles.tables import ProfileRow
from service.runtime import Runtime

MESSAGES = ("sent", "delivered", "impression")
"""Events that say that a message reached somebody. One message may leave all three, so the most of one kind
counts, never their sum."""


async def read_lists(
    runtime: Runtime,
    session: AsyncSession,
    workspace: str,
    policy: ContactPolicy,
    channel: str,
    reference: datetime,
    *,
    since: datetime | None = None,
) -> Lists:
    """Read the lists of one channel; `reference` is what "now" means for the workspace.

    Whoever was merged into another profile, after `since` where it is given, is on every list the other is
    on: a snapshot may still have them. Raises TraitsLocked.
    """
    here = (channel, EVERY_CHANNEL)
    suppressed = set(
        await session.scalars(
            select(SuppressionRow.profile_id).where(
                SuppressionRow.workspace_id == workspace, SuppressionRow.channel.in_(here)
            )
        )
    )
    subjects = frozenset(
        await session.scalars(
            select(SuppressedAddressRow.subject).where(
                SuppressedAddressRow.workspace_id == workspace, SuppressedAddressRow.channel.in_(here)
            )
        )
    )
    key = await ErasureStore(session, workspace).key()
    suppressed |= (await profiles_at(runtime, session, workspace, key, subjects)).keys()
    query = select(ConsentRow.profile_id, ConsentRow.granted).where(
        ConsentRow.workspace_id == workspace, ConsentRow.channel == channel
    )
    words = {row[0]: row[1] for row in await session.execute(query)}
    capped = set[str]()
    for cap in policy.caps:
        if cap.channel == channel:
            begun = reference - timedelta(days=cap.days)
            capped |= await _contacted(session, workspace, channel, begun, reference, cap.most)
    for each, owner in await _merged(session, workspace, since):
        suppressed.update({each} if owner in suppressed else ())
        capped.update({each} if owner in capped else ())
        words |= {each: words[owner]} if owner in words else {}
    return Lists(
        suppressed=suppressed,
        words=words,
        capped=capped,
        opt_in=channel in policy.opt_in,
        holdout=policy.holdout,
        key=key,
    )


async def _merged(session: AsyncSession, workspace: str, since: datetime | None) -> Sequence[tuple[str, str]]:
    query = select(ProfileRow.id, ProfileRow.merged_into).where(
        ProfileRow.workspace_id == workspace, ProfileRow.merged_into.is_not(None)
    )
    if since is not None:
        query = query.where(ProfileRow.updated_at > since - COMMIT_LAG)
    return [(row[0], row[1]) for row in await session.execute(query)]


async def _contacted(
    session: AsyncSession, workspace: str, channel: str, since: datetime, until: datetime, most: int
) -> set[str]:
    """Return the profiles that had `most` messages on the channel after `since`, up to `until`."""
    query = (
        select(EventRow.profile_id)
        .outerjoin(DraftRow, _draft_of_event(session.get_bind().dialect.name))
        .where(
            EventRow.workspace_id == workspace,
            # Lets the index by time of recording skip what is older: no event lies further ahead than this.
            EventRow.recorded_at > since - FURTHEST_AHEAD,
            EventRow.occurred_at > since,
            EventRow.occurred_at <= until,
            EventRow.type.in_(MESSAGES),
            or_(_said_channel() == channel, and_(_said_channel().is_(None), DraftRow.channel == channel)),
        )
        .group_by(EventRow.profile_id, EventRow.type)
        .having(func.count() >= most)
    )
    return set(await session.scalars(query))


def _said_channel() -> ColumnElement[str]:
    return EventRow.properties["channel"].as_string()


def _draft_of_event(dialect: str) -> ColumnElement[bool]:
    """Find the draft an event's variant is of: a `variant_id` is `draft/variant`."""
    find = func.instr if dialect == "sqlite" else func.strpos
    slash = func.nullif(find(EventRow.variant_id, "/"), 0)
    own = func.substr(EventRow.variant_id, 1, slash - 1)
    return and_(DraftRow.workspace_id == EventRow.workspace_id, DraftRow.id == own)
