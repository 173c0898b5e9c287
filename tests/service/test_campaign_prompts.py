"""A campaign writes with its workspace's own prompts, and writes anew what another prompt had written."""

from pathlib import Path

from prompts.catalog import Catalog
from service.campaigns.actions import run_campaign
from service.campaigns.model import Campaign
from service.campaigns.written import written_rows
from service.catalog.actions import upsert_items
from service.catalog.model import Item
from service.events.actions import record_events
from service.events.model import Event
from service.profiles.actions import upsert_profiles
from service.profiles.model import Profile
from service.prompts.actions import put_prompt, rollback_prompt
from service.prompts.model import NewPrompt, Rollback
from service.runtime import Runtime, open_runtime
from service.segments.actions import create_segment
from service.settings import Settings
from service.snapshots.actions import build_snapshot
from service.webhooks.actions import create_webhook, list_deliveries
from service.workspaces.actions import create_workspace

CAMPAIGN = Campaign(
    name="spring",
    segments=("gardeners",),
    items=("trowel",),
    channels=("push",),
    n=1,
    offer="a gift ",
    tone="luxury",
)


async def make_shop(runtime: Runtime) -> None:
    await create_workspace(runtime, "shop")
    await upsert_items(runtime, "shop", [Item(id="trowel", title="Garden trowel", category="garden")])
    await upsert_profiles(runtime, "shop", [Profile(id="p-1")])
    seen = Event(id="e-1", profile_id="p-1", type="view", item_id="trowel", occurred_at=runtime.now())
    await record_events(runtime, "shop", [seen])
    await build_snapshot(runtime, "shop")
    await create_segment(runtime, "shop", "gardeners", {"like": "gardening"})


async def test_a_campaign_is_written_with_the_workspaces_own_prompt(tmp_path: Path) -> None:
    source = Catalog.load().get("push", "pocket", 2).source
    source = source.replace("version: 2\n", "version: 9\n").replace("{version: 2,", "{version: 9,")
    settings = Settings(data_dir=str(tmp_path / "var"), embedder="offline", executor_threads=2)
    async with open_runtime(settings) as runtime:
        await make_shop(runtime)
        webhook = await create_webhook(runtime, "shop", "https://crm.example/hook", ("campaign.done",))
        out = tmp_path / "out"
        shipped, _ = await run_campaign(runtime, "shop", CAMPAIGN, out)
        assert shipped.units.written == 1
        (reach,) = shipped.reach
        unasked = {each.rule: each.removed for each in reach.removed}["no_consent"]
        assert (reach.name, reach.channel, reach.allowed, unasked) == ("gardeners", "push", 0, reach.audience)
        own = await put_prompt(runtime, "shop", "push.pocket", NewPrompt(source=source))
        again, rows = await run_campaign(runtime, "shop", CAMPAIGN, out)
        assert (again.units.reused, again.units.written) == (0, 1)
        assert {row.provenance.prompt for row in rows} == {"push/pocket.v9"}
        assert {row.provenance.prompt_digest for row in rows} == {own.digest}
        await rollback_prompt(runtime, "shop", "push.pocket", Rollback(revision=0))
        back, rows = await run_campaign(runtime, "shop", CAMPAIGN, tmp_path / "back")
        assert back.units.written == 1
        assert {row.provenance.prompt for row in rows} != {"push/pocket.v9"}
        assert written_rows(CAMPAIGN, tmp_path / "back") == rows
        told = [each.body["data"] for each in await list_deliveries(runtime, "shop", webhook.id)]
        assert [each["units"]["written"] for each in told] == [1, 1, 1]
        assert {each["campaign"] for each in told} == {"spring"}
        assert str(tmp_path) not in str(told)
