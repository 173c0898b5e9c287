"""Send lists over HTTP: who is in them and who is not, in every format, and who may have them."""

import asyncio
import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import polars as pl
import pytest

from prompts.variant import Fields, Provenance, Variant
from service.campaigns import send_list_job
from service.campaigns.job import Lease, Written
from service.campaigns.leases import LeaseStore
from service.campaigns.store import CampaignStore
from service.contact.actions import set_consents, set_policy, suppress
from service.contact.model import ContactPolicy
from service.contact.shapes import ConsentFact, SuppressionEntry
from service.errors import Conflict
from service.profiles.actions import upsert_profiles
from service.profiles.model import Profile
from service.runtime import open_runtime
from service.workspaces.actions import create_key
from tests.service.http.shop import Shop

TAG = '{{ first_name | default: "there" }}'
MADE_BY = Provenance(prompt="p", prompt_digest="p", engine="e", model="m", seed=0, attempts=1)
ORDER: dict[str, Any] = {
    "name": "spring",
    "segments": ["gold"],
    "channels": ["push", "banner"],
    "items": ["garden-0", "garden-1"],
    "n": 1,
    "tones": ["friendly", "playful"],
}


async def ordered(shop: Shop, client: httpx.AsyncClient, **changes: Any) -> str:
    """A campaign for the twenty-one of the plan `gold`, and what is known of them."""
    gold = {"name": "gold", "definition": {"trait": "plan", "value": "gold"}}
    (await client.post("/v1/segments", json=gold)).raise_for_status()
    async with open_runtime(shop.settings()) as runtime:
        people = [Profile(id="p-0", traits={"first_name": "Ada"}), Profile(id="p-2", traits={"plan": "none"})]
        await upsert_profiles(runtime, "default", people)
        await set_consents(runtime, "default", [ConsentFact(profile_id="p-4", channel="push", word="denied")])
        await suppress(runtime, "default", [SuppressionEntry(profile_id="p-6", reason="bounced")])
        await set_policy(runtime, "default", ContactPolicy(opt_in=()))
    job = await client.post("/v1/campaigns", json=ORDER | changes)
    return job.raise_for_status().json()["id"]


def copy(lease: Lease) -> Written:
    """Copy with a merge tag, that says which tone it is in."""
    place = lease.place
    fields: Fields = {"title": f"{place.item_id} {place.tone}", "body": f"Hello {TAG}"}
    variant = Variant(id=f"{lease.ordinal}", status="passed", fields=fields, checks=(), provenance=MADE_BY)
    return Written(digest=f"d{lease.ordinal}", variants=(variant,))


async def write(shop: Shop, campaign: str, many: int, how: Callable[[Lease], Written] = copy) -> None:
    """Be a worker."""
    async with open_runtime(shop.settings()) as runtime, runtime.database.write() as session:
        store, now = LeaseStore(session, "default", campaign), runtime.now()
        leases = await store.take("w", many, now, now + timedelta(minutes=1))
        await store.finish("w", [(lease, how(lease)) for lease in leases], now)


async def exported(client: httpx.AsyncClient, campaign: str, **order: Any) -> dict[str, Any]:
    begun = await client.post(f"/v1/campaigns/{campaign}/exports", json=order)
    assert begun.status_code == 202, begun.text
    for _ in range(500):
        export = (await client.get(begun.headers["location"])).raise_for_status().json()
        if export["status"] != "running":
            return export
        await asyncio.sleep(0.02)
    raise AssertionError(f"still running: {begun.text}")


