"""Webhooks over HTTP: from creation to a delivery looked at and sent again."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from service.app import create_app
from service.migrations.schema import metadata
from service.paging import encode_cursor
from service.runtime import open_runtime
from tests.service.chat_server import Reply, Request, chat_server
from tests.service.http.shop import Shop, client_of, serving

NEW = {"url": "https://crm.example/hook", "events": ["segment.members_changed", "export.ready"]}


async def made(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    return (await client.post("/v1/webhooks", json={**NEW, **changes})).raise_for_status().json()


async def test_a_webhook_is_made_shown_changed_and_deleted(client: httpx.AsyncClient, shop: Shop):
    created = await client.post("/v1/webhooks", json={**NEW, "segments": ["gardeners"], "note": "CRM"})
    assert created.status_code == 201
    body = created.json()
    assert body["secret"].startswith("whsec_")
    assert (body["segments"], body["active"], body["note"]) == ([shop.segment], True, "CRM")
    path = created.headers["location"]
    shown = (await client.get(path)).json()
    assert shown == {name: value for name, value in body.items() if name != "secret"}
    assert (await client.get("/v1/webhooks")).json()["results"] == [shown]
    changed = (await client.patch(path, json={"active": False, "segments": []})).json()
    assert changed == {**shown, "active": False, "segments": [], "updated_at": changed["updated_at"]}
    assert (await client.post(f"{path}/test")).status_code == 409
    assert (await client.delete(path)).status_code == 204
    for gone in (
        client.get(path),
        client.patch(path, json={}),
        client.delete(path),
        client.post(f"{path}/test"),
    ):
        assert (await gone).status_code == 404
    everywhere = json.dumps((await client.get("/v1/audit?limit=500")).json()["results"])
    assert "POST /v1/webhooks" in everywhere
    assert "PATCH /v1/webhooks/{webhook_id}" in everywhere
    assert body["secret"] not in everywhere


async def test_pages_of_webhooks_repeat_none(client: httpx.AsyncClient):
    ids = {(await made(client))["id"] for _ in range(5)}
    page = (await client.get("/v1/webhooks?limit=2")).json()
    seen = [each["id"] for each in page["results"]]
    while page["paging"]["next"]:
        page = (await client.get(page["paging"]["next"]["link"])).json()
        seen += [each["id"] for each in page["results"]]
    assert (len(seen), set(seen)) == (5, ids)


@pytest.mark.parametrize("moment", ["2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "soon"])
async def test_a_forged_cursor_is_refused(client: httpx.AsyncClient, moment: str):
    webhook = await made(client)
    after = encode_cursor([moment, "x"])
    for path in (f"/v1/webhooks/{webhook['id']}/deliveries", "/v1/erasures"):
        assert (await client.get(path, params={"after": after})).status_code == 400


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"url": "http://crm.example/hook"}, 400, "use https"),
        ({"url": "https://169.254.169.254/latest"}, 400, "link-local"),
        ({"url": "https://crm.example:22/"}, 400, "port 22 is not 443"),
        ({"events": []}, 400, "events is empty"),
        ({"events": ["profile.created"]}, 400, "profile.created"),
        ({"segments": ["nowhere"]}, 404, "no segment 'nowhere'"),
        ({"secret": "whsec_mine"}, 400, "secret"),
    ],
)
async def test_what_cannot_be_sent_to_or_told_is_refused(
    client: httpx.AsyncClient, changes: dict[str, Any], status: int, says: str
):
    refused = await client.post("/v1/webhooks", json={**NEW, **changes})
    assert refused.status_code == status
    assert says in refused.text
    assert (await client.get("/v1/webhooks")).json()["results"] == []


async def test_a_rotation_shows_the_new_secret_and_when_the_old_one_ends(client: httpx.AsyncClient):
    webhook = await made(client)
    path = f"/v1/webhooks/{webhook['id']}"
    rotated = (await client.post(f"{path}/rotate", json={"overlap_hours": 2})).raise_for_status().json()
    assert rotated["secret"] != webhook["secret"]
    assert rotated["former_secret_until"]
    assert "secret" not in (await client.get(path)).json()
    for hours in (-1, 169, 1e300):
        refused = await client.post(f"{path}/rotate", json={"overlap_hours": hours})
        assert refused.status_code == 400


async def test_scopes_are_those_of_segments(shop: Shop):
    async with client_of(shop.settings()) as client:
        for scope, reads, writes in (("crm", 200, 201), ("batch", 200, 403), ("copy", 403, 403)):
            client.headers["Authorization"] = f"Bearer {shop.keys[f'default/{scope}']}"
            assert (await client.get("/v1/webhooks")).status_code == reads
            assert (await client.post("/v1/webhooks", json=NEW)).status_code == writes


async def test_serve_delivers_and_dead_letters_are_sent_again(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    """The whole way, with the sender that `serve` runs: refused until there is no try left, then replayed."""
    monkeypatch.setattr("service.webhooks.sending.LOOK_EVERY_SECONDS", 0.01)
    monkeypatch.setattr("service.webhooks.model.RETRIES", ())
    replies = [Reply(status=500), Reply(status=500), Reply(), Reply()]
    got: list[str] = []

    async def receiver(request: Request) -> Reply:
        got.append(request.headers["webhook-id"])
        return replies[len(got) - 1]

    async with chat_server(receiver) as url:
        settings = shop.settings(
            webhook_private_hosts=(url.removeprefix("http://"),), snapshot_interval_seconds=0
        )
        async with serving(create_app(settings)) as client:
            client.headers["Authorization"] = f"Bearer {shop.keys['default/crm']}"
            webhook = await made(client, url=url)
            path = f"/v1/webhooks/{webhook['id']}"
            first = await client.post(f"{path}/test")
            assert first.status_code == 202
            delivery = await ended(client, first.headers["location"])
            assert (delivery["status"], delivery["last_status"]) == ("dead", 500)
            second = (await client.post(f"{path}/test")).headers["location"]
            await ended(client, second)
            dead = (await client.get(f"{path}/deliveries?status=dead&limit=1")).json()
            assert dead["results"][0]["id"] == second.rpartition("/")[2]
            after = (await client.get(dead["paging"]["next"]["link"])).json()
            assert [each["id"] for each in after["results"]] == [delivery["id"]]
            again = await client.post(f"{path}/deliveries/{delivery['id']}/replay")
            assert again.status_code == 202
            assert (await ended(client, again.headers["location"]))["status"] == "delivered"
            since = {"created_since": delivery["created_at"]}
            assert (await client.post(f"{path}/replay", json=since)).json() == {"replayed": 1}
            assert (await ended(client, second))["status"] == "delivered"
            assert (await client.get(f"{path}/deliveries?status=dead")).json()["results"] == []
            for wrong in (
                {"created_since": "2026-11-22T10:00:00"},
                {"created_since": delivery["created_at"], "statuses": []},
            ):
                assert (await client.post(f"{path}/replay", json=wrong)).status_code == 400
    ids = [delivery["id"], second.rpartition("/")[2]]
    assert got == ids + ids


async def ended(client: httpx.AsyncClient, location: str) -> dict[str, Any]:
    delivery: dict[str, Any] = {}
    for _ in range(1000):
        delivery = (await client.get(location)).raise_for_status().json()
        if delivery["status"] != "pending":
            return delivery
        await asyncio.sleep(0.01)
    raise AssertionError(f"still on its way: {delivery}")


async def test_a_remembered_answer_with_a_secret_is_kept_sealed_and_replayed_in_plain(shop: Shop):
    settings = shop.settings(trait_keys=(Fernet.generate_key().decode(),))
    async with client_of(settings, shop.keys["default/admin"]) as client:
        once = {"Idempotency-Key": "once"}
        first = (await client.post("/v1/webhooks", json=NEW, headers=once)).raise_for_status()
        assert (await client.post("/v1/webhooks", json=NEW, headers=once)).json() == first.json()
        rotate, body = f"{first.headers['location']}/rotate", {"overlap_hours": 1}
        rotated = await client.post(rotate, json=body, headers={"Idempotency-Key": "twice"})
        again = await client.post(rotate, json=body, headers={"Idempotency-Key": "twice"})
        assert again.json() == rotated.json()
    async with open_runtime(settings) as runtime, runtime.database.read() as session:
        raw = [text(f"SELECT * FROM {each.name}") for each in metadata.sorted_tables]  # noqa: S608 -- our own names
        stored = [repr((await session.execute(each)).all()) for each in raw]
    assert any("https://crm.example" in rows for rows in stored)
    for secret in (first.json()["secret"], rotated.json()["secret"]):
        assert not [rows for rows in stored if secret in rows]
