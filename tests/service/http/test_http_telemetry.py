"""Request ids, the access log and the metrics."""

import json

import httpx
import pytest

from tests.service.http.shop import Shop, client_of


async def test_a_request_id_comes_back_and_a_bad_one_is_replaced(client: httpx.AsyncClient):
    given = await client.get("/health/live", headers={"X-Request-Id": "mine-1"})
    assert given.headers["x-request-id"] == "mine-1"
    for bad in ("a b", "x" * 200, "new\\line;"):
        replaced = (await client.get("/health/live", headers={"X-Request-Id": bad})).headers["x-request-id"]
        assert replaced != bad
        assert len(replaced) == 32
    first, second = [(await client.get("/nowhere")).headers["x-request-id"] for _ in range(2)]
    assert first != second


async def test_the_access_line_says_what_happened_and_no_secret(
    shop: Shop, capsys: pytest.CaptureFixture[str]
):
    headers = {"X-Request-Id": "line-1"}
    async with client_of(shop.settings(), shop.keys["default/admin"]) as client:
        await client.get("/v1/items/garden-0", headers=headers)
        await client.get("/v1/items", params={"category": "hidden"}, headers=headers)
        await client.post("/v1/items", json=[{"id": "body-text", "title": "x"}], headers=headers)
        await client.get("/nowhere", headers=headers)
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = [json.loads(line) for line in printed.err.splitlines() if "line-1" in line]
    assert [line["route"] for line in lines] == ["/v1/items/{item_id}", "/v1/items", "/v1/items", "unmatched"]
    assert [line["status"] for line in lines] == [200, 200, 200, 404]
    assert lines[0]["workspace"] == "default"
    assert all(line["seconds"] > 0 for line in lines)
    for secret in ("hidden", "body-text", shop.keys["default/admin"], "garden-0", "/nowhere"):
        assert secret not in printed.err


async def test_metrics_count_by_route_template(client: httpx.AsyncClient):
    for item in ("garden-0", "garden-1", "nothing"):
        await client.get(f"/v1/items/{item}")
    await client.get("/some/path/nobody/made")
    metrics = (await client.get("/metrics")).text
    template = 'method="GET",route="/v1/items/{item_id}"'
    assert f'pitchwright_requests_total{{{template},status="200"}} 2.0' in metrics
    assert f'pitchwright_requests_total{{{template},status="404"}} 1.0' in metrics
    assert f"pitchwright_request_seconds_count{{{template}}} 3.0" in metrics
    assert 'route="unmatched",status="404"' in metrics
    assert "nobody" not in metrics
    assert 'pitchwright_snapshot_age_seconds{workspace="default"}' in metrics
    assert "pitchwright_engine_in_flight 0.0" in metrics


async def test_readiness_names_each_part(client: httpx.AsyncClient, shop: Shop):
    response = await client.get("/health/ready")
    body = response.json()
    assert body["store"] == {"status": "ok", "detail": "postgresql" if shop.database_url else "sqlite"}
    assert body["snapshot"]["status"] == "ok"
    assert "1 of 2 workspaces" in body["snapshot"]["detail"]
    assert body["engine"]["status"] == "ok"
    assert body["status"] == "ok"
    assert response.status_code == 200


async def test_a_stale_snapshot_degrades_readiness_but_goes_on_serving(shop: Shop):
    settings = shop.settings(snapshot_max_age_seconds=1e-6)
    async with client_of(settings, shop.keys["default/admin"]) as client:
        response = await client.get("/health/ready")
        body = response.json()
        assert (response.status_code, body["status"], body["snapshot"]["status"]) == (
            200,
            "degraded",
            "stale",
        )
        assert "more than the 1e-06 s allowed" in body["snapshot"]["detail"]
        found = (await client.get("/v1/profiles/p-1/recommendations")).json()
        assert found["results"]
        assert found["as_of"]
