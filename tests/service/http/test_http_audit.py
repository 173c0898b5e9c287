"""Acts on record, limits and protective headers, over HTTP."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import msgspec

from service.audit.model import Entry, first_break
from tests.service.http.shop import Shop, client_of


async def test_changes_refusals_and_exports_are_on_record_and_nobody_is_named(
    client: httpx.AsyncClient, shop: Shop
):
    key = shop.keys["default/copy"]
    for method, path, headers in (
        ("GET", "/v1/items/garden-0", {}),
        ("DELETE", "/v1/items/garden-0", {"X-Request-Id": "mine"}),
        ("GET", "/v1/profiles/p-1/access", {}),
        ("DELETE", "/v1/profiles/p-1", {}),
        ("DELETE", "/v1/profiles/p-2", {"Authorization": f"Bearer {key}"}),
        ("DELETE", "/v1/segments/nothing", {"If-Match": "*"}),
    ):
        await client.request(method, path, headers=headers)
    await client.post("/v1/events", json=[])
    found = (await client.get("/v1/audit", params={"limit": 3})).raise_for_status().json()
    rest = (await client.get(found["paging"]["next"]["link"])).raise_for_status().json()
    entries = [*found["results"], *rest["results"]]
    assert [(each["action"], each["status"]) for each in entries] == [
        ("DELETE /v1/items/{item_id}", 204),
        ("GET /v1/profiles/{profile_id}/access", 200),
        ("DELETE /v1/profiles/{profile_id}", 200),
        ("DELETE /v1/profiles/{profile_id}", 403),
        ("DELETE /v1/segments/{segment_id}", 404),
    ]
    assert entries[0]["target"] == {"item_id": "garden-0"}
    assert entries[0]["request_id"] == "mine"
    assert entries[0]["actor"] in shop.keys["default/admin"]
    assert entries[3]["actor_name"] == "copy"
    assert entries[0]["origin"]
    receipt = (await client.get("/v1/erasures", params={"profile_id": "p-1"})).json()["results"][0]
    assert entries[1]["target"] == entries[2]["target"] == {"profile_id": receipt["subjects"][0]}
    assert first_break(msgspec.convert(entries, list[Entry])) is None
    assert (await client.get("/v1/audit", params={"since": "2099-01-01T00:00:00Z"})).json()["results"] == []
    assert (await client.get("/v1/audit", params={"since": "2026-01-01T00:00:00"})).status_code == 400


async def test_a_key_over_its_share_is_told_when_to_come_back(shop: Shop):
    settings = shop.settings(requests_per_minute=3)
    async with client_of(settings, shop.keys["default/crm"]) as client:
        left = [(await client.get("/v1/erasures")).headers["ratelimit-remaining"] for _ in range(3)]
        assert left == ["2", "1", "0"]
        refused = await client.get("/v1/erasures")
        assert refused.status_code == 429
        assert refused.json()["type"] == "urn:pitchwright:problem:too-many"
        assert 1 <= int(refused.headers["retry-after"]) <= 20
        assert refused.headers["ratelimit-limit"] == "3"
        other = {"Authorization": f"Bearer {shop.keys['default/copy']}"}
        assert (await client.get("/v1/items", headers=other)).status_code == 200


async def test_a_body_that_does_not_arrive_is_not_waited_for(shop: Shop):
    async def dripping() -> AsyncIterator[bytes]:
        yield b"["
        await asyncio.sleep(5)
        yield b"]"

    async with client_of(shop.settings(body_timeout_seconds=0.1), shop.keys["default/crm"]) as client:
        response = await client.post(
            "/v1/events", content=dripping(), headers={"Content-Type": "application/json"}
        )
    assert response.status_code == 408
    assert "within 0.1 s" in response.json()["detail"]


async def test_every_answer_has_protective_headers(client: httpx.AsyncClient):
    for path in ("/v1/items", "/nothing", "/schema", "/health/live"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["x-frame-options"] == "DENY"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["cache-control"] == "no-store"
