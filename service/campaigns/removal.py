"""Campaigns deleted with all they hold: when asked to, and when they have been over for long enough."""

from datetime import timedelta

from service.campaigns.job import ENDED
from service.campaigns.store import CampaignStore
from service.errors import Conflict, NotFound
from service.runtime import Runtime

UNITS_AT_ONCE = 2_000
"""Deleted in one transaction, so that other writers get their turn."""


async def delete_campaign(runtime: Runtime, workspace: str, campaign_id: str) -> None:
    """Delete a campaign that is over, with its units and what was written for them.

    Send lists made of it stay until they expire. What was begun and broke off leaves a cancelled campaign
    with fewer units, which is deleted like any other. Raises NotFound, and Conflict while it is not over.
    """
    gone = False
    while not gone:
        async with runtime.database.write() as session:
            store = CampaignStore(session, workspace)
            row = await store.locked(campaign_id)
            if row.state not in ENDED:
                raise Conflict(f"campaign {campaign_id!r} is {row.state}: cancel it before it is deleted")
            row.state = "cancelled"  # so that nothing of it is tried again in between
            gone = await store.remove_units(campaign_id, UNITS_AT_ONCE) < UNITS_AT_ONCE
            if gone:
                await store.remove(campaign_id)


async def delete_old_campaigns(runtime: Runtime, workspace: str) -> int:
    """Delete the campaigns that ended longer ago than the settings keep them; returns how many."""
    days, deleted = runtime.settings.campaign_days, 0
    if not days:
        return 0
    async with runtime.database.read() as session:
        before = runtime.now() - timedelta(days=days)
        old = await CampaignStore(session, workspace).ended_before(before)
    for campaign_id in old:
        try:
            await delete_campaign(runtime, workspace, campaign_id)
        except (NotFound, Conflict):  # deleted, or tried again, since
            continue
        deleted += 1
    return deleted