async def test_every_format_holds_a_filled_row_for_each_who_may_be_written_to(
    client: httpx.AsyncClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(send_list_job, "UNITS_AT_ONCE", 3)  # a unit's two tones fall into two pages
    campaign = await ordered(shop, client)
    await write(shop, campaign, 8)
    lists: list[list[dict[str, Any]]] = []
    for form, media in (
        ("csv", "text/csv"),
        ("ndjson", "application/x-ndjson"),
        ("parquet", "application/vnd.apache.parquet"),
    ):
        export = await exported(client, campaign, format=form)
        assert (export["status"], export["count"], export["campaign"]) == ("ready", 38, campaign)
        answer = (await client.get(f"/v1/exports/{export['id']}/file")).raise_for_status()
        assert len(answer.content) == export["bytes"]
        assert answer.headers["content-type"].startswith(media)
        match form:
            case "csv":
                rows = pl.read_csv(io.BytesIO(answer.content), infer_schema=False).to_dicts()
            case "ndjson":
                rows = [json.loads(line) for line in answer.content.splitlines()]
            case _:
                rows = pl.read_parquet(io.BytesIO(answer.content)).to_dicts()
        lists.append(rows)
        half = {"Range": "bytes=100-", "If-Range": answer.headers["etag"]}
        rest = await client.get(f"/v1/exports/{export['id']}/file", headers=half)
        assert (rest.status_code, rest.content) == (206, answer.content[100:])
    assert lists[0] == lists[1] == lists[2]
    (first, second) = lists[0][:2]
    assert (first["profile_id"], first["title"]) == ("p-0", "garden-0 friendly")
    assert (first["tag_first_name"], first["body"]) == ("Ada", "Hello Ada")
    assert (second["title"], lists[0][2]["body"]) == ("garden-1 friendly", "Hello there")
    assert not {"p-4", "p-6"} & {row["profile_id"] for row in lists[0]}
    counts = export["send_list"]
    (reach,) = counts["reach"]
    removed = {each["rule"]: each["removed"] for each in reach["removed"]}
    assert (reach["audience"], reach["allowed"]) == (21, 19)
    assert (removed["suppressed"], removed["denied"]) == (1, 1)
    push, banner = counts["copy"]
    assert (push["units"], push["written"], push["defaulted"], push["left_out"]) == (2, 38, 36, {})
    assert (banner["units"], list(banner["left_out"].values())) == (2, [2])
    files = {"".join(path.suffixes) for path in shop.folder.glob("exports/default/*")}
    forms = (".csv", ".ndjson", ".parquet")
    assert files == {*forms, *(f"{form}.refused.jsonl" for form in forms)}  # and nothing beside them
    nobody = (await client.get(f"/v1/exports/{export['id']}/refused")).raise_for_status()
    assert (nobody.content, nobody.headers["content-type"]) == (b"", "application/x-ndjson")


async def test_only_what_is_over_is_sent_and_of_a_cancelled_campaign_what_was_written(
    client: httpx.AsyncClient, shop: Shop
):
    campaign = await ordered(shop, client, tones=["friendly"], languages=["en", "de"], channels=["push"])
    path = f"/v1/campaigns/{campaign}/exports"
    await write(shop, campaign, 2)
    early = await client.post(path, json={})
    assert early.status_code == 409
    assert "is running, with 2 of 4 units written" in early.json()["detail"]
    (await client.post(f"/v1/campaigns/{campaign}/cancel")).raise_for_status()
    for wrong, told in (
        ({}, "is in en, de: name the `language`"),
        ({"language": "fr"}, "no language 'fr'"),
        ({"segment": "silver"}, "no segment 'silver': it has gold"),
        ({"channel": "email"}, "no channel 'email': it has push"),
    ):
        refused = await client.post(path, json=wrong)
        assert (refused.status_code, told in refused.json()["detail"]) == (400, True), refused.text
    export = await exported(client, campaign, language="de", segment="gold", format="ndjson")
    (push,) = export["send_list"]["copy"]
    assert (export["status"], export["count"], push["written"]) == ("ready", 19, 19)
    assert push["left_out"] == {send_list_job.NOT_WRITTEN: 1}
    nothing = (await client.post("/v1/campaigns", json=ORDER | {"name": "none"})).json()["id"]
    (await client.post(f"/v1/campaigns/{nothing}/cancel")).raise_for_status()
    refused = await client.post(f"/v1/campaigns/{nothing}/exports", json={})
    assert (refused.status_code, "nothing to send" in refused.json()["detail"]) == (409, True)


async def test_who_is_refused_a_row_is_named_with_the_reason(client: httpx.AsyncClient, shop: Shop):
    def bare(lease: Lease) -> Written:
        (variant,) = copy(lease).variants
        fields: Fields = {"title": "Spring", "body": "Hello {{ first_name }}"}
        return Written(digest="d", variants=(msgspec.structs.replace(variant, fields=fields),))

    campaign = await ordered(shop, client, channels=["push"], items=["garden-0"], tones=["friendly"])
    await write(shop, campaign, 1, bare)
    export = await exported(client, campaign, format="ndjson")
    (push,) = export["send_list"]["copy"]
    path = f"/v1/exports/{export['id']}/refused"
    answer = (await client.get(path)).raise_for_status()
    rows = [json.loads(line) for line in answer.content.splitlines()]
    assert (push["written"], push["refused"]["lacks_trait"], len(rows)) == (1, 18, 18)
    assert {row["rule"] for row in rows} == {"lacks_trait"}
    assert "p-0" not in {row["profile_id"] for row in rows}
    assert "first_name" in rows[0]["reason"]
    half = {"Range": "bytes=50-", "If-Range": answer.headers["etag"]}
    rest = await client.get(path, headers=half)
    assert (rest.status_code, rest.content) == (206, answer.content[50:])
    segment = (await client.post("/v1/segments/gold/exports", json={})).raise_for_status().json()
    none = await client.get(f"/v1/exports/{segment['id']}/refused")
    assert (none.status_code, "is no send list" in none.json()["detail"]) == (404, True)
    (await client.delete("/v1/profiles/p-0")).raise_for_status()
    assert (await client.get(path)).status_code == 410
    assert not list(shop.folder.glob(f"exports/default/*{export['id']}*"))


async def test_whoever_is_erased_is_in_no_send_list(client: httpx.AsyncClient, shop: Shop):
    campaign = await ordered(shop, client)
    await write(shop, campaign, 8)
    export = await exported(client, campaign)
    (await client.delete("/v1/profiles/p-0")).raise_for_status()
    gone = await client.get(f"/v1/exports/{export['id']}/file")
    assert (gone.status_code, "erased" in gone.json()["detail"]) == (410, True)
    assert not list(shop.folder.glob("exports/default/*"))
    again = await exported(client, campaign)
    assert again["count"] == 36
    assert b"p-0," not in (await client.get(f"/v1/exports/{again['id']}/file")).content


async def test_a_list_that_cannot_be_written_says_why_and_leaves_nothing(
    client: httpx.AsyncClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    def unknown(lease: Lease) -> Written:
        (variant,) = copy(lease).variants
        fields: Fields = {"title": "Hello", "body": "From {{ nowhere_known }}"}
        return Written(digest="d", variants=(msgspec.structs.replace(variant, fields=fields),))

    campaign = await ordered(shop, client)
    await write(shop, campaign, 8, unknown)
    export = await exported(client, campaign)
    assert export["status"] == "failed"
    assert "nowhere_known" in export["error"]
    assert not list(shop.folder.glob("exports/default/*"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    fine = await ordered_again(client, shop)
    monkeypatch.setattr("service.exports.formats.Csv.write", full)
    export = await exported(client, fine)
    assert (export["status"], "No space left" in export["error"]) == ("failed", True)
    assert not list(shop.folder.glob("exports/default/*"))


async def test_a_list_whose_campaign_is_deleted_meanwhile_is_none(
    client: httpx.AsyncClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    campaign = await ordered(shop, client)
    await write(shop, campaign, 8)
    async with open_runtime(shop.settings()) as runtime:
        monkeypatch.setattr(send_list_job, "UNITS_AT_ONCE", 5)
        pages = send_list_job.stored_units(runtime, "default", campaign, send_list_job.SendListOrder())
        assert len(await anext(pages)) == 2
        async with runtime.database.write() as session:
            await CampaignStore(session, "default").remove_units(campaign, 8)
        with pytest.raises(Conflict, match="was being deleted"):
            _ = [page async for page in pages]


async def test_names_and_addresses_are_not_for_who_sees_pseudonyms(client: httpx.AsyncClient, shop: Shop):
    campaign = await ordered(shop, client)
    await write(shop, campaign, 8)
    export = await exported(client, campaign)
    async with open_runtime(shop.settings()) as runtime:
        analyst = (await create_key(runtime, "default", "a", ["analyst"])).text
    for key, allowed in (
        (analyst, (403, 404)),
        (shop.keys["default/copy"], (403, 403)),
        (shop.keys["default/crm"], (202, 200)),
        (shop.keys["other/admin"], (404, 404)),
    ):
        theirs = {"Authorization": f"Bearer {key}"}
        begun = await client.post(f"/v1/campaigns/{campaign}/exports", json={}, headers=theirs)
        file = await client.get(f"/v1/exports/{export['id']}/file", headers=theirs)
        assert (begun.status_code, file.status_code) == allowed


async def ordered_again(client: httpx.AsyncClient, shop: Shop) -> str:
    """The same campaign, with copy that can be filled."""
    campaign = (await client.post("/v1/campaigns", json=ORDER)).json()["id"]
    await write(shop, campaign, 8)
    return campaign
