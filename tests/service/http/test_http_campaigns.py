"""Campaigns over HTTP: an order is answered at once, and what is written can be read while it is."""

import httpx
import pytest

from service import runtime as runtime_module
from service.campaigns import writing
from service.runtime import open_runtime
from tests.service.campaigns.conftest import unscored
from tests.service.campaigns.shop import SlowEngine, work
from tests.service.http.shop import Shop

ORDER = {"name": "spring", "segments": ["gardeners"], "channels": ["push"], "n": 1}
GARDEN = {"items_where": {"category": "garden", "price_to": 7}}


async def test_an_order_is_written_by_a_worker_and_read_in_pages(
    shop: Shop, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(runtime_module, "_load_engine", lambda _: SlowEngine())
    monkeypatch.setattr(writing, "score_beside", unscored)
    ordered = await client.post("/v1/campaigns", json=ORDER | GARDEN, headers={"Idempotency-Key": "once"})
    again = await client.post("/v1/campaigns", json=ORDER | GARDEN, headers={"Idempotency-Key": "once"})
    assert ordered.status_code == 202
    job = ordered.json()
    assert again.json() == job
    assert (job["status"], job["request_counts"]) == ("queued", {"total": 3, "completed": 0, "failed": 0})
    path = ordered.headers["location"]
    async with open_runtime(shop.settings()) as runtime:
        await work(runtime)
    done = (await client.get(path)).json()
    assert (done["status"], done["request_counts"]["completed"]) == ("completed", 3)
    assert done["completed_at"] >= done["in_progress_at"] >= done["created_at"]
    first = (await client.get(f"{path}/units?limit=2&state=done")).json()
    rest = (await client.get(first["paging"]["next"]["link"])).json()
    found = [*first["results"], *rest["results"]]
    assert [unit["custom_id"] for unit in found] == [f"gardeners/garden-{number}/push" for number in range(3)]
    assert all(unit["variants"][0]["fields"]["title"] for unit in found)
    assert rest["paging"]["next"] is None
    assert [each["id"] for each in (await client.get("/v1/campaigns")).json()["results"]] == [job["id"]]


async def test_what_a_campaign_is_told_answers_what_it_stands_at(client: httpx.AsyncClient):
    path = (await client.post("/v1/campaigns", json=ORDER | GARDEN)).headers["location"]
    early = await client.delete(path)
    assert (early.status_code, "is queued: cancel it" in early.json()["detail"]) == (409, True)
    assert (await client.post(f"{path}/pause")).json()["status"] == "paused"
    resumed = await client.post(f"{path}/resume", json={"budget": {"tokens": 5}})
    assert (resumed.json()["status"], resumed.json()["budget"]["tokens"]) == ("queued", 5)
    assert (await client.post(f"{path}/retry-failed")).status_code == 200
    cancelled = (await client.post(f"{path}/cancel")).json()
    assert (cancelled["status"], cancelled["request_counts"]["total"]) == ("cancelled", 3)
    refused = await client.post(f"{path}/resume", json={})
    assert refused.status_code == 409
    assert "is cancelled" in refused.json()["detail"]
    assert [(await client.delete(path)).status_code for _ in range(2)] == [204, 404]
    assert (await client.get(f"{path}/units")).status_code == 404


async def test_a_wrong_order_says_what_is_wrong(client: httpx.AsyncClient):
    asked = {
        400: ORDER | {"channels": ["fax"]},
        404: ORDER | {"items": ["gone"]},
    }
    for status, body in asked.items():
        assert (await client.post("/v1/campaigns", json=body)).status_code == status
    empty = await client.post("/v1/campaigns", json=ORDER | {"segments": []})
    assert empty.status_code == 400
    many = ORDER | {"items": [f"i{number}" for number in range(100_001)]}
    assert "100,001 units are more than 100,000" in (await client.post("/v1/campaigns", json=many)).text
    assert (await client.get("/v1/campaigns")).json()["results"] == []
