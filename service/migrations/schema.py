"""Every table of the service in one place, for migrations and the test that compares them."""

from service.audit import tables as audit
from service.campaigns import tables as campaigns
from service.catalog import tables as catalog
from service.contact import tables as contact
from service.db import Base
from service.drafts import tables as drafts
from service.events import tables as events
from service.exports import tables as exports
from service.privacy import tables as privacy
from service.profiles import tables as profiles
from service.prompts import tables as prompts
from service.quality import tables as quality
from service.segments import tables as segments
from service.snapshots import tables as snapshots
from service.webhooks import tables as webhooks
from service.workspaces import tables as workspaces

ROOMS = (
    workspaces,
    catalog,
    profiles,
    contact,
    events,
    segments,
    drafts,
    prompts,
    snapshots,
    quality,
    exports,
    privacy,
    audit,
    webhooks,
    campaigns,
)
metadata = Base.metadata
